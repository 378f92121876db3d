/**
 * What each `DeadLetterQueue` that keeps letters must do, as cases for any test runner.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as DeadLetterQueue from "tickvault/deadletter/DeadLetterQueue"
 * import * as DeadLetterQueueContract from "tickvault/testing/DeadLetterQueueContract"
 * import { test } from "node:test"
 *
 * // Your own queue in the place of this one.
 * const cases = DeadLetterQueueContract.cases((capacity) => DeadLetterQueue.layerMemory({ capacity }))
 * for (const { effect, name } of cases) test(name, () => Effect.runPromise(effect))
 * ```
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import { DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import { type Case, caseOf, type Test, test } from "./Contract.ts"
import { failureFor, includes, isFalse, isTrue, same } from "./internal/expect.ts"
import * as TestLetter from "./TestLetter.ts"

const letter = TestLetter.make

const extended = TestLetter.extended

const startTicks = Effect.gen(function* () {
  const letters = yield* Stream.runCollect((yield* DeadLetterQueue).letters)
  return letters.map(({ metadata }) => metadata["startTick"])
})

/** The tests, each with the number of letters that its queue holds. */
const tests: ReadonlyArray<readonly [capacity: number, test: Test<DeadLetterQueue>]> = [
  [
    10,
    test("keeps letters whole and gives them oldest first, whenever they came", function* () {
      const queue = yield* DeadLetterQueue
      same(yield* queue.size, 0)
      same(yield* startTicks, [])
      const third = yield* letter(3, 3, 3000)
      for (const one of [third, yield* letter(1, 2, 1000), yield* letter(2, 2, 2000)]) {
        same(yield* queue.offer(one), "kept")
      }
      same(yield* queue.size, 3)
      same(yield* startTicks, ["1", "2", "3"])
      const letters = yield* Stream.runCollect(queue.letters)
      same(letters[2], third.message)
    })
  ],
  [
    10,
    test("keeps a letter once, however often it is offered", function* () {
      const queue = yield* DeadLetterQueue
      const one = yield* letter(1, 1, 1000)
      for (let offer = 0; offer < 3; offer++) same(yield* queue.offer(one), "kept")
      same(yield* queue.size, 1)
      same(yield* startTicks, ["1"])
    })
  ],
  [
    2,
    test("refuses letters when it is full, and drops none", function* () {
      const queue = yield* DeadLetterQueue
      yield* queue.offer(yield* letter(1, 1, 1000))
      yield* queue.offer(yield* letter(2, 2, 2000))
      const error = yield* failureFor(queue.offer(yield* letter(3, 3, 3000)), "QueueFull")
      same(
        error.message,
        `dead-letter queue "${queue.name}": it is full with 2 letters: replay or drop some, or raise its capacity`
      )
      same(yield* queue.size, 2)
      same(yield* startTicks, ["1", "2"])
    })
  ],
  [
    1,
    test("takes a letter that it has already when it is full, as nothing is added", function* () {
      const queue = yield* DeadLetterQueue
      const one = yield* letter(1, 1, 1000)
      yield* queue.offer(one)
      same(yield* queue.offer(one), "kept")
      same(yield* queue.size, 1)
    })
  ],
  [
    5,
    test("keeps no more than it may when many are offered at once", function* () {
      const queue = yield* DeadLetterQueue
      const letters = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (tick) => letter(tick, tick, tick))
      const results = yield* Effect.forEach(letters, (one) => Effect.result(queue.offer(one)), {
        concurrency: "unbounded"
      })
      same(results.filter(({ _tag }) => _tag === "Success").length, 5)
      same(yield* queue.size, 5)
      same((yield* startTicks).length, 5)
    })
  ],
  [
    10,
    test("gives the ids oldest first, and each letter as it was offered", function* () {
      const queue = yield* DeadLetterQueue
      const letters = yield* Effect.forEach([3, 1, 2], (tick) => letter(tick, tick, tick * 1000))
      for (const one of letters) yield* queue.offer(one)
      const sorted = letters.toSorted((a, b) => (a.id < b.id ? -1 : 1))
      same(
        yield* Stream.runCollect(queue.ids),
        sorted.map(({ id }) => id)
      )
      for (const one of letters) same(yield* queue.get(one.id), one)
    })
  ],
  [
    10,
    test("says of a letter that it hasn't got that it is missing", function* () {
      const queue = yield* DeadLetterQueue
      const gone = yield* letter(1, 1, 1000)
      yield* queue.offer(yield* letter(2, 2, 2000))
      for (const id of [gone.id, "", ".", "../letters", "a/b", "*", gone.id.slice(0, 15), "x".repeat(5000)]) {
        const error = yield* failureFor(queue.get(id), "LetterMissing")
        includes(error.message, `dead-letter queue "${queue.name}": it has no letter "`)
        isFalse(yield* queue.remove(id), "there is nothing to remove")
      }
      yield* failureFor(queue.update(gone), "LetterMissing")
      same(yield* queue.size, 1)
      same(yield* startTicks, ["2"])
    })
  ],
  [
    2,
    test("puts a new version in the place of a letter, also when it is full", function* () {
      const queue = yield* DeadLetterQueue
      const one = yield* letter(1, 9, 1000)
      const two = yield* letter(20, 29, 2000)
      yield* queue.offer(one)
      yield* queue.offer(two)
      const next = yield* extended(one, 4, 5, 70_000)
      yield* queue.update(next)
      same(yield* queue.get(one.id), next)
      same(yield* queue.size, 2)
      same(yield* Stream.runCollect(queue.ids), [one.id, two.id])
      same(yield* startTicks, ["4", "20"])
      yield* queue.update(next)
      const last = yield* extended(next, 5, 5, 80_000)
      yield* queue.update(last)
      same(yield* queue.get(one.id), last)
      same(yield* startTicks, ["5", "20"])
    })
  ],
  [
    1,
    test("keeps the newer version when the first one is offered again", function* () {
      const queue = yield* DeadLetterQueue
      const one = yield* letter(1, 9, 1000)
      yield* queue.offer(one)
      const next = yield* extended(one, 4, 5, 70_000)
      yield* queue.update(next)
      same(yield* queue.offer(one), "kept")
      same(yield* queue.get(one.id), next)
      same(yield* queue.size, 1)
    })
  ],
  [
    1,
    test("removes a letter once, which makes room", function* () {
      const queue = yield* DeadLetterQueue
      const one = yield* letter(1, 1, 1000)
      yield* queue.offer(one)
      yield* queue.update(yield* extended(one, 1, 1, 70_000))
      isTrue(yield* queue.remove(one.id), "it removes the letter")
      isFalse(yield* queue.remove(one.id), "the letter is gone already")
      same(yield* queue.size, 0)
      same(yield* Stream.runCollect(queue.ids), [])
      yield* failureFor(queue.get(one.id), "LetterMissing")
      same(yield* queue.offer(yield* letter(2, 2, 2000)), "kept")
    })
  ],
  [
    10,
    test("leaves out a letter that is removed while the letters are read", function* () {
      const queue = yield* DeadLetterQueue
      const letters = yield* Effect.forEach([1, 2, 3], (tick) => letter(tick, tick, tick * 1000))
      for (const one of letters) yield* queue.offer(one)
      const found: Array<string | undefined> = []
      yield* Stream.runForEach(queue.letters, ({ metadata }) => {
        found.push(metadata["startTick"])
        return queue.remove(letters[1]?.id ?? "")
      })
      same(found, ["1", "3"])
    })
  ],
  [
    10,
    test("shows in its metrics how much it holds, and since when", function* () {
      const queue = yield* DeadLetterQueue
      const held = Effect.map(Metric.snapshot, (all) =>
        ["messages", "size_bytes", "oldest_timestamp_seconds"].map((what) => {
          const found = all.find(
            ({ attributes, id }) => id === `persistence_dlq_${what}` && attributes?.["dlq"] === queue.name
          )
          return found !== undefined && "value" in found.state ? found.state.value : undefined
        })
      )
      same(yield* held, [0, 0, 0])
      const two = yield* letter(2, 2, 2500)
      yield* queue.offer(two)
      same(yield* held, [1, two.bytes.length, 2.5])
      const one = yield* letter(1, 9, 1500)
      yield* queue.offer(one)
      same(yield* held, [2, one.bytes.length + two.bytes.length, 1.5])
      const next = yield* extended(one, 9, 9, 70_000)
      yield* queue.update(next)
      same(yield* held, [2, next.bytes.length + two.bytes.length, 1.5])
      yield* queue.remove(one.id)
      same(yield* held, [1, two.bytes.length, 2.5])
      yield* queue.remove(two.id)
      same(yield* held, [0, 0, 0])
    })
  ],
  [
    7,
    test("shows in its metrics what it holds and why it got it", function* () {
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
      same(value("persistence_dlq_messages"), 2)
      same(value("persistence_dlq_capacity_messages"), 7)
      same(value("persistence_dlq_received_total", "storage"), 2)
      same(value("persistence_dlq_received_total", "mixed_run"), 0)
      same(value("persistence_dlq_dropped_total", "storage"), 0)
    })
  ]
]

/** The cases for the queues that `make` builds: empty ones, which hold `capacity` letters. */
export const cases = <E>(make: (capacity: number) => Layer.Layer<DeadLetterQueue, E>): ReadonlyArray<Case> =>
  tests.map(([capacity, test]) => caseOf(test, make(capacity)))
