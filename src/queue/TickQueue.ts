/**
 * The bounded hand-over between the producers of ticks and the services that persist them.
 *
 * Bounded twice, by ticks and by bytes: a full queue makes the producer wait, and one tick larger than the whole byte
 * budget still passes, alone. Consumers compete; each takes whole batches in one step, so that the batches of competing
 * services are contiguous. What leaves the queue is settled with it: the queue keeps the books of what became of every
 * tick, one call a batch.
 *
 * Owns no thread and no fiber. No interruption falls between a tick leaving the queue and a consumer receiving it.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as OptionSchema from "../domain/OptionSchema.ts"
import * as Tick from "../domain/Tick.ts"
import type { BatchPolicy, FlushReason, TakenBatch } from "./BatchPolicy.ts"
import { type Chunk, chunksOf } from "./internal/Chunk.ts"
import * as QueueMetrics from "./QueueMetrics.ts"

/** Settings of a queue. */
export const Options = Schema.Struct({
  /**
   * Most ticks that wait in the queue. Default 10,000. Too low: a batch closes before it is whole, because no more
   * ticks can wait (flush reason `memory`). Too high: more memory, and more ticks to settle at shutdown.
   */
  capacity: OptionSchema.wholeNumber(1, 10_000),
  /**
   * Most bytes of payload that wait in the queue. Default 268,435,456 (256 MiB). A tick larger than this still passes,
   * alone.
   */
  maxBytes: OptionSchema.wholeNumber(1, 256 * 1024 * 1024)
})

/** What has become of ticks that left the queue. `returned` gives them back: they are taken again, before all others. */
export type Outcome = "stored" | "duplicate" | "dead-lettered" | "lost" | "returned"

/**
 * The books of a queue, in ticks. At all times
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
  /** Given back and not taken again so far. */
  readonly returned: number
}

export class TickQueue extends Context.Service<
  TickQueue,
  {
    /** The name that dead letters and metrics give as their source. */
    readonly name: string

    /**
     * Puts `ticks` into the queue in their order, waiting while it is full. Succeeds with how many it took: all of
     * them, or fewer when the queue has ended. Interrupted, those already in stay in; `accepted` is called with the
     * number of ticks in the same step in which they enter.
     */
    readonly offerAll: (ticks: ReadonlyArray<Tick.Tick>, accepted?: (count: number) => void) => Effect.Effect<number>

    /** Puts one tick into the queue, waiting while it is full; `false` when the queue has ended. */
    readonly offer: (tick: Tick.Tick) => Effect.Effect<boolean>

    /**
     * Waits for the next batch and hands it to `receive` in the same step in which it leaves the queue: from then on it
     * is the receiver's, who settles every one of its ticks. Interrupted before, nothing has left the queue. Fails with
     * `Done` when the queue has ended and nothing is left in it.
     */
    readonly take: (policy: BatchPolicy, receive: (batch: TakenBatch) => void) => Effect.Effect<void, Cause.Done>

    /**
     * Says what became of ticks of a batch that was taken. Called once for each tick. Ticks settled as `returned` are
     * given to the next consumer as a batch of their own.
     */
    readonly settle: (ticks: ReadonlyArray<Tick.Tick>, outcome: Outcome) => Effect.Effect<void>

    /** No more ticks are accepted; what is in the queue can still be taken. */
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

/** The one place where the queue's state changes. Opening a latch runs those who wait for it: a step does it last. */
class State {
  readonly counts = { accepted: 0, inHand: 0, stored: 0, duplicate: 0, deadLettered: 0, lost: 0 }
  readonly returned: Array<TakenBatch> = []
  /** Ticks in the queue, and their bytes. */
  waiting = 0
  bytes = 0
  ended = false
  /** A producer waits for room: the queue will hold no more than it does now. */
  producerWaits = false
  /** What the one consumer that waits is waiting for. */
  demand: BatchPolicy | undefined

  readonly room = Latch.makeUnsafe(false)
  readonly arrival = Latch.makeUnsafe(false)
  readonly queue: Queue.Queue<Chunk, Cause.Done>
  private readonly options: typeof Options.Type

  constructor(queue: Queue.Queue<Chunk, Cause.Done>, options: typeof Options.Type) {
    this.queue = queue
    this.options = options
  }

  /** Adds ticks from `from` on while there is room; gives the index of the first that is not in. After `end`, none. */
  add(ticks: ReadonlyArray<Tick.Tick>, from: number, enqueuedAtMs: number, accepted: (count: number) => void): number {
    if (this.ended) return from
    const wasEmpty = this.waiting === 0
    let index = from
    for (let tick = ticks[index]; tick !== undefined; tick = ticks[++index]) {
      const size = tick.payload.length
      if (this.bytes > 0 && this.bytes + size > this.options.maxBytes) break
      if (this.waiting >= this.options.capacity) break
      this.waiting++
      this.bytes += size
    }
    this.counts.accepted += index - from
    for (const chunk of chunksOf(ticks, from, index, enqueuedAtMs)) Queue.offerUnsafe(this.queue, chunk)
    this.producerWaits = index < ticks.length
    if (this.producerWaits) this.room.closeUnsafe()
    if (index > from) accepted(index - from)
    if (this.demand !== undefined && (wasEmpty || this.closes(this.demand) !== undefined)) this.arrival.openUnsafe()
    return index
  }

  /** Why a batch can be taken now; `undefined` while it is worth waiting for more. */
  closes(policy: BatchPolicy): FlushReason | undefined {
    const waiting = this.waiting
    if (waiting === 0) return undefined
    if (waiting >= policy.maxTicks) return "size"
    if (this.bytes >= policy.maxBytes) return "bytes"
    if (this.ended) return "shutdown"
    return this.producerWaits || waiting >= this.options.capacity ? "memory" : undefined
  }

  /** Books ticks that have just left the queue. */
  leave(ticks: number, bytes: number): void {
    this.bytes -= bytes
    this.waiting -= ticks
    this.counts.inHand += ticks
    this.producerWaits = false
  }

  returnedTicks(): number {
    return this.returned.reduce((total, batch) => total + batch.ticks.length, 0)
  }
}

/** Waits until a batch can be taken, consuming nothing. */
const waitForBatch = Effect.fnUntraced(function* (state: State, policy: BatchPolicy) {
  while (state.returned.length === 0) {
    const reason = state.closes(policy)
    if (reason !== undefined) return reason
    if (state.waiting === 0 && state.ended) return yield* Cause.done()
    state.arrival.closeUnsafe()
    state.demand = policy
    if (state.waiting === 0) {
      yield* state.arrival.await
      continue
    }
    const first = yield* Queue.peek(state.queue)
    const now = yield* Clock.currentTimeMillis
    // A clock that is set back must not make the wait longer.
    const left = Duration.toMillis(policy.timeout) - Math.max(0, now - first.enqueuedAtMs)
    if (left <= 0) return "timeout"
    yield* Effect.timeoutOption(state.arrival.await, Duration.millis(left))
  }
  return "shutdown"
})

/**
 * Takes `most` ticks, fewer when their bytes are over the limit. They are all in the queue and nobody else takes, so
 * nothing here waits.
 */
const takeNow = Effect.fnUntraced(function* (state: State, policy: BatchPolicy, most: number) {
  const { enqueuedAtMs } = yield* Queue.peek(state.queue)
  const ticks: Array<Tick.Tick> = []
  let bytes = 0
  while (ticks.length < most) {
    const chunk = yield* Queue.peek(state.queue)
    bytes += chunk.moveTo(ticks, most, policy.maxBytes - bytes)
    if (!chunk.isEmpty) break
    yield* Queue.take(state.queue)
  }
  state.leave(ticks.length, bytes)
  return { ticks, enqueuedAtMs }
})

/** Takes the next batch and hands it to `receive`. The books change in the step in which it is received. */
const takeBatch = Effect.fnUntraced(function* (
  state: State,
  policy: BatchPolicy,
  reason: FlushReason,
  receive: (batch: TakenBatch) => void
) {
  const again = state.returned.shift()
  if (again !== undefined) {
    state.counts.inHand += again.ticks.length
    return receive(again)
  }
  const most = Math.min(policy.maxTicks, state.waiting)
  const { enqueuedAtMs, ticks } = yield* takeNow(state, policy, most)
  if (!Tick.isBatch(ticks)) return
  const limit = ticks.length >= policy.maxTicks ? "size" : ticks.length < most ? "bytes" : reason
  receive({ ticks, reason: limit, enqueuedAtMs, returned: false })
  state.room.openUnsafe()
})

const settle = (state: State, ticks: ReadonlyArray<Tick.Tick>, outcome: Outcome, nowMs: number): void => {
  if (!Tick.isBatch(ticks)) return
  state.counts.inHand -= ticks.length
  if (outcome !== "returned") {
    state.counts[counterOf[outcome]] += ticks.length
    return
  }
  state.returned.push({ ticks, reason: "shutdown", enqueuedAtMs: nowMs, returned: true })
  state.arrival.openUnsafe()
}

/** Makes a queue of this name. Fails with `SchemaError` on a bad option. */
export const make = Effect.fnUntraced(function* (name: string, options: typeof Options.Encoded = {}) {
  const decoded = yield* Schema.decodeEffect(Options)(options)
  const state = new State(yield* Queue.bounded<Chunk, Cause.Done>(decoded.capacity), decoded)
  const producers = yield* Semaphore.make(1)
  const consumers = yield* Semaphore.make(1)
  const metrics = yield* QueueMetrics.make(name, decoded.capacity)

  const producerLeaves = Effect.sync(() => void (state.producerWaits = false))
  const offerAll = Effect.fnUntraced(function* (
    ticks: ReadonlyArray<Tick.Tick>,
    accepted: (count: number) => void = () => undefined
  ) {
    let next = 0
    while (true) {
      next = state.add(ticks, next, yield* Clock.currentTimeMillis, accepted)
      if (next >= ticks.length || state.ended) return next
      yield* metrics.trackBlocked(Effect.onInterrupt(state.room.await, () => producerLeaves))
    }
  }, Semaphore.withPermit(producers))

  const take = (policy: BatchPolicy, receive: (batch: TakenBatch) => void) =>
    Effect.uninterruptibleMask((restore) =>
      restore(waitForBatch(state, policy)).pipe(
        Effect.ensuring(Effect.sync(() => void (state.demand = undefined))),
        Effect.flatMap((reason) => takeBatch(state, policy, reason, receive)),
        Effect.andThen(Effect.suspend(() => metrics.update(state.counts.accepted, state.waiting)))
      )
    ).pipe(Semaphore.withPermit(consumers))

  return TickQueue.of({
    name,
    offerAll,
    offer: (tick) => Effect.map(offerAll([tick]), (accepted) => accepted === 1),
    take,
    settle: (ticks, outcome) =>
      Clock.clockWith((clock) => Effect.sync(() => settle(state, ticks, outcome, clock.currentTimeMillisUnsafe()))),
    end: Effect.suspend(() => {
      state.ended = true
      state.room.openUnsafe()
      state.arrival.openUnsafe()
      return Effect.asVoid(Queue.end(state.queue))
    }),
    account: Effect.sync(() => ({ ...state.counts, waiting: state.waiting, returned: state.returnedTicks() })),
    waitingBytes: Effect.sync(() => state.bytes)
  })
})

/** A queue in memory. Fails with `SchemaError` on a bad option. */
export const layer = (name: string, options: typeof Options.Encoded = {}): Layer.Layer<TickQueue, Schema.SchemaError> =>
  Layer.effect(TickQueue, make(name, options))
