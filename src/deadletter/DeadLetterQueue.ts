/**
 * Keeps batches that could not be stored until they are replayed or dropped.
 *
 * The port, a bounded queue in memory, and a queue that discards letters on purpose. `FileDeadLetterQueue` is the
 * durable one. A full or failing queue fails the offer. It keeps every letter that it has accepted, and never drops one
 * to make room.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import { DeadLetterQueue } from "tickvault/deadletter/DeadLetterQueue"
 *
 * export const reasons = Effect.gen(function* () {
 *   const queue = yield* DeadLetterQueue
 *   return yield* Stream.runCollect(Stream.map(queue.letters, ({ failureReason }) => failureReason))
 * })
 * ```
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Order from "effect/Order"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as OptionConfig from "../domain/OptionConfig.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import * as RunId from "../domain/RunId.ts"
import type { DeadLetterMessage } from "../gen/org/evochora/datapipeline/api/contracts/system_contracts_pb.ts"
import { StorageError } from "../storage/StorageError.ts"
import { type DeadLetter, LetterDamaged } from "./DeadLetter.ts"
import * as DeadLetterMetrics from "./DeadLetterMetrics.ts"

/** Settings of a dead-letter queue in memory. */
export const Options = Schema.Struct({
  /** The largest number of letters. A full queue refuses further ones. Default 100. */
  capacity: OptionSchema.wholeNumber(1, 100)
})

/** The queue is full. Passes when letters are removed. */
export class QueueFull extends Schema.TaggedError<QueueFull>()("QueueFull", { capacity: Schema.Int }) {
  override get message() {
    return `it is full with ${this.capacity} letters: replay or drop some, or raise its capacity`
  }
}

/** Writing or removing a letter in the folder failed. */
export class LetterNotWritten extends Schema.TaggedError<LetterNotWritten>()("LetterNotWritten", {
  cause: StorageError
}) {
  override get message() {
    return this.cause.message
  }
}

/** The queue did not answer in time. The letter may be kept, now or later. */
export class LetterTimedOut extends Schema.TaggedError<LetterTimedOut>()("LetterTimedOut", { code: Schema.String }) {
  override get message() {
    return `no answer in time (${this.code}): check the disk and the mount of the letters`
  }
}

/** Reading the folder of letters failed. */
export class LetterNotRead extends Schema.TaggedError<LetterNotRead>()("LetterNotRead", { cause: StorageError }) {
  override get message() {
    return this.cause.message
  }
}

/** There is no letter with that id: there never was one, or it was removed. */
export class LetterMissing extends Schema.TaggedError<LetterMissing>()("LetterMissing", { letter: Schema.String }) {
  override get message() {
    return `it has no letter ${RunId.quote(this.letter)}: list its letters`
  }
}

/** The failure of a dead-letter queue. The caller keeps the letter that it offered. */
export class DeadLetterError extends Schema.TaggedError<DeadLetterError>()("DeadLetterError", {
  queue: Schema.String,
  reason: Schema.Union([QueueFull, LetterNotWritten, LetterTimedOut, LetterNotRead, LetterMissing, LetterDamaged])
}) {
  override get message() {
    return `dead-letter queue "${this.queue}": ${this.reason.message}`
  }
}

export class DeadLetterQueue extends Context.Service<
  DeadLetterQueue,
  {
    readonly name: string

    /** The place of the letters, as text for people. */
    readonly location: string

    /**
     * Keeps `letter`. Succeeds with "kept" when the letter is as durable as the queue, or with "discarded" when this queue
     * keeps nothing. A letter may be offered again: a letter with this id stays unchanged and needs no room. Fails with
     * `QueueFull` or `LetterNotWritten`. After an interruption the letter may be kept or not: offer it again.
     */
    readonly offer: (letter: DeadLetter) => Effect.Effect<"kept" | "discarded", DeadLetterError>

    /** The number of letters, as far as this process knows. Damaged ones count too. */
    readonly size: Effect.Effect<number>

    /** The ids of the letters, oldest first, damaged ones too. Fails with `LetterNotRead`. */
    readonly ids: Stream.Stream<string, DeadLetterError>

    /** The newest version of the letter with this id. Fails with `LetterMissing`, `LetterDamaged` or `LetterNotRead`. */
    readonly get: (id: string) => Effect.Effect<DeadLetter, DeadLetterError>

    /**
     * Replaces the letter with the id of `letter`, durably. Needs no room. At every moment, at least one of the two
     * versions is whole in the queue. Fails with `LetterMissing` when there is no letter with this id, or with
     * `LetterNotWritten`. After that, and after an interruption, the new version may be kept or not: repeat it.
     */
    readonly update: (letter: DeadLetter) => Effect.Effect<void, DeadLetterError>

    /**
     * Removes the letter with this id durably, damaged or not. `false` when there is none. Fails with `LetterNotWritten`.
     * After that, and after an interruption, the letter may still exist: repeat it.
     */
    readonly remove: (id: string) => Effect.Effect<boolean, DeadLetterError>

    /** Fails with `LetterNotWritten` when the queue is read-only, so that `update` and `remove` would fail. */
    readonly checkChangeable: Effect.Effect<void, DeadLetterError>

    /** The messages of the letters, oldest first. A letter that can't be read is left out and logged at WARN. */
    readonly letters: Stream.Stream<DeadLetterMessage, DeadLetterError>
  }
>()("tickvault/deadletter/DeadLetterQueue") {}

/** `letters` for a queue with these `ids` and this `get`. */
export const lettersOf = ({
  get,
  ids,
  name
}: Pick<DeadLetterQueue["Service"], "get" | "ids" | "name">): DeadLetterQueue["Service"]["letters"] =>
  Stream.flatMap(ids, (id) =>
    get(id).pipe(
      Effect.map(({ message }) => Stream.succeed(message)),
      Effect.catchReason("DeadLetterError", "LetterMissing", () => Effect.succeed(Stream.empty)), // removed since
      Effect.catch((error) =>
        Effect.logWarning("A dead letter can't be read and is left out").pipe(
          Effect.annotateLogs({ deadLetterQueue: name, letter: id, error: error.message }),
          Effect.as(Stream.empty)
        )
      ),
      Stream.unwrap
    )
  )

/** By the time of the first failure: ids begin with it. */
export const byId: Order.Order<{ readonly id: string }> = Order.mapInput(Order.String, ({ id }) => id)

const firstFailureMs = ({ message }: DeadLetter) => Number(message.firstFailureTimeMs)

/** The content of a queue with these letters, for metrics. */
const sizesOf = (letters: ReadonlyArray<DeadLetter>): DeadLetterMetrics.Held => ({
  letters: letters.length,
  bytes: letters.reduce((sum, { bytes }) => sum + bytes.length, 0),
  oldestMs: letters.length === 0 ? undefined : Math.min(...letters.map(firstFailureMs))
})

/** Like `makeMemory`, with decoded options. */
export const makeMemoryWith = Effect.fnUntraced(function* (name: string, options: typeof Options.Type) {
  const { capacity } = options
  const metrics = yield* DeadLetterMetrics.make(name, capacity)
  const held = new Map<string, DeadLetter>()
  const fail = (reason: DeadLetterError["reason"]) => new DeadLetterError({ queue: name, reason })
  const sorted = () => [...held.values()].sort(byId)
  const measure = Effect.suspend(() => metrics.holds(sizesOf([...held.values()])))
  const ids = Stream.suspend(() => Stream.fromIterable(sorted().map(({ id }) => id)))
  const get = Effect.fn("DeadLetterQueue.get")(function* (id: string) {
    return held.get(id) ?? (yield* fail(new LetterMissing({ letter: id })))
  })
  return DeadLetterQueue.of({
    name,
    location: "memory",
    offer: Effect.fn("DeadLetterQueue.offer")(function* (letter) {
      if (held.has(letter.id)) return "kept" as const
      if (held.size >= capacity) return yield* fail(new QueueFull({ capacity }))
      held.set(letter.id, letter)
      yield* Effect.andThen(metrics.received(letter.reason), measure)
      return "kept" as const
    }, Effect.uninterruptible),
    size: Effect.sync(() => held.size),
    ids,
    get,
    update: Effect.fn("DeadLetterQueue.update")(function* (letter) {
      if (!held.has(letter.id)) return yield* fail(new LetterMissing({ letter: letter.id }))
      held.set(letter.id, letter)
      yield* measure
    }, Effect.uninterruptible),
    remove: Effect.fn("DeadLetterQueue.remove")(function* (id) {
      const removed = held.delete(id)
      yield* measure
      return removed
    }, Effect.uninterruptible),
    checkChangeable: Effect.void,
    letters: lettersOf({ name, ids, get })
  })
})

/** Makes a bounded queue in memory. Fails with `SchemaError` on a bad option. */
export const makeMemory = (name: string, options: typeof Options.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) => makeMemoryWith(name, decoded))

/** Letters in memory, gone when the process ends: for tests. Fails with `SchemaError` on a bad option. */
export const layerMemory = (options: typeof Options.Encoded = {}): Layer.Layer<DeadLetterQueue, Schema.SchemaError> =>
  Layer.effect(DeadLetterQueue, makeMemory("memory", options))

/**
 * Like `layerMemory`, but environment variables override `options`. They contain `name`, the name of the queue:
 * `TICKVAULT_PERSISTENCE_DLQ_CAPACITY` by default. Fails with `ConfigError`, which names each wrong variable.
 */
export const layerMemoryConfig = (
  name = "persistence-dlq",
  options: typeof Options.Encoded = {}
): Layer.Layer<DeadLetterQueue, Config.ConfigError> =>
  Layer.effect(
    DeadLetterQueue,
    Effect.flatMap(OptionConfig.of(Options, name, options), (decoded) => makeMemoryWith(name, decoded))
  )

/** Makes a queue that keeps nothing. It logs each letter at ERROR, because its ticks are lost. */
export const makeDiscard = Effect.fnUntraced(function* (name: string) {
  const metrics = yield* DeadLetterMetrics.make(name, 0)
  const missing = (id: string) =>
    Effect.fail(new DeadLetterError({ queue: name, reason: new LetterMissing({ letter: id }) }))
  return DeadLetterQueue.of({
    name,
    location: "nowhere",
    offer: Effect.fn("DeadLetterQueue.offer")(function* (letter) {
      yield* Effect.logError("Failed batch has no dead-letter queue configured, its ticks are lost").pipe(
        Effect.annotateLogs({ ...letter.message.metadata, reason: letter.message.failureReason })
      )
      yield* metrics.dropped(letter.reason)
      return "discarded" as const
    }),
    size: Effect.succeed(0),
    ids: Stream.empty,
    get: missing,
    update: ({ id }) => missing(id),
    remove: () => Effect.succeed(false),
    checkChangeable: Effect.void,
    letters: Stream.empty
  })
})

/** Without dead letters: ticks that can't be stored are lost, and counted as lost. */
export const layerDiscard: Layer.Layer<DeadLetterQueue> = Layer.effect(DeadLetterQueue, makeDiscard("discard"))
