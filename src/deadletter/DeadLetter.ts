/**
 * A batch that could not be stored, with all that is needed to store it later.
 *
 * On the wire it is a `DeadLetterMessage`: the ticks in the delimited format, when it failed first and last, how often it
 * was tried again, why, where, and the facts of the batch.
 */
import { create, toBinary } from "@bufbuild/protobuf"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Delimited from "../domain/Delimited.ts"
import * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import {
  type DeadLetterMessage,
  DeadLetterMessageSchema
} from "../gen/org/evochora/datapipeline/api/contracts/system_contracts_pb.ts"
import * as StorageKey from "../storage/StorageKey.ts"

/** Why a batch was given up, for metrics: a fixed set of labels. */
export type Reason = "validation" | "mixed_run" | "storage" | "key_conflict" | "internal"

/** What a service knows of a batch it gives up. */
export interface Failure {
  readonly reason: Reason
  /** What the last attempt failed with, or the rule that the batch broke. */
  readonly error: Error
  /** Attempts after the first one. */
  readonly retries: number
  readonly firstFailureMs: number
  readonly lastFailureMs: number
}

/** A batch on its way into a dead-letter queue. Offering the same letter again doesn't make a second one. */
export interface DeadLetter {
  /** Sorts by the time of the first failure; safe as a file name. */
  readonly id: string
  readonly reason: Reason
  readonly tickCount: number
  readonly message: DeadLetterMessage
  /** `message` encoded. */
  readonly bytes: Uint8Array
}

const stackLines = 10

/** `error` and what caused it, outermost first. */
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

const facts = (ticks: Tick.Batch, error: Error): Record<string, string> => {
  const { first, last } = StorageKey.range(ticks)
  const runId = ticks[0].simulationRunId
  return {
    simulationRunId: runId,
    startTick: first.toString(),
    endTick: last.toString(),
    tickCount: ticks.length.toString(),
    storageKey: RunId.is(runId) && first >= 0n ? StorageKey.batch(runId, ticks) : "",
    exceptionType: typeOf(error)
  }
}

const fileSafe = (name: string): string => name.replaceAll(/[^A-Za-z0-9-]/gu, "_").slice(0, 64)

/** Writes the letter for `ticks`, which `service` had taken from `queue`. The storage key is empty when there is none for them. */
export const make = Effect.fnUntraced(function* (
  ticks: Tick.Batch,
  failure: Failure,
  source: { readonly service: string; readonly queue: string }
) {
  const message = create(DeadLetterMessageSchema, {
    originalMessage: Bytes.concat([...Delimited.encode(ticks)]),
    messageType: "List<TickData>",
    firstFailureTimeMs: BigInt(failure.firstFailureMs),
    lastFailureTimeMs: BigInt(failure.lastFailureMs),
    retryCount: failure.retries,
    failureReason: chain(failure.error).map(describe).join("; caused by: "),
    sourceService: source.service,
    sourceQueue: source.queue,
    stackTraceLines: (failure.error.stack ?? String(failure.error)).split("\n").slice(0, stackLines),
    metadata: facts(ticks, failure.error)
  })
  const unique = Math.abs(yield* Random.nextInt).toString(16)
  const letter: DeadLetter = {
    id: `${failure.firstFailureMs.toString().padStart(15, "0")}-${fileSafe(source.service)}-${unique}`,
    reason: failure.reason,
    tickCount: ticks.length,
    message,
    bytes: toBinary(DeadLetterMessageSchema, message)
  }
  return letter
})
