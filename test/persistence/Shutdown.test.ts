// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as TestClock from "effect/testing/TestClock"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { advance, io, metric, numbers, onBench, settleDown, ticksOf } from "./harness.ts"

const partial = LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
const ticks = TestTick.range("run", 1, 3)
const whole = { persistence: { maxBatchSize: 3 } }

it.effect("takes nothing out of the queue that it has not time to settle: interrupted while it waits", () =>
  onBench({}, [], ({ faults, first, queue }) =>
    Effect.gen(function* () {
      yield* first.start
      yield* queue.offerAll(ticks)
      yield* TestClock.adjust("4999 millis")
      yield* first.stop
      assert.deepInclude(yield* queue.account, { waiting: 3, inHand: 0 })
      assert.deepStrictEqual(yield* faults.calls, [])
      yield* first.start
      yield* TestClock.adjust(1)
      yield* settleDown
      assert.deepInclude(yield* queue.account, { waiting: 0, stored: 3 })
    })
  )
)

it.effect("finishes the write it is in when it is stopped", () =>
  onBench(whole, [], ({ faults, files, first, queue }) =>
    Effect.gen(function* () {
      yield* partial
      const held = Latch.makeUnsafe(false)
      yield* faults.next("write", [FaultyStorage.wait(held.await)])
      yield* first.start
      yield* queue.offerAll([...ticks, TestTick.make("run", 4)])
      yield* settleDown
      yield* first.stop
      assert.deepStrictEqual([...(yield* files).values()], [ticks])
      assert.deepInclude(yield* first.metrics, { ticks_received: 3, ticks_written: 3, batches_written: 1 })
      assert.deepInclude(yield* queue.account, { waiting: 1, stored: 3, inHand: 0 })
      assert.strictEqual(yield* first.state, "STOPPED")
    })
  )
)

it.effect("tries once more when it is stopped during a backoff, and stores what then succeeds", () =>
  onBench(whole, [], ({ faults, files, first, queue }) =>
    Effect.gen(function* () {
      yield* partial
      yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: 1 })
      yield* faults.next("commit", [FaultyStorage.fail(io)])
      yield* first.start
      yield* queue.offerAll(ticks)
      yield* settleDown
      yield* first.stop
      assert.deepStrictEqual([...(yield* files).values()], [ticks])
      assert.deepInclude(yield* first.metrics, { ticks_written: 3, batches_failed: 0 })
    })
  )
)

it.effect("dead-letters when that last attempt fails too, with the true times", () =>
  onBench(whole, [], ({ faults, files, first, letters, queue }) =>
    Effect.gen(function* () {
      yield* partial
      yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: 1 })
      yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* faults.always("commit", FaultyStorage.fail(io))
      yield* TestClock.adjust(100)
      yield* first.start
      yield* queue.offerAll(ticks)
      yield* settleDown
      yield* TestClock.adjust(600)
      yield* first.stop
      assert.strictEqual((yield* files).size, 0)
      const [letter] = yield* letters
      if (letter === undefined) return assert.fail("no letter")
      assert.deepStrictEqual(yield* ticksOf(letter), ticks)
      assert.deepStrictEqual([letter.firstFailureTimeMs, letter.lastFailureTimeMs, letter.retryCount], [100n, 700n, 1])
      assert.deepInclude(yield* queue.account, { deadLettered: 3, inHand: 0, waiting: 0 })
    })
  )
)

it.effect("gives a hanging storage half of shutdownTimeout and then dead-letters", () =>
  onBench({ persistence: { maxBatchSize: 3, shutdownTimeout: "10 seconds" } }, [], (bench) =>
    Effect.gen(function* () {
      yield* partial
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* bench.faults.always("write", FaultyStorage.hang)
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      yield* settleDown
      const stopped = yield* Effect.forkChild(bench.first.stop)
      yield* settleDown
      yield* TestClock.adjust("4999 millis")
      yield* settleDown
      assert.deepStrictEqual(yield* bench.letters, [])
      yield* TestClock.adjust(1)
      yield* Fiber.join(stopped)
      const [letter] = yield* bench.letters
      assert.include(letter?.failureReason, "no answer in time (shutdownTimeout)")
      assert.strictEqual(letter?.firstFailureTimeMs, 5000n)
      assert.strictEqual(letter?.metadata["exceptionType"], "StorageError.TimedOut")
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 3, inHand: 0 })
    })
  )
)

it.effect("does not wait for a storage that hangs and can't be interrupted", () =>
  onBench({ persistence: { maxBatchSize: 3, shutdownTimeout: "10 seconds" } }, [], (bench) =>
    Effect.gen(function* () {
      yield* partial
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* bench.faults.always("commit", FaultyStorage.stuck)
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      yield* settleDown
      const stopped = yield* Effect.forkChild(bench.first.stop)
      yield* settleDown
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(stopped)
      assert.strictEqual(yield* bench.first.state, "STOPPED")
      assert.lengthOf(yield* bench.letters, 1)
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 3, inHand: 0 })
    })
  )
)

it.effect("returns to the queue at shutdownTimeout what hangs in both, and another service takes it", () =>
  onBench({ instances: 2, persistence: { maxBatchSize: 3, shutdownTimeout: "10 seconds" } }, [], (bench) =>
    Effect.gen(function* () {
      const [one, other] = bench.services as [typeof bench.first, typeof bench.first]
      yield* partial
      yield* LogWatch.expect("Error", "Batch could not be settled in time, returned to the queue", { times: 1 })
      yield* bench.faults.always("commit", FaultyStorage.hang)
      bench.setLetters("hang")
      yield* one.start
      yield* bench.queue.offerAll([...ticks, TestTick.make("run", 4)])
      yield* settleDown
      const stopped = yield* Effect.forkChild(one.stop)
      yield* settleDown
      yield* TestClock.adjust("5 seconds")
      yield* settleDown
      yield* TestClock.adjust("4999 millis")
      yield* settleDown
      assert.deepInclude(yield* one.metrics, { ticks_in_flight: 3, ticks_returned: 0 })
      yield* TestClock.adjust(1)
      yield* Fiber.join(stopped)
      assert.deepInclude(yield* one.metrics, { ticks_in_flight: 0, ticks_returned: 3, ticks_received: 3 })
      assert.deepInclude(yield* bench.queue.account, { returned: 3, inHand: 0, waiting: 1 })
      assert.strictEqual(yield* metric("persistence_ticks_returned_total", { reason: "shutdown" }), 3)
      yield* bench.faults.heal
      yield* other.start
      yield* settleDown
      const created = (yield* bench.faults.calls).filter(({ operation }) => operation === "create")
      assert.deepStrictEqual(
        created.slice(-2).map(({ key }) => key),
        [...(yield* bench.files).keys()],
        "what was returned is taken before all others"
      )
      assert.deepInclude(yield* other.metrics, { ticks_received: 4, ticks_written: 4, duplicate_ticks_detected: 0 })
      assert.deepInclude(yield* bench.queue.account, { returned: 0, stored: 4 })
    })
  )
)

it.effect("has a batch that was never tried in the time of shutdown dead-lettered as what it is", () =>
  onBench({ persistence: { maxBatchSize: 2, mixedRuns: "split" } }, [], (bench) =>
    Effect.gen(function* () {
      yield* partial
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 2 })
      yield* bench.faults.always("commit", FaultyStorage.hang)
      yield* bench.first.start
      yield* bench.queue.offerAll([TestTick.make("a", 1), TestTick.make("b", 1)])
      yield* settleDown
      const stopped = yield* Effect.forkChild(bench.first.stop)
      yield* advance(20_000, 5000)
      yield* Fiber.join(stopped)
      const letters = yield* bench.letters
      assert.sameMembers(
        letters.map(({ metadata }) => metadata["simulationRunId"]),
        ["a", "b"]
      )
      for (const { metadata, retryCount } of letters) {
        assert.isAtLeast(retryCount, 0)
        assert.strictEqual(metadata["exceptionType"], "StorageError.TimedOut")
      }
    })
  )
)

it.effect("asks a dead-letter queue first that may have the letter already", () =>
  onBench({ persistence: { maxBatchSize: 3, maxRetries: 0 } }, [], (bench) =>
    Effect.gen(function* () {
      yield* partial
      yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* bench.faults.next("commit", [FaultyStorage.fail(io)])
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      for (let turn = 0; turn < 200 && (yield* bench.letters).length === 0; turn++) yield* Effect.yieldNow
      assert.strictEqual((yield* bench.queue.account).inHand, 3, "the letter is kept, and nobody has been told")
      yield* bench.first.stop
      assert.strictEqual((yield* bench.letters).length, 1)
      assert.strictEqual((yield* bench.files).size, 0, "not stored as well")
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 3, stored: 0 })
    })
  )
)

it.effect("drains an ended queue to its last tick, and stops", () =>
  onBench({ instances: 3, persistence: { maxBatchSize: 10 } }, [], ({ files, queue, services }) =>
    Effect.gen(function* () {
      for (const { start } of services) yield* start
      yield* queue.offerAll(TestTick.range("run", 1, 1234))
      yield* queue.end
      for (const service of services) {
        yield* service.await
        assert.strictEqual(yield* service.state, "STOPPED")
      }
      const stored = [...(yield* files).values()].flatMap(numbers).sort((a, b) => a - b)
      assert.deepStrictEqual(stored, numbers(TestTick.range("run", 1, 1234)))
      assert.strictEqual(yield* metric("persistence_flushes_total", { flush_reason: "shutdown" }), 1)
    })
  )
)
