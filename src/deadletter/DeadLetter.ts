/**
 * A batch that could not be stored, with everything needed to store it later.
 *
 * It is encoded as a `DeadLetterMessage`: the ticks in the delimited format, the times of the first and the last failure,
 * the number of retries, the reason, the source, and the facts of the batch. In addition to the keys of the contract,
 * `metadata` has `reason`, the label of the letter in metrics. For a letter without it (from an older version or another
 * program), the reason is derived from `exceptionType`.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as DeadLetter from "tickvault/deadletter/DeadLetter"
 *
 * // The ticks in a file of the folder `.dead-letters`.
 * export const ticksIn = (id: string, bytes: Uint8Array) =>
 *   Effect.flatMap(DeadLetter.fromBytes(id, bytes), DeadLetter.ticks)
 * ```
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Delimited from "../domain/Delimited.ts"
import * as RunId from "../domain/RunId.ts"
import * as Tick from "../domain/Tick.ts"
import {
  type DeadLetterMessage,
  DeadLetterMessageSchema
} from "../gen/org/evochora/datapipeline/api/contracts/system_contracts_pb.ts"
import * as StorageKey from "../storage/StorageKey.ts"

/** Why a batch was dead-lettered: the label in metrics. */
export type Reason = "validation" | "mixed_run" | "storage" | "key_conflict" | "internal"

/** All labels. */
export const reasons: ReadonlyArray<Reason> = ["validation", "mixed_run", "storage", "key_conflict", "internal"]

/** Why and when a batch failed. */
export interface Failure {
  readonly reason: Reason
  /** The error of the last attempt, or the rule that the batch breaks. */
  readonly error: Error
  /** Attempts after the first one. */
  readonly retries: number
  readonly firstFailureMs: number
  readonly lastFailureMs: number
}

/** A batch for a dead-letter queue. A letter that is offered twice is kept once. */
export interface DeadLetter {
  /** Sorts by the time of the first failure. Safe as a file name. Doesn't change when the history grows. */
  readonly id: string
  readonly reason: Reason
  /** The number of ticks in the message's metadata. 0 when it is absent. `ticks` counts them. */
  readonly tickCount: number
  readonly message: DeadLetterMessage
  /** `message` encoded. Don't change the bytes. */
  readonly bytes: Uint8Array
}

/** The bytes of a letter were changed, or can't be read as ticks. */
export class LetterDamaged extends Schema.TaggedError<LetterDamaged>()("LetterDamaged", {
  /** Id of the letter. */
  letter: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `letter "${this.letter}" can't be read: ${this.problem}. Copy its bytes to another place and remove it`
  }
}

/** The type of `originalMessage` in letters of this project: encoded `TickData` in the delimited format. */
const messageType = "List<TickData>"

const stackLines = 10

/** `error` and its causes, outermost first. */
const chain = (error: unknown): ReadonlyArray<unknown> => {
  const links: Array<unknown> = []
  for (let link: unknown = error; link !== undefined && link !== null && links.length < 10;) {
    links.push(link)
    link = Predicate.hasProperty(link, "cause") ? link.cause : undefined
  }
  return links
}

const describe = (error: unknown): string => (error instanceof Error ? error.message || error.name : String(error))

const typeOf = (error: Error): string => {
  const reason = Predicate.hasProperty(error, "reason") ? error.reason : undefined
  return Predicate.hasProperty(reason, "_tag") ? `${error.name}.${String(reason._tag)}` : error.name
}

const facts = (ticks: Tick.Batch, failure: Failure, codec: StorageKey.Codec): Record<string, string> => {
  const { first, last } = StorageKey.range(ticks)
  const runId = ticks[0].simulationRunId
  return {
    simulationRunId: runId,
    startTick: first.toString(),
    endTick: last.toString(),
    tickCount: ticks.length.toString(),
    storageKey: RunId.is(runId) && first >= 0n ? StorageKey.batch(runId, ticks, codec) : "",
    exceptionType: typeOf(failure.error),
    reason: failure.reason
  }
}

/** The fields of a message about its ticks and their last failure. */
const content = (ticks: Tick.Batch, failure: Failure) => ({
  originalMessage: Bytes.concat([...Delimited.encode(ticks)]),
  messageType,
  lastFailureTimeMs: BigInt(failure.lastFailureMs),
  failureReason: chain(failure.error).map(describe).join("; caused by: "),
  stackTraceLines: (failure.error.stack ?? String(failure.error)).split("\n").slice(0, stackLines)
})

const reasonByException: Readonly<Record<string, Reason>> = {
  InvalidTick: "validation",
  MixedRuns: "mixed_run",
  "StorageError.KeyConflict": "key_conflict"
}

const reasonOf = ({ exceptionType = "", reason }: DeadLetterMessage["metadata"]): Reason =>
  reasons.find((known) => known === reason) ??
  reasonByException[exceptionType] ??
  (exceptionType.startsWith("StorageError") ? "storage" : "internal")

const fromMessage = (id: string, message: DeadLetterMessage, bytes: Uint8Array): DeadLetter => {
  const count = message.metadata["tickCount"] ?? ""
  return {
    id,
    reason: reasonOf(message.metadata),
    tickCount: /^\d{1,15}$/u.test(count) ? Number(count) : 0,
    message,
    bytes
  }
}

const fileSafe = (name: string): string => name.replaceAll(/[^A-Za-z0-9-]/gu, "_").slice(0, 64)

/**
 * Makes the letter for `ticks`, which `service` took from `queue` and tried to store with `codec`. Its storage key is empty
 * when these ticks can't have one.
 */
export const make = Effect.fnUntraced(function* (
  ticks: Tick.Batch,
  failure: Failure,
  source: { readonly service: string; readonly queue: string; readonly codec?: StorageKey.Codec }
) {
  const message = create(DeadLetterMessageSchema, {
    ...content(ticks, failure),
    firstFailureTimeMs: BigInt(failure.firstFailureMs),
    retryCount: failure.retries,
    sourceService: source.service,
    sourceQueue: source.queue,
    metadata: facts(ticks, failure, source.codec ?? "none")
  })
  const unique = Math.abs(yield* Random.nextInt).toString(16)
  const id = `${failure.firstFailureMs.toString().padStart(15, "0")}-${fileSafe(source.service)}-${unique}`
  return fromMessage(id, message, toBinary(DeadLetterMessageSchema, message))
})

/** The largest value of the field in the contract. */
const maxRetryCount = 2 ** 31 - 1

/**
 * The next version of `letter`, after `ticks` of it have failed again. The id, the first failure, the source, and other
 * metadata stay. The last failure, its reason, and the facts of the ticks are new. The retry count grows by every attempt,
 * including the first one. So the newer of two versions has the higher count.
 */
export const extend = (
  letter: DeadLetter,
  next: { readonly ticks: Tick.Batch; readonly failure: Failure }
): DeadLetter => {
  const { $unknown, firstFailureTimeMs, metadata, retryCount, sourceQueue, sourceService } = letter.message
  const codec = StorageKey.isCompressed(metadata["storageKey"] ?? "") ? "zstd" : "none"
  const message = create(DeadLetterMessageSchema, {
    ...content(next.ticks, next.failure),
    firstFailureTimeMs,
    retryCount: Math.min(Math.max(0, retryCount) + 1 + next.failure.retries, maxRetryCount),
    sourceService,
    sourceQueue,
    metadata: { ...metadata, ...facts(next.ticks, next.failure, codec) }
  })
  if ($unknown !== undefined) message.$unknown = $unknown
  return fromMessage(letter.id, message, toBinary(DeadLetterMessageSchema, message))
}

/** Decodes the letter `id`. Fails with `LetterDamaged` when `bytes` are not a `DeadLetterMessage`. */
export const fromBytes = (id: string, bytes: Uint8Array): Effect.Effect<DeadLetter, LetterDamaged> =>
  Effect.try({
    try: () => fromMessage(id, fromBinary(DeadLetterMessageSchema, bytes), bytes),
    catch: (cause) => new LetterDamaged({ letter: id, problem: `it is not a DeadLetterMessage (${String(cause)})` })
  })

/**
 * The ticks in `letter`, in their order. Their bytes are views of the bytes of the letter. Fails with `LetterDamaged` when
 * the letter has no ticks, when one of them can't be read, or when its messages are not ticks.
 */
export const ticks = Effect.fnUntraced(function* (letter: DeadLetter) {
  const { message } = letter
  const damaged = (problem: string) => new LetterDamaged({ letter: letter.id, problem })
  if (message.messageType !== messageType) {
    return yield* damaged(`its payload is ${RunId.quote(message.messageType)}, not ${messageType}`)
  }
  const decoder = new Delimited.Decoder(message.originalMessage.length)
  const { error, frames } = decoder.push(message.originalMessage)
  const broken = error ?? decoder.end()
  if (broken !== undefined) return yield* damaged(broken.message)
  const found = Result.all(frames.map(Delimited.tick))
  if (Result.isFailure(found)) return yield* damaged(found.failure.message)
  return Tick.isBatch(found.success) ? found.success : yield* damaged("it has no ticks")
})
