import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import { DeadLetterQueue } from "../../src/deadletter/DeadLetterQueue.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { extended, letter } from "./letters.ts"

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

    it.effect("gives the ids oldest first, and each letter as it was offered", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const letters = yield* Effect.forEach([3, 1, 2], (tick) => letter(tick, tick, tick * 1000))
        for (const one of letters) yield* queue.offer(one)
        const sorted = letters.toSorted((a, b) => (a.id < b.id ? -1 : 1))
        assert.deepStrictEqual(
          yield* Stream.runCollect(queue.ids),
          sorted.map(({ id }) => id)
        )
        for (const one of letters) assert.deepStrictEqual(yield* queue.get(one.id), one)
      }).pipe(Effect.provide(watched(10)))
    )

    it.effect("says of a letter that it hasn't got that it is missing", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const gone = yield* letter(1, 1, 1000)
        yield* queue.offer(yield* letter(2, 2, 2000))
        for (const id of [gone.id, "", ".", "../letters", "a/b", "*", gone.id.slice(0, 15), "x".repeat(5000)]) {
          const error = yield* Effect.flip(queue.get(id))
          assert.strictEqual(error.reason._tag, "LetterMissing")
          assert.include(error.message, `dead-letter queue "${queue.name}": it has no letter "`)
          assert.isFalse(yield* queue.remove(id))
        }
        assert.strictEqual((yield* Effect.flip(queue.update(gone))).reason._tag, "LetterMissing")
        assert.strictEqual(yield* queue.size, 1)
        assert.deepStrictEqual(yield* startTicks, ["2"])
      }).pipe(Effect.provide(watched(10)))
    )

    it.effect("puts a new version in the place of a letter, also when it is full", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const one = yield* letter(1, 9, 1000)
        const two = yield* letter(20, 29, 2000)
        yield* queue.offer(one)
        yield* queue.offer(two)
        const next = yield* extended(one, 4, 5, 70_000)
        yield* queue.update(next)
        assert.deepStrictEqual(yield* queue.get(one.id), next)
        assert.strictEqual(yield* queue.size, 2)
        assert.deepStrictEqual(yield* Stream.runCollect(queue.ids), [one.id, two.id])
        assert.deepStrictEqual(yield* startTicks, ["4", "20"])
        yield* queue.update(next)
        const last = yield* extended(next, 5, 5, 80_000)
        yield* queue.update(last)
        assert.deepStrictEqual(yield* queue.get(one.id), last)
        assert.deepStrictEqual(yield* startTicks, ["5", "20"])
      }).pipe(Effect.provide(watched(2)))
    )

    it.effect("keeps the newer version when the first one is offered again", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const one = yield* letter(1, 9, 1000)
        yield* queue.offer(one)
        const next = yield* extended(one, 4, 5, 70_000)
        yield* queue.update(next)
        assert.strictEqual(yield* queue.offer(one), "kept")
        assert.deepStrictEqual(yield* queue.get(one.id), next)
        assert.strictEqual(yield* queue.size, 1)
      }).pipe(Effect.provide(watched(1)))
    )

    it.effect("removes a letter once, which makes room", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const one = yield* letter(1, 1, 1000)
        yield* queue.offer(one)
        yield* queue.update(yield* extended(one, 1, 1, 70_000))
        assert.isTrue(yield* queue.remove(one.id))
        assert.isFalse(yield* queue.remove(one.id))
        assert.strictEqual(yield* queue.size, 0)
        assert.deepStrictEqual(yield* Stream.runCollect(queue.ids), [])
        assert.strictEqual((yield* Effect.flip(queue.get(one.id))).reason._tag, "LetterMissing")
        assert.strictEqual(yield* queue.offer(yield* letter(2, 2, 2000)), "kept")
      }).pipe(Effect.provide(watched(1)))
    )

    it.effect("leaves out a letter that is removed while the letters are read", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const letters = yield* Effect.forEach([1, 2, 3], (tick) => letter(tick, tick, tick * 1000))
        for (const one of letters) yield* queue.offer(one)
        const found: Array<string | undefined> = []
        yield* Stream.runForEach(queue.letters, ({ metadata }) => {
          found.push(metadata["startTick"])
          return queue.remove(letters[1]?.id ?? "")
        })
        assert.deepStrictEqual(found, ["1", "3"])
      }).pipe(Effect.provide(watched(10)))
    )

    it.effect("shows in its metrics how much it holds, and since when", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const held = Effect.map(Metric.snapshot, (all) =>
          ["messages", "size_bytes", "oldest_timestamp_seconds"].map((what) => {
            const found = all.find(
              ({ attributes, id }) => id === `persistence_dlq_${what}` && attributes?.["dlq"] === queue.name
            )
            return found !== undefined && "value" in found.state ? found.state.value : undefined
          })
        )
        assert.deepStrictEqual(yield* held, [0, 0, 0])
        const two = yield* letter(2, 2, 2500)
        yield* queue.offer(two)
        assert.deepStrictEqual(yield* held, [1, two.bytes.length, 2.5])
        const one = yield* letter(1, 9, 1500)
        yield* queue.offer(one)
        assert.deepStrictEqual(yield* held, [2, one.bytes.length + two.bytes.length, 1.5])
        const next = yield* extended(one, 9, 9, 70_000)
        yield* queue.update(next)
        assert.deepStrictEqual(yield* held, [2, next.bytes.length + two.bytes.length, 1.5])
        yield* queue.remove(one.id)
        assert.deepStrictEqual(yield* held, [1, two.bytes.length, 2.5])
        yield* queue.remove(two.id)
        assert.deepStrictEqual(yield* held, [0, 0, 0])
      }).pipe(Effect.provide(watched(10)))
    )

    it.effect("shows in its metrics what it holds and why it got it", () =>
      Effect.gen(function* () {
        const queue = yield* DeadLetterQueue
        const one = yield* letter(1, 1, 1000)
        yield* queue.offer(one)
        yield* queue.offer(one)
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
