/**
 * What each `TickQueue` must do, as cases for any test runner. Time is that of a `TestClock`.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as TickQueue from "tickvault/queue/TickQueue"
 * import * as TickQueueContract from "tickvault/testing/TickQueueContract"
 * import { test } from "node:test"
 *
 * // Your own queue in the place of this one.
 * const cases = TickQueueContract.cases((options) => TickQueue.layer("ticks", options))
 * for (const { effect, name } of cases) test(name, () => Effect.runPromise(effect))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { TickQueue } from "../queue/TickQueue.ts"
import { type Case, caseOfTime, type Test, test } from "./Contract.ts"
import { failure, isFalse, same } from "./internal/expect.ts"
import { balanced, isDone, numbers, policy, sized, take } from "./internal/queueCalls.ts"
import { chaos } from "./internal/queueChaos.ts"
import * as TestTick from "./TestTick.ts"

/** The bounds of a queue. */
export interface Bounds {
  /** Most ticks that wait in it. */
  readonly capacity: number
  /** Most bytes of payload that wait in it. */
  readonly maxBytes: number
}

const roomy: Bounds = { capacity: 10_000, maxBytes: 1_000_000 }

/** A test of queues with these bounds. */
interface Bounded extends Test<TickQueue> {
  readonly bounds: Bounds
}

const range = (first: number, last: number) => TestTick.range("run", first, last)

const bounded = (bounds: Partial<Bounds>, ...named: Parameters<typeof test<TickQueue>>): Bounded => ({
  ...test<TickQueue>(...named),
  bounds: { ...roomy, ...bounds }
})

const full: ReadonlyArray<Bounded> = [
  bounded(
    { capacity: 3 },
    "holds no more ticks than it may: the producer waits, and goes on as ticks are taken",
    function* () {
      const queue = yield* TickQueue
      const producer = yield* Effect.forkChild(queue.offerAll(range(1, 5)))
      yield* TestClock.adjust("1 hour")
      isFalse(isDone(producer), "the producer waits")
      same((yield* queue.account).waiting, 3)
      same(numbers((yield* take(queue, { maxTicks: 2 })).ticks), [1, 2])
      same(yield* Fiber.join(producer), 5)
      same((yield* queue.account).accepted, 5)
    }
  ),

  bounded({ maxBytes: 100 }, "holds no more bytes than it may, either", function* () {
    const queue = yield* TickQueue
    const producer = yield* Effect.forkChild(queue.offerAll([sized(1, 40), sized(2, 60), sized(3, 20)]))
    yield* TestClock.adjust("1 hour")
    isFalse(isDone(producer), "the producer waits")
    same(yield* queue.waitingBytes, 100)
    yield* take(queue, { maxTicks: 1 })
    same(yield* Fiber.join(producer), 3)
    same(yield* queue.waitingBytes, 80)
  }),

  bounded({ maxBytes: 100 }, "lets a tick larger than all its bytes through, alone", function* () {
    const queue = yield* TickQueue
    const producer = yield* Effect.forkChild(queue.offerAll([sized(1, 50), sized(2, 120), sized(3, 50)]))
    for (const tick of [1, 2, 3]) {
      yield* TestClock.adjust("10 seconds")
      same((yield* queue.account).waiting, 1)
      same(numbers((yield* take(queue)).ticks), [tick])
    }
    same(yield* Fiber.join(producer), 3)
  }),

  bounded(
    { capacity: 3 },
    "keeps what is in it when the producer is interrupted, and has said how many ticks that are",
    function* () {
      const queue = yield* TickQueue
      const accepted: Array<number> = []
      const producer = yield* Effect.forkChild(queue.offerAll(range(1, 9), (count) => accepted.push(count)))
      yield* TestClock.adjust(0)
      yield* take(queue, { maxTicks: 2 })
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(producer)
      same(
        accepted.reduce((sum, count) => sum + count, 0),
        (yield* queue.account).accepted
      )
      yield* queue.end
      same(numbers((yield* take(queue)).ticks), [3, 4, 5])
    }
  )
]

const batches: ReadonlyArray<Bounded> = [
  bounded({}, "close as soon as they have their ticks", function* () {
    const queue = yield* TickQueue
    const consumer = yield* Effect.forkChild(take(queue, { maxTicks: 3 }))
    yield* queue.offerAll(range(1, 2))
    yield* TestClock.adjust("1 second")
    isFalse(isDone(consumer), "the consumer waits for the third tick")
    yield* queue.offerAll(range(3, 4))
    const batch = yield* Fiber.join(consumer)
    same([numbers(batch.ticks), batch.reason, batch.returned], [[1, 2, 3], "size", false])
  }),

  bounded({}, "have no more bytes than asked for, but for a single tick that is larger", function* () {
    const queue = yield* TickQueue
    yield* queue.offerAll([sized(1, 50), sized(2, 50), sized(3, 50), sized(4, 60), sized(5, 120), sized(6, 20)])
    yield* queue.end
    const found: Array<ReadonlyArray<number>> = []
    for (let batch = 0; batch < 5; batch++) found.push(numbers((yield* take(queue, { maxBytes: 100 })).ticks))
    same(found, [[1, 2], [3], [4], [5], [6]])
  }),

  bounded({}, "close when their time is over, counted from the arrival of their first tick", function* () {
    const queue = yield* TickQueue
    const consumer = yield* Effect.forkChild(take(queue))
    yield* TestClock.adjust("1 hour")
    yield* queue.offerAll(range(1, 1))
    yield* TestClock.adjust("3 seconds")
    yield* queue.offerAll(range(2, 2))
    yield* TestClock.adjust("1999 millis")
    isFalse(isDone(consumer), "the consumer waits for 5 seconds")
    yield* TestClock.adjust("1 millis")
    const batch = yield* Fiber.join(consumer)
    same([numbers(batch.ticks), batch.reason, batch.enqueuedAtMs], [[1, 2], "timeout", 3_600_000])
  }),

  bounded({}, "are contiguous, and together all there was, when consumers compete for them", function* () {
    const queue = yield* TickQueue
    const found: Array<ReadonlyArray<number>> = []
    const consume = Effect.forever(
      Effect.tap(take(queue, { maxTicks: 10 }), ({ ticks }) =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => found.push(numbers(ticks)))
        )
      )
    )
    const consumers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(Effect.ignore(consume)))
    for (let first = 0; first < 95; first += 5) {
      yield* queue.offerAll(range(first, first + 4))
      yield* Effect.yieldNow
    }
    yield* queue.end
    for (const consumer of consumers) yield* Fiber.join(consumer)
    for (const batch of found)
      same(
        batch,
        batch.map((_, index) => (batch[0] ?? 0) + index),
        "a gap in a batch"
      )
    same(
      found.flat().toSorted((a, b) => a - b),
      Array.from({ length: 95 }, (_, index) => index)
    )
  })
]

const ended: ReadonlyArray<Bounded> = [
  bounded({ capacity: 3 }, "takes no more ticks, gives those that it has, and is done then", function* () {
    const queue = yield* TickQueue
    const producer = yield* Effect.forkChild(queue.offerAll(range(1, 5)))
    yield* TestClock.adjust(0)
    yield* queue.end
    same(yield* Fiber.join(producer), 3)
    isFalse(yield* queue.offer(TestTick.make("run", 6)), "it takes no more ticks")
    same(yield* queue.offerAll(range(7, 8)), 0)
    same(numbers((yield* take(queue, { maxTicks: 2 })).ticks), [1, 2])
    const last = yield* take(queue, { maxTicks: 2 })
    same([numbers(last.ticks), last.reason], [[3], "shutdown"])
    same((yield* failure(take(queue)))._tag, "Done")
  }),

  bounded({}, "is done for each consumer that waits", function* () {
    const queue = yield* TickQueue
    const consumers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(failure(take(queue))))
    yield* TestClock.adjust(0)
    yield* queue.end
    for (const consumer of consumers) same((yield* Fiber.join(consumer))._tag, "Done")
  })
]

const settled: ReadonlyArray<Bounded> = [
  bounded({}, "are in the books under what has become of them", function* () {
    const queue = yield* TickQueue
    yield* queue.offerAll(range(1, 10))
    const { ticks } = yield* take(queue, { maxTicks: 8 })
    same((yield* queue.account).inHand, 8)
    yield* queue.settle(ticks.slice(0, 1), "stored")
    yield* queue.settle(ticks.slice(1, 3), "duplicate")
    yield* queue.settle(ticks.slice(3, 4), "dead-lettered")
    yield* queue.settle(ticks.slice(4, 5), "lost")
    yield* queue.settle(ticks.slice(5, 7), "returned")
    yield* queue.settle([], "stored")
    same(yield* queue.account, {
      accepted: 10,
      waiting: 2,
      inHand: 1,
      stored: 1,
      duplicate: 2,
      deadLettered: 1,
      lost: 1,
      returned: 2
    })
  }),

  bounded({}, "come before all others, as a batch of their own, when they were given back", function* () {
    const queue = yield* TickQueue
    yield* queue.offerAll(range(1, 4))
    const batch = yield* take(queue, { maxTicks: 2 })
    yield* queue.settle(batch.ticks, "returned")
    const again = yield* take(queue, { maxTicks: 1 })
    same([numbers(again.ticks), again.returned], [[1, 2], true])
    same(numbers((yield* take(queue, { maxTicks: 2 })).ticks), [3, 4])
  }),

  bounded({}, "can be given back and taken after the end, also by a consumer that waits already", function* () {
    const queue = yield* TickQueue
    yield* queue.offerAll(range(1, 2))
    const batch = yield* take(queue, { maxTicks: 2 })
    const consumer = yield* Effect.forkChild(take(queue))
    yield* TestClock.adjust("1 second")
    yield* queue.settle(batch.ticks, "returned")
    same(numbers((yield* Fiber.join(consumer)).ticks), [1, 2])
    yield* queue.end
    yield* queue.settle(batch.ticks, "returned")
    same(numbers((yield* take(queue)).ticks), [1, 2])
    same((yield* failure(take(queue)))._tag, "Done")
  })
]

const interrupted: ReadonlyArray<Bounded> = [
  bounded({}, "takes nothing when its consumer is interrupted while it waits", function* () {
    const queue = yield* TickQueue
    yield* queue.offerAll(range(1, 2))
    let received = 0
    const consumer = yield* Effect.forkChild(queue.take(policy(), () => received++))
    yield* TestClock.adjust("1 second")
    yield* Fiber.interrupt(consumer)
    same(received, 0)
    yield* balanced(queue)
    same(numbers((yield* take(queue, { maxTicks: 2 })).ticks), [1, 2])
  }),

  ...Array.from({ length: 20 }, (_, seed) => ({
    name: `loses nothing and makes nothing up, whoever is interrupted when (seed ${seed})`,
    body: chaos(seed),
    bounds: { capacity: 2 + (seed % 9), maxBytes: 30 + ((seed * 37) % 370) }
  }))
]

const grouped = (subject: string, tests: ReadonlyArray<Bounded>): ReadonlyArray<Bounded> =>
  tests.map((one) => ({ ...one, name: `${subject} > ${one.name}` }))

const tests: ReadonlyArray<Bounded> = [
  ...grouped("a queue", full),
  ...grouped("batches", batches),
  ...grouped("a queue that has ended", ended),
  ...grouped("settled ticks", settled),
  ...grouped("a queue whose users are interrupted", interrupted)
]

/** The cases for the queues that `make` builds: each time another one, which is empty. */
export const cases = <E>(make: (bounds: Bounds) => Layer.Layer<TickQueue, E>): ReadonlyArray<Case> =>
  tests.map((test) => caseOfTime(test, make(test.bounds)))
