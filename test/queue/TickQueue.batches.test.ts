// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { isDone, sized, summary, take } from "./batches.ts"

describe("a batch closes", () => {
  it.effect("as soon as it has its ticks", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      const consumer = yield* Effect.forkChild(take(queue, { maxTicks: 3 }))
      for (const tick of TestTick.range("run", 1, 4)) {
        yield* TestClock.adjust("1 second")
        assert.isFalse(isDone(consumer) && tick.tickNumber < 4n)
        yield* queue.offer(tick)
      }
      assert.deepStrictEqual(summary(yield* Fiber.join(consumer)), { ticks: [1, 2, 3], reason: "size" })
      assert.deepInclude(yield* queue.account, { accepted: 4, waiting: 1, inHand: 3 })
    })
  )

  it.effect("as soon as it has its bytes, exactly or with the next tick too many", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      yield* queue.offerAll([sized(1, 50), sized(2, 50), sized(3, 50), sized(4, 60)])
      assert.deepStrictEqual(summary(yield* take(queue, { maxBytes: 100 })), { ticks: [1, 2], reason: "bytes" })
      assert.deepStrictEqual(summary(yield* take(queue, { maxBytes: 100 })), { ticks: [3], reason: "bytes" })
      const consumer = yield* Effect.forkChild(take(queue, { maxBytes: 100 }))
      yield* TestClock.adjust("1 second")
      assert.isFalse(isDone(consumer))
      yield* queue.offer(sized(5, 40))
      assert.deepStrictEqual(summary(yield* Fiber.join(consumer)), { ticks: [4, 5], reason: "bytes" })
    })
  )

  it.effect("with a single tick that is larger than all its bytes", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      yield* queue.offerAll([sized(1, 120), sized(2, 20)])
      assert.deepStrictEqual(summary(yield* take(queue, { maxBytes: 100 })), { ticks: [1], reason: "bytes" })
    })
  )

  it.effect("when its time is over, to the millisecond, counted from the arrival of its first tick", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      const consumer = yield* Effect.forkChild(take(queue))
      yield* TestClock.adjust("1 hour")
      yield* queue.offer(TestTick.make("run", 1))
      yield* TestClock.adjust("3 seconds")
      yield* queue.offer(TestTick.make("run", 2))
      yield* TestClock.adjust("1999 millis")
      assert.isFalse(isDone(consumer))
      yield* TestClock.adjust("1 millis")
      const batch = yield* Fiber.join(consumer)
      assert.deepStrictEqual(summary(batch), { ticks: [1, 2], reason: "timeout" })
      assert.strictEqual(batch.enqueuedAtMs, 3_600_000)
    })
  )

  it.effect("after the rest of its time when the consumer comes late", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      yield* queue.offer(TestTick.make("run", 1))
      yield* TestClock.adjust("4 seconds")
      const consumer = yield* Effect.forkChild(take(queue))
      yield* TestClock.adjust("999 millis")
      assert.isFalse(isDone(consumer))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(summary(yield* Fiber.join(consumer)), { ticks: [1], reason: "timeout" })
    })
  )

  it.effect("at once when its time was over before the consumer came", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      yield* queue.offerAll(TestTick.range("run", 1, 2))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(summary(yield* take(queue)), { ticks: [1, 2], reason: "timeout" })
    })
  )

  it.effect("with a time of its own after each batch", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      yield* queue.offer(TestTick.make("run", 1))
      yield* TestClock.adjust("2 seconds")
      yield* queue.offer(TestTick.make("run", 2))
      yield* take(queue, { maxTicks: 1 })
      const consumer = yield* Effect.forkChild(take(queue))
      yield* TestClock.adjust("4999 millis")
      assert.isFalse(isDone(consumer))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(summary(yield* Fiber.join(consumer)), { ticks: [2], reason: "timeout" })
    })
  )

  it.effect("when the queue can hold no more, in ticks or in bytes", () =>
    Effect.gen(function* () {
      const small = yield* TickQueue.make("q", { capacity: 3 })
      yield* small.offerAll(TestTick.range("run", 1, 3))
      assert.deepStrictEqual(summary(yield* take(small)), { ticks: [1, 2, 3], reason: "memory" })

      const tight = yield* TickQueue.make("q", { maxBytes: 100 })
      const consumer = yield* Effect.forkChild(take(tight))
      yield* Effect.forkChild(tight.offerAll([sized(1, 60), sized(2, 60)]))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(summary(yield* Fiber.join(consumer)), { ticks: [1], reason: "memory" })
    })
  )

  it.effect("with what is there when the queue ends", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      const consumer = yield* Effect.forkChild(take(queue))
      yield* queue.offerAll(TestTick.range("run", 1, 2))
      yield* TestClock.adjust("1 second")
      assert.isFalse(isDone(consumer))
      yield* queue.end
      assert.deepStrictEqual(summary(yield* Fiber.join(consumer)), { ticks: [1, 2], reason: "shutdown" })
    })
  )
})
