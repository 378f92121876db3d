// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestPipeline from "../../src/testing/TestPipeline.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { metric, noSpace, pipeline, settleDown, ticksOf } from "./harness.ts"

it.effect("writes a letter with all that is needed to store the batch later", () =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: 2 })
    yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
    yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
    const { faults, letters, queue } = yield* TestPipeline.TestPipeline
    yield* faults.always("commit", FaultyStorage.fail(noSpace))
    const ticks = [4, 2, 9].map((number) => TestTick.make("run-7", number, 50))
    yield* TestClock.adjust(777)
    yield* queue.offerAll(ticks)
    yield* TestClock.adjust("5 seconds")
    yield* TestClock.adjust("3 seconds")
    yield* settleDown
    const [letter, ...more] = yield* letters
    if (letter === undefined) return assert.fail("no letter")
    assert.deepStrictEqual(more, [])
    assert.deepStrictEqual(yield* ticksOf(letter), ticks)
    assert.strictEqual(letter.messageType, "List<TickData>")
    assert.strictEqual(letter.firstFailureTimeMs, 5777n)
    assert.strictEqual(letter.lastFailureTimeMs, 8777n)
    assert.strictEqual(letter.retryCount, 2)
    assert.strictEqual(letter.sourceService, "persistence-1")
    assert.strictEqual(letter.sourceQueue, "raw-tick-data")
    assert.include(letter.failureReason, "no space left (ENOSPC)")
    assert.isAtLeast(letter.stackTraceLines.length, 1)
    assert.isAtMost(letter.stackTraceLines.length, 10)
    assert.deepStrictEqual(letter.metadata, {
      simulationRunId: "run-7",
      startTick: "2",
      endTick: "9",
      tickCount: "3",
      storageKey: "run-7/batch_0000000000000000002_0000000000000000009.pb",
      exceptionType: "StorageError.NoSpace",
      reason: "storage"
    })
    const line = (yield* LogWatch.lines).find(({ message }) => message === "Sent failed batch to dead-letter queue")
    assert.deepStrictEqual(line?.annotations, {
      service: "persistence-1",
      run: "run-7",
      firstTick: "2",
      lastTick: "9",
      ticks: 3,
      deadLetterQueue: "memory",
      reason: "storage"
    })
  }).pipe(Effect.provide(pipeline({ persistence: { maxRetries: 2 } })))
)

it.effect("counts as lost, and says so at ERROR, what no dead-letter queue keeps", () =>
  Effect.gen(function* () {
    const message = "Failed batch has no dead-letter queue configured, its ticks are lost"
    yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
    yield* LogWatch.expect("Error", message, { times: 1 })
    const { drain, faults, queue, services } = yield* TestPipeline.TestPipeline
    yield* faults.next("commit", [FaultyStorage.fail(noSpace)])
    yield* queue.offerAll(TestTick.range("run", 1, 5))
    yield* drain
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, {
      batches_failed: 1,
      ticks_received: 5,
      ticks_dead_lettered: 0,
      ticks_lost: 5,
      ticks_in_flight: 0
    })
    assert.strictEqual((yield* queue.account).lost, 5)
    assert.strictEqual(yield* metric("persistence_ticks_lost_total", { reason: "storage" }), 5)
    assert.strictEqual(yield* metric("persistence_ticks_failed_total"), 0)
    const line = (yield* LogWatch.lines).find((each) => each.message === message)
    assert.deepInclude(line?.annotations, { simulationRunId: "run", startTick: "1", endTick: "5", tickCount: "5" })
  }).pipe(Effect.provide(pipeline({ deadLetters: "discard", persistence: { maxRetries: 0 } })))
)

it.effect("has nothing of a key conflict overwritten: the first object stays, the second is a letter", () =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
    yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
    const { drain, letters, queue, stored } = yield* TestPipeline.TestPipeline
    const before = [1, 2, 4].map((number) => TestTick.make("run", number))
    const after = [1, 3, 4].map((number) => TestTick.make("run", number))
    yield* queue.offerAll([...before, ...after])
    yield* drain
    assert.deepStrictEqual(yield* stored("run"), before)
    const [letter] = yield* letters
    assert.deepStrictEqual(letter === undefined ? [] : yield* ticksOf(letter), after)
    assert.strictEqual(yield* metric("persistence_batches_failed_total", { reason: "key_conflict" }), 1)
  }).pipe(Effect.provide(pipeline({ tracker: "discard", persistence: { maxBatchSize: 3 } })))
)
