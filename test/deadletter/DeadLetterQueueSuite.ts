import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import { DeadLetterQueue } from "../../src/deadletter/DeadLetterQueue.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { letter } from "./letters.ts"

const startTicks = Effect.gen(function* () {
  const letters = yield* Stream.runCollect((yield* DeadLetterQueue).letters)
  return letters.map(({ metadata }) => metadata["startTick"])
})

/** The contract of `DeadLetterQueue`; `make` gives an empty one that holds `capacity` letters. */
export const suite = <E>(name: string, make: (capacity: number) => Layer.Layer<DeadLetterQueue, E>): void => {
  const watched = (capacity: number) =>
    Layer.merge(
      Layer.provideMerge(
        make(capacity),
        Layer.sync(Metric.MetricRegistry, () => new Map())
      ),
      LogWatch.layer()
    )

  describe(`DeadLetterQueue (${name})`, () => {
    it.effect("keeps letters whole and gives them oldest first, whenever they came", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        assert.strictEqual(yield* queue.size, 0)
        assert.deepStrictEqual(yield* startTicks, [])
        const third = yield* letter(3, 3, 3000)
        for (const one of [third, yield* letter(1, 2, 1000), yield* letter(2, 2, 2000)]) {
          assert.strictEqual(yield* queue.offer(one), "kept")
        }
        assert.strictEqual(yield* queue.size, 3)
        assert.deepStrictEqual(yield* startTicks, ["1", "2", "3"])
        const letters = yield* Stream.runCollect(queue.letters)
        assert.deepStrictEqual(letters[2], third.message)
      }).pipe(Effect.provide(watched(10)))
    )

    it.effect("keeps a letter once, however often it is offered", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const one = yield* letter(1, 1, 1000)
        for (let offer = 0; offer < 3; offer++) assert.strictEqual(yield* queue.offer(one), "kept")
        assert.strictEqual(yield* queue.size, 1)
        assert.deepStrictEqual(yield* startTicks, ["1"])
      }).pipe(Effect.provide(watched(10)))
    )

    it.effect("refuses letters when it is full, and drops none", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        yield* queue.offer(yield* letter(1, 1, 1000))
        yield* queue.offer(yield* letter(2, 2, 2000))
        const error = yield* Effect.flip(queue.offer(yield* letter(3, 3, 3000)))
        assert.strictEqual(error.reason._tag, "QueueFull")
        assert.strictEqual(
          error.message,
          `dead-letter queue "${queue.name}": it holds 2 letters, the most it may: deal with some or raise its capacity`
        )
        assert.strictEqual(yield* queue.size, 2)
        assert.deepStrictEqual(yield* startTicks, ["1", "2"])
      }).pipe(Effect.provide(watched(2)))
    )

    it.effect("takes a letter that it has already when it is full, as nothing is added", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const one = yield* letter(1, 1, 1000)
        yield* queue.offer(one)
        assert.strictEqual(yield* queue.offer(one), "kept")
        assert.strictEqual(yield* queue.size, 1)
      }).pipe(Effect.provide(watched(1)))
    )

    it.effect("keeps no more than it may when many are offered at once", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const letters = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (tick) => letter(tick, tick, tick))
        const results = yield* Effect.forEach(letters, (one) => Effect.result(queue.offer(one)), {
          concurrency: "unbounded"
        })
        assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 5)
        assert.strictEqual(yield* queue.size, 5)
        assert.strictEqual((yield* startTicks).length, 5)
      }).pipe(Effect.provide(watched(5)))
    )

    it.effect("shows in its metrics what it holds and why it got it", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        yield* queue.offer(yield* letter(1, 1, 1000))
        yield* queue.offer(yield* letter(2, 2, 2000))
        const all = (yield* Metric.snapshot).filter(({ attributes }) => attributes?.["dlq"] === queue.name)
        const value = (id: string, reason?: string) => {
          const found = all.find((one) => one.id === id && one.attributes?.["reason"] === reason)?.state
          return found !== undefined && "count" in found
            ? found.count
            : found !== undefined && "value" in found
              ? found.value
              : undefined
        }
        assert.strictEqual(value("persistence_dlq_messages"), 2)
        assert.strictEqual(value("persistence_dlq_capacity_messages"), 7)
        assert.strictEqual(value("persistence_dlq_received_total", "storage"), 2)
        assert.strictEqual(value("persistence_dlq_received_total", "mixed_run"), 0)
        assert.strictEqual(value("persistence_dlq_dropped_total", "storage"), 0)
      }).pipe(Effect.provide(watched(7)))
    )
  })
}
