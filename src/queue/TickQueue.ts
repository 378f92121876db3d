/**
 * The bounded queue between the producers of ticks and the services that persist them.
 *
 * It is bounded twice, by ticks and by bytes. A full queue makes the producer wait. A tick larger than the whole byte
 * budget still passes, alone. Consumers compete, and each takes a whole batch in one step: the ticks of a batch followed
 * each other in the queue. Consumers report the outcomes of their ticks to the queue, many ticks in one call, and
 * the queue counts them.
 *
 * The queue owns no thread and no fiber. Waiting can be interrupted at any time. A tick leaves the queue and reaches its
 * consumer in one step that no interruption divides.
 *
 * ```ts
 * import * as Duration from "effect/Duration"
 * import * as Effect from "effect/Effect"
 * import * as TickQueue from "tickvault/queue/TickQueue"
 * import * as TestTick from "tickvault/testing/TestTick"
 *
 * const policy = { maxTicks: 2, maxBytes: 1_000_000, timeout: Duration.seconds(5) }
 *
 * export const settled = Effect.gen(function* () {
 *   const queue = yield* TickQueue.TickQueue
 *   yield* queue.offerAll(TestTick.range("run-1", 1, 3))
 *   let taken: ReturnType<typeof TestTick.range> = []
 *   yield* queue.take(policy, ({ ticks }) => (taken = [...ticks]))
 *   yield* queue.settle(taken, "stored")
 *   return yield* queue.account
 * }).pipe(Effect.provide(TickQueue.layer("ticks", { capacity: 100 })))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MutableList from "effect/MutableList"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as OptionConfig from "../domain/OptionConfig.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import * as Tick from "../domain/Tick.ts"
import type { BatchPolicy, FlushReason, TakenBatch } from "./BatchPolicy.ts"
import { Handover } from "./internal/Handover.ts"
import type { Chunk } from "./internal/Chunk.ts"
import { WaitingTicks } from "./internal/WaitingTicks.ts"
import * as QueueMetrics from "./QueueMetrics.ts"

/** Settings of a queue. */
export const Options = Schema.Struct({
  /**
   * The largest number of waiting ticks. Default 10,000. Too low: a batch closes before it is whole, because no more
   * ticks can wait (flush reason `memory`). Too high: more memory, and more ticks to settle at shutdown.
   */
  capacity: OptionSchema.wholeNumber(1, 10_000),
  /**
   * The largest number of waiting payload bytes. Default 268,435,456 (256 MiB). A tick larger than this still passes,
   * alone.
   */
  maxBytes: OptionSchema.wholeNumber(1, 256 * 1024 * 1024)
})

/** The outcome of ticks that left the queue. `returned` ticks go back: they are taken again, before all others. */
export type Outcome = "stored" | "duplicate" | "dead-lettered" | "lost" | "returned"

/**
 * The number of ticks that a queue has accepted, and where they are now. At all times
 * `accepted = waiting + inHand + stored + duplicate + deadLettered + lost + returned`.
 */
export interface Account {
  readonly accepted: number
  readonly waiting: number
  readonly inHand: number
  readonly stored: number
  readonly duplicate: number
  readonly deadLettered: number
  readonly lost: number
  /** Returned and not taken again so far. */
  readonly returned: number
}

export class TickQueue extends Context.Service<
  TickQueue,
  {
    /** The name that dead letters and metrics give as their source. */
    readonly name: string

    /**
     * Puts `ticks` into the queue in order, and waits while it is full. Succeeds with the number of accepted ticks: all of
     * them, or fewer when the queue has ended. After an interruption, the accepted ticks stay in the queue. It calls
     * `accepted` with the number of ticks in the same step in which they enter.
     */
    readonly offerAll: (ticks: ReadonlyArray<Tick.Tick>, accepted?: (count: number) => void) => Effect.Effect<number>

    /** Puts one tick into the queue, and waits while it is full. `false` when the queue has ended. */
    readonly offer: (tick: Tick.Tick) => Effect.Effect<boolean>

    /**
     * Waits for the next batch and passes it to `receive` in the same step in which it leaves the queue. From then on the
     * receiver must settle each of its ticks. When interrupted before that, nothing has left the queue. Fails with `Done`
     * when the queue has ended and is empty.
     */
    readonly take: (policy: BatchPolicy, receive: (batch: TakenBatch) => void) => Effect.Effect<void, Cause.Done>

    /**
     * Reports the outcome of taken ticks. Call it once for each tick, with all ticks that share an outcome. Ticks
     * settled as `returned` go to the next consumer as a batch of their own.
     */
    readonly settle: (ticks: ReadonlyArray<Tick.Tick>, outcome: Outcome) => Effect.Effect<void>

    /** Ends the queue: it accepts no more ticks. The ticks in it can still be taken. */
    readonly end: Effect.Effect<void>

    readonly account: Effect.Effect<Account>

    /** Bytes of payload that wait in the queue. */
    readonly waitingBytes: Effect.Effect<number>
  }
>()("tickvault/queue/TickQueue") {}

const counterOf = {
  stored: "stored",
  duplicate: "duplicate",
  "dead-lettered": "deadLettered",
  lost: "lost"
} as const satisfies Record<Exclude<Outcome, "returned">, keyof Account>

/** Waits until a batch can be taken, and succeeds with the reason. Takes nothing. */
const waitForBatch = Effect.fnUntraced(function* (handover: Handover, policy: BatchPolicy) {
  while (handover.returned.length === 0) {
    const reason = handover.closes(policy)
    if (reason !== undefined) return reason
    const { waiting } = handover
    if (waiting.count === 0 && handover.ended) return yield* Cause.done()
    handover.arrival.closeUnsafe()
    handover.demand = policy
    if (waiting.count === 0) {
      yield* handover.arrival.await
      continue
    }
    const firstAtMs = yield* waiting.firstAtMs
    const now = yield* Clock.currentTimeMillis
    // A clock that is set back must not make the wait longer.
    const left = Duration.toMillis(policy.timeout) - Math.max(0, now - firstAtMs)
    if (left <= 0) return "timeout"
    yield* Effect.timeoutOption(handover.arrival.await, Duration.millis(left))
  }
  return "shutdown"
})

/** Takes the next batch and passes it to `receive` in the step in which the account changes. */
const takeBatch = (
  handover: Handover,
  policy: BatchPolicy,
  reason: FlushReason,
  receive: (batch: TakenBatch) => void
): Effect.Effect<void, Cause.Done> => {
  const { counts, waiting } = handover
  const again = MutableList.take(handover.returned)
  if (again !== MutableList.Empty) {
    counts.inHand += again.ticks.length
    receive(again)
    return Effect.void
  }
  const most = Math.min(policy.maxTicks, waiting.count)
  return waiting.take(most, policy.maxBytes, ({ enqueuedAtMs, ticks }) => {
    counts.inHand += ticks.length
    handover.producerWaits = false
    const limit = ticks.length >= policy.maxTicks ? "size" : ticks.length < most ? "bytes" : reason
    receive({ ticks, reason: limit, enqueuedAtMs, returned: false })
    handover.room.openUnsafe()
  })
}

const settle = (handover: Handover, ticks: ReadonlyArray<Tick.Tick>, outcome: Outcome, nowMs: number): void => {
  if (!Tick.isBatch(ticks)) return
  handover.counts.inHand -= ticks.length
  if (outcome !== "returned") {
    handover.counts[counterOf[outcome]] += ticks.length
    return
  }
  const batch: TakenBatch = { ticks, reason: "shutdown", enqueuedAtMs: nowMs, returned: true }
  MutableList.append(handover.returned, batch)
  handover.arrival.openUnsafe()
}

/** Like `make`, with decoded options. */
export const makeWith = Effect.fnUntraced(function* (name: string, options: typeof Options.Type) {
  const queue = yield* Queue.bounded<Chunk, Cause.Done>(options.capacity)
  const handover = new Handover(new WaitingTicks(queue, options))
  const producers = yield* Semaphore.make(1)
  const consumers = yield* Semaphore.make(1)
  const metrics = yield* QueueMetrics.make(name, options.capacity)

  const producerLeaves = Effect.sync(() => void (handover.producerWaits = false))
  const offerAll = Effect.fnUntraced(function* (
    ticks: ReadonlyArray<Tick.Tick>,
    accepted: (count: number) => void = () => undefined
  ) {
    let next = 0
    while (true) {
      next = handover.add(ticks, next, yield* Clock.currentTimeMillis, accepted)
      if (next >= ticks.length || handover.ended) return next
      yield* metrics.trackBlocked(Effect.onInterrupt(handover.room.await, () => producerLeaves))
    }
  }, Semaphore.withPermit(producers))

  const take = Effect.fn("TickQueue.take")((policy: BatchPolicy, receive: (batch: TakenBatch) => void) =>
    Effect.uninterruptibleMask((restore) =>
      restore(waitForBatch(handover, policy)).pipe(
        Effect.ensuring(Effect.sync(() => void (handover.demand = undefined))),
        Effect.flatMap((reason) => takeBatch(handover, policy, reason, receive)),
        Effect.andThen(Effect.suspend(() => metrics.update(handover.counts.accepted, handover.waiting.count)))
      )
    ).pipe(Semaphore.withPermit(consumers))
  )

  return TickQueue.of({
    name,
    offerAll,
    offer: (tick) => Effect.map(offerAll([tick]), (accepted) => accepted === 1),
    take,
    settle: Effect.fn("TickQueue.settle")((ticks, outcome) =>
      Clock.clockWith((clock) => Effect.sync(() => settle(handover, ticks, outcome, clock.currentTimeMillisUnsafe())))
    ),
    end: Effect.suspend(() => {
      handover.ended = true
      handover.room.openUnsafe()
      handover.arrival.openUnsafe()
      return Effect.asVoid(Queue.end(queue))
    }),
    account: Effect.sync(() => ({
      ...handover.counts,
      waiting: handover.waiting.count,
      returned: handover.returnedTicks()
    })),
    waitingBytes: Effect.sync(() => handover.waiting.bytes)
  })
})

/** Makes a queue of this name. Fails with `SchemaError` on a bad option. */
export const make = (name: string, options: typeof Options.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) => makeWith(name, decoded))

/** A queue in memory. Fails with `SchemaError` on a bad option. */
export const layer = (name: string, options: typeof Options.Encoded = {}): Layer.Layer<TickQueue, Schema.SchemaError> =>
  Layer.effect(TickQueue, make(name, options))

/** Like `layer`, but environment variables override `options`, by default `TICKVAULT_RAW_TICK_DATA_CAPACITY` and so on. */
export const layerConfig = (
  name = "raw-tick-data",
  options: typeof Options.Encoded = {}
): Layer.Layer<TickQueue, Config.ConfigError> =>
  Layer.effect(
    TickQueue,
    Effect.flatMap(OptionConfig.of(Options, name, options), (decoded) => makeWith(name, decoded))
  )
