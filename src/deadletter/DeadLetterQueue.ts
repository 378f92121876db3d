/**
 * Keeps the batches that could not be stored until they are dealt with.
 *
 * The port, a bounded queue in memory, and one that discards on purpose. `FileDeadLetterQueue` is the durable one. A
 * queue that is full or fails says so: a letter it has taken is kept, and it never drops one to make room.
 */
import { fromBinary } from "@bufbuild/protobuf"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as OptionSchema from "../domain/OptionSchema.ts"
import {
  type DeadLetterMessage,
  DeadLetterMessageSchema
} from "../gen/org/evochora/datapipeline/api/contracts/system_contracts_pb.ts"
import { StorageError } from "../storage/StorageError.ts"
import type { DeadLetter } from "./DeadLetter.ts"
import * as DeadLetterMetrics from "./DeadLetterMetrics.ts"

/** Settings of a dead-letter queue in memory. */
export const Options = Schema.Struct({
  /** Most letters kept; a full queue refuses further ones. Default 100. */
  capacity: OptionSchema.wholeNumber(1, 100)
})

/** The queue holds as many letters as it may. Passes when letters are taken out. */
export class QueueFull extends Schema.TaggedError<QueueFull>()("QueueFull", { capacity: Schema.Int }) {
  override get message() {
    return `it holds ${this.capacity} letters, the most it may: deal with some or raise its capacity`
  }
}

/** The folder of letters failed. */
export class LetterNotWritten extends Schema.TaggedError<LetterNotWritten>()("LetterNotWritten", {
  cause: StorageError
}) {
  override get message() {
    return this.cause.message
  }
}

/** Whoever offered the letter has heard no answer in time. It may be kept, now or later. */
export class LetterTimedOut extends Schema.TaggedError<LetterTimedOut>()("LetterTimedOut", { code: Schema.String }) {
  override get message() {
    return `no answer in time (${this.code}): check the disk and the mount of the letters`
  }
}

/** A stored letter is no `DeadLetterMessage`. */
export class LetterDamaged extends Schema.TaggedError<LetterDamaged>()("LetterDamaged", {
  letter: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `letter "${this.letter}" is damaged: ${String(this.cause)}`
  }
}

/** The one failure of a dead-letter queue. Whatever it is, the letter is still the caller's. */
export class DeadLetterError extends Schema.TaggedError<DeadLetterError>()("DeadLetterError", {
  queue: Schema.String,
  reason: Schema.Union([QueueFull, LetterNotWritten, LetterTimedOut, LetterDamaged])
}) {
  override get message() {
    return `dead-letter queue "${this.queue}": ${this.reason.message}`
  }
}

export class DeadLetterQueue extends Context.Service<
  DeadLetterQueue,
  {
    readonly name: string

    /** Where the letters lie, in words for people. */
    readonly location: string

    /**
     * Keeps `letter`. Succeeds with "kept" once it is as durable as the queue is, or with "discarded" when this queue
     * keeps nothing. Offering a letter again is safe. Fails with `QueueFull` or `LetterNotWritten`.
     */
    readonly offer: (letter: DeadLetter) => Effect.Effect<"kept" | "discarded", DeadLetterError>

    /** Letters held now. */
    readonly size: Effect.Effect<number>

    /** The letters, oldest first. */
    readonly letters: Stream.Stream<DeadLetterMessage, DeadLetterError>
  }
>()("tickvault/deadletter/DeadLetterQueue") {}

/** The letter that `bytes` hold. Fails with `LetterDamaged`. */
export const decode = (queue: string, letter: string, bytes: Uint8Array) =>
  Effect.try({
    try: () => fromBinary(DeadLetterMessageSchema, bytes),
    catch: (cause) => new DeadLetterError({ queue, reason: new LetterDamaged({ letter, cause }) })
  })

/** Makes a bounded queue in memory. Fails with `SchemaError` on a bad option. */
export const makeMemory = Effect.fnUntraced(function* (name: string, options: typeof Options.Encoded = {}) {
  const { capacity } = yield* Schema.decodeEffect(Options)(options)
  const metrics = yield* DeadLetterMetrics.make(name, capacity)
  const held = new Map<string, DeadLetter>()
  return DeadLetterQueue.of({
    name,
    location: "memory",
    offer: Effect.fnUntraced(function* (letter) {
      if (held.has(letter.id)) return "kept" as const
      if (held.size >= capacity) {
        return yield* new DeadLetterError({ queue: name, reason: new QueueFull({ capacity }) })
      }
      held.set(letter.id, letter)
      yield* metrics.received(letter.reason, held.size)
      return "kept" as const
    }),
    size: Effect.sync(() => held.size),
    letters: Stream.suspend(() =>
      Stream.fromIterable([...held.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ message }) => message))
    )
  })
})

/** Letters in memory, gone when the process ends: for tests. Fails with `SchemaError` on a bad option. */
export const layerMemory = (options: typeof Options.Encoded = {}): Layer.Layer<DeadLetterQueue, Schema.SchemaError> =>
  Layer.effect(DeadLetterQueue, makeMemory("memory", options))

/** Makes a queue that keeps nothing and says so at ERROR for every letter: its ticks are lost. */
export const makeDiscard = Effect.fnUntraced(function* (name: string) {
  const metrics = yield* DeadLetterMetrics.make(name, 0)
  return DeadLetterQueue.of({
    name,
    location: "nowhere",
    offer: Effect.fnUntraced(function* (letter) {
      yield* Effect.logError("Failed batch has no dead-letter queue configured, its ticks are lost").pipe(
        Effect.annotateLogs({ ...letter.message.metadata, reason: letter.message.failureReason })
      )
      yield* metrics.dropped(letter.reason)
      return "discarded" as const
    }),
    size: Effect.succeed(0),
    letters: Stream.empty
  })
})

/** Without dead letters: what can't be stored is lost, and counted as lost. */
export const layerDiscard: Layer.Layer<DeadLetterQueue> = Layer.effect(DeadLetterQueue, makeDiscard("discard"))
