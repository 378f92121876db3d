// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { isDone, policy, run, sized, summary, take } from "./batches.ts"

describe("a full queue", () => {
  it.effect("makes the producer wait for room, and goes on as ticks are taken", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q", { capacity: 3 })
      const producer = yield* Effect.forkChild(queue.offerAll(TestTick.range("run", 1, 5)))
      yield* TestClock.adjust("1 hour")
      assert.isFalse(isDone(producer))
      assert.deepInclude(yield* queue.account, { accepted: 3, waiting: 3 })
      assert.deepStrictEqual(summary(yield* take(queue, { maxTicks: 2 })), { ticks: [1, 2], reason: "size" })
      assert.strictEqual(yield* Fiber.join(producer), 5)
      assert.deepInclude(yield* queue.account, { accepted: 5, waiting: 3, inHand: 2 })
    })
  )

  it.effect("is full when the next tick would be over the byte budget, too", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q", { maxBytes: 100 })
      const producer = yield* Effect.forkChild(queue.offerAll([sized(1, 40), sized(2, 60), sized(3, 20)]))
      yield* TestClock.adjust("1 hour")
      assert.isFalse(isDone(producer))
      assert.strictEqual(yield* queue.waitingBytes, 100)
      yield* take(queue, { maxTicks: 1 })
      assert.strictEqual(yield* Fiber.join(producer), 3)
      assert.strictEqual(yield* queue.waitingBytes, 80)
    })
  )

  it.effect("lets a tick larger than the whole budget through, alone", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q", { maxBytes: 100 })
      const producer = yield* Effect.forkChild(queue.offerAll([sized(1, 50), sized(2, 120), sized(3, 50)]))
      const seen: Array<unknown> = []
      for (let count = 0; count < 3; count++) {
        yield* TestClock.adjust("10 seconds")
        assert.isFalse(isDone(producer) && count < 2)
        seen.push([yield* queue.waitingBytes, summary(yield* take(queue))])
      }
      assert.deepStrictEqual(seen, [
        [50, { ticks: [1], reason: "memory" }],
        [120, { ticks: [2], reason: "memory" }],
        [50, { ticks: [3], reason: "timeout" }]
      ])
      assert.strictEqual(yield* Fiber.join(producer), 3)
    })
  )

  it.effect("keeps what is in when the producer is interrupted, and says how many that are", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q", { capacity: 3 })
      const accepted: Array<number> = []
      const producer = yield* Effect.forkChild(
        queue.offerAll(TestTick.range("run", 1, 9), (count) => accepted.push(count))
      )
      yield* TestClock.adjust(0)
      yield* take(queue, { maxTicks: 2 })
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(producer)
      assert.deepStrictEqual(accepted, [3, 2])
      yield* queue.end
      assert.deepStrictEqual(summary(yield* take(queue)), { ticks: [3, 4, 5], reason: "shutdown" })
    })
  )

  it.effect("serves waiting producers in the order in which they came, each to its end", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q", { capacity: 2 })
      const expected: Array<number> = []
      for (let producer = 0; producer < 4; producer++) {
        const ticks = TestTick.range("run", producer * 10, producer * 10 + 4)
        expected.push(...run(ticks))
        yield* Effect.forkChild(queue.offerAll(ticks))
        yield* TestClock.adjust(0)
      }
      const order: Array<number> = []
      for (let count = 0; count < expected.length; count++) {
        order.push(...run((yield* take(queue, { maxTicks: 1 })).ticks))
        yield* TestClock.adjust(0)
      }
      assert.deepStrictEqual(order, expected)
    })
  )

  it.effect("is not looked at again and again by a producer that waits", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q", { capacity: 2 })
      const clock = yield* Clock.Clock
      let looks = 0
      const counted: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillis: Effect.andThen(
          Effect.sync(() => void looks++),
          clock.currentTimeMillis
        )
      })
      const offers = Effect.provideService(queue.offerAll(TestTick.range("run", 1, 4)), Clock.Clock, counted)
      const producer = yield* Effect.forkChild(offers)
      yield* TestClock.adjust(0)
      yield* take(queue, { maxTicks: 1 })
      yield* TestClock.adjust(0)
      const before = looks
      yield* Effect.repeat(Effect.yieldNow, { times: 1000 })
      assert.strictEqual(looks, before)
      yield* take(queue, { maxTicks: 2 })
      assert.strictEqual(yield* Fiber.join(producer), 4)
    })
  )

  it.effect("does not close batches early for a producer that has gone away", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q", { capacity: 10, maxBytes: 100 })
      const producer = yield* Effect.forkChild(queue.offerAll([sized(1, 60), sized(2, 60)]))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(producer)
      const consumer = yield* Effect.forkChild(take(queue))
      yield* TestClock.adjust("4999 millis")
      assert.isFalse(isDone(consumer))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(summary(yield* Fiber.join(consumer)), { ticks: [1], reason: "timeout" })
    })
  )

  it.effect("does not close batches early for a producer that has room again", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q", { maxBytes: 100 })
      // It gives way to others before it uses the room.
      const offers = queue.offerAll([sized(1, 60), sized(2, 40), sized(3, 60)])
      const producer = yield* Effect.forkChild(Effect.provideService(offers, MaxOpsBeforeYield, 3))
      yield* TestClock.adjust(0)
      assert.isFalse(isDone(producer))
      const batches = yield* Effect.all([take(queue, { maxTicks: 1 }), take(queue, { maxTicks: 2 })])
      assert.deepStrictEqual(batches.map(summary), [
        { ticks: [1], reason: "size" },
        { ticks: [2, 3], reason: "size" }
      ])
      assert.strictEqual(yield* Fiber.join(producer), 3)
    })
  )

  it.effect("has told the producer of a tick by the time a waiting consumer gets it", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q", { capacity: 2 })
      let told = 0
      const seen: Array<readonly [taken: number, told: number]> = []
      const consumer = yield* Effect.forkChild(
        Effect.forEach([1, 2], () =>
          queue.take(policy({ maxTicks: 2 }), ({ ticks }) => seen.push([ticks.length, told]))
        )
      )
      yield* TestClock.adjust(0)
      yield* queue.offerAll(TestTick.range("run", 1, 4), (count) => (told += count))
      yield* Fiber.join(consumer)
      assert.deepStrictEqual(seen, [
        [2, 2],
        [2, 4]
      ])
    })
  )

  it.effect("has never less than one tick of room", () =>
    Effect.gen(function* () {
      assert.include((yield* Effect.flip(TickQueue.make("q", { capacity: 0 }))).message, '["capacity"]')
      assert.include((yield* Effect.flip(TickQueue.make("q", { maxBytes: 0 }))).message, '["maxBytes"]')
    })
  )
})

describe("a queue that has ended", () => {
  it.effect("takes no more ticks, gives those it has, and then is done", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q", { capacity: 3 })
      const producer = yield* Effect.forkChild(queue.offerAll(TestTick.range("run", 1, 5)))
      yield* TestClock.adjust(0)
      yield* queue.end
      assert.strictEqual(yield* Fiber.join(producer), 3)
      assert.isFalse(yield* queue.offer(TestTick.make("run", 6)))
      assert.strictEqual(yield* queue.offerAll(TestTick.range("run", 7, 8)), 0)
      assert.deepStrictEqual(summary(yield* take(queue, { maxTicks: 2 })), { ticks: [1, 2], reason: "size" })
      assert.deepStrictEqual(summary(yield* take(queue, { maxTicks: 2 })), { ticks: [3], reason: "shutdown" })
      assert.strictEqual((yield* Effect.flip(take(queue)))._tag, "Done")
      assert.deepInclude(yield* queue.account, { accepted: 3, inHand: 3 })
    })
  )

  it.effect("is done for every consumer that waits", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      const consumers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(Effect.flip(take(queue))))
      yield* TestClock.adjust(0)
      yield* queue.end
      yield* queue.end
      for (const consumer of consumers) assert.strictEqual((yield* Fiber.join(consumer))._tag, "Done")
    })
  )
})

describe("competing consumers", () => {
  it.effect("get contiguous batches that together are all there was", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      const batches: Array<ReadonlyArray<number>> = []
      const consume = take(queue, { maxTicks: 10 }).pipe(
        Effect.tap((batch) =>
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => batches.push(run(batch.ticks)))
          )
        ),
        Effect.forever,
        Effect.ignore
      )
      const consumers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(consume))
      for (let first = 0; first < 95; first += 5) {
        yield* queue.offerAll(TestTick.range("run", first, first + 4))
        yield* Effect.yieldNow
      }
      yield* queue.end
      for (const consumer of consumers) yield* Fiber.join(consumer)
      for (const batch of batches) {
        const [first = 0] = batch
        assert.deepStrictEqual(
          batch,
          batch.map((_, index) => first + index)
        )
      }
      const numbers = batches.flat().toSorted((a, b) => a - b)
      assert.deepStrictEqual(
        numbers,
        Array.from({ length: 95 }, (_, index) => index)
      )
      assert.strictEqual(batches.length, 10)
    })
  )

  it.effect("are served in the order in which they came, past those that went away", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      const first = yield* Effect.forkChild(take(queue, { maxTicks: 2 }))
      yield* TestClock.adjust(0)
      const second = yield* Effect.forkChild(take(queue, { maxTicks: 1 }))
      yield* TestClock.adjust(0)
      yield* queue.offer(TestTick.make("run", 1))
      yield* TestClock.adjust(0)
      assert.isFalse(isDone(second))
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(summary(yield* Fiber.join(second)), { ticks: [1], reason: "size" })
    })
  )
})

describe("ticks given back", () => {
  it.effect("come before all others, as a batch of their own", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      yield* queue.offerAll(TestTick.range("run", 1, 4))
      const batch = yield* take(queue, { maxTicks: 2 })
      yield* queue.settle(batch.ticks, "returned")
      assert.deepInclude(yield* queue.account, { accepted: 4, waiting: 2, inHand: 0, returned: 2 })
      assert.deepStrictEqual(summary(yield* take(queue, { maxTicks: 1 })), { ticks: [1, 2], reason: "shutdown" })
      assert.deepInclude(yield* queue.account, { waiting: 2, inHand: 2, returned: 0 })
      assert.deepStrictEqual(summary(yield* take(queue, { maxTicks: 2 })), { ticks: [3, 4], reason: "size" })
    })
  )

  it.effect("reach a consumer that waits already, with and without ticks in the queue", () =>
    Effect.gen(function* () {
      for (const more of [[], TestTick.range("run", 9, 9)]) {
        const queue = yield* TickQueue.make("q")
        yield* queue.offer(TestTick.make("run", 1))
        const batch = yield* take(queue, { maxTicks: 1 })
        yield* queue.offerAll(more)
        const consumer = yield* Effect.forkChild(take(queue))
        yield* TestClock.adjust("1 second")
        yield* queue.settle(batch.ticks, "returned")
        yield* TestClock.adjust(0)
        assert.isTrue(isDone(consumer))
        assert.deepStrictEqual(run((yield* Fiber.join(consumer)).ticks), [1])
        assert.strictEqual((yield* queue.account).waiting, more.length)
      }
    })
  )

  it.effect("can be taken after the end", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      yield* queue.offerAll(TestTick.range("run", 1, 2))
      const batch = yield* take(queue, { maxTicks: 2 })
      yield* queue.end
      yield* queue.settle(batch.ticks, "returned")
      assert.deepStrictEqual(run((yield* take(queue)).ticks), [1, 2])
      assert.strictEqual((yield* Effect.flip(take(queue)))._tag, "Done")
    })
  )
})
