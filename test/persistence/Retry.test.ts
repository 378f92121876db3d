// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import {
  ConnectionLost,
  FolderMissing,
  InvalidPlace,
  KeyConflict,
  PermissionDenied,
  ReadOnly,
  Throttled,
  TimedOut
} from "../../src/storage/StorageError.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestPipeline from "../../src/testing/TestPipeline.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { advance, failing, io, metric, noSpace, onBench, pipeline, recordAttempts, settleDown } from "./harness.ts"

type Persistence = NonNullable<TestPipeline.Options["persistence"]>

/** The times of all attempts for a batch of one tick that no commit takes, counted from the first one. */
const attemptsOf = (persistence: Persistence) =>
  Effect.gen(function* () {
    const { faults, letters, queue } = yield* TestPipeline.TestPipeline
    const times = yield* recordAttempts(faults)
    yield* faults.always("commit", FaultyStorage.fail(io))
    yield* queue.offer(TestTick.make("run", 1))
    yield* TestClock.adjust("5 seconds")
    yield* advance(200_000, 2000)
    assert.strictEqual((yield* letters).length, 1)
    return times.map((time) => time - times[0]!)
  }).pipe(Effect.provide(pipeline({ persistence }, failing)))

it.effect("tries again after 1, 2 and 4 seconds at its defaults, and then dead-letters", () =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: 3 })
    yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
    yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
    const { deadLetters, faults, queue, services } = yield* TestPipeline.TestPipeline
    const times = yield* recordAttempts(faults)
    yield* faults.always("commit", FaultyStorage.fail(noSpace))
    yield* queue.offerAll(TestTick.range("run", 1, 3))
    for (const [waitMs, attempts] of [
      [4999, 0],
      [1, 1],
      [999, 1],
      [1, 2],
      [1999, 2],
      [1, 3],
      [3999, 3]
    ] as const) {
      yield* TestClock.adjust(waitMs)
      yield* settleDown
      assert.strictEqual(times.length, attempts)
    }
    assert.strictEqual(yield* deadLetters.size, 0)
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, { ticks_in_flight: 3, write_retries: 3 })
    yield* TestClock.adjust(1)
    yield* settleDown
    assert.deepStrictEqual(times, [5000, 6000, 8000, 12_000])
    assert.strictEqual(yield* deadLetters.size, 1)
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, {
      batches_failed: 1,
      batches_written: 0,
      ticks_dead_lettered: 3,
      ticks_in_flight: 0,
      write_retries: 3
    })
    assert.strictEqual(yield* metric("persistence_write_retries_total", { error_type: "no_space" }), 3)
    assert.strictEqual(yield* metric("persistence_retry_wait_seconds_total"), 7)
    const warnings = (yield* LogWatch.lines).filter(({ level }) => level === "Warn")
    assert.deepStrictEqual(
      warnings.map(({ annotations: { attempt, backoffMs, maxRetries } }) => [attempt, maxRetries, backoffMs]),
      [
        [1, 3, 1000],
        [2, 3, 2000],
        [3, 3, 4000]
      ]
    )
    assert.include(String(warnings[0]?.annotations["error"]), "no space left (ENOSPC)")
  }).pipe(Effect.provide(pipeline()))
)

it.effect.each([1, 2, 3])("stores the batch when attempt %s after the first succeeds", (retries) =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: retries })
    const { deadLetters, faults, queue, services, stored } = yield* TestPipeline.TestPipeline
    yield* faults.next("commit", FaultyStorage.repeat(FaultyStorage.fail(io), retries))
    const ticks = TestTick.range("run", 1, 3)
    yield* queue.offerAll(ticks)
    yield* advance(12_000, 1000)
    assert.deepStrictEqual(yield* stored("run"), ticks)
    assert.strictEqual(yield* deadLetters.size, 0)
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, {
      batches_written: 1,
      ticks_written: 3,
      batches_failed: 0,
      write_retries: retries
    })
  }).pipe(Effect.provide(pipeline()))
)

it.effect("never pauses longer than maxRetryBackoff", () =>
  Effect.gen(function* () {
    const times = yield* attemptsOf({ maxRetries: 6, maxRetryBackoff: "5 seconds" })
    assert.deepStrictEqual(times, [0, 1000, 3000, 7000, 12_000, 17_000, 22_000])
  })
)

it.effect("caps the pause at 30 seconds at its defaults", () =>
  Effect.gen(function* () {
    const times = yield* attemptsOf({ maxRetries: 7 })
    assert.deepStrictEqual(times, [0, 1000, 3000, 7000, 15_000, 31_000, 61_000, 91_000])
  })
)

it.effect("tries again at once with a backoff of 0", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* attemptsOf({ retryBackoffMs: 0 }), [0, 0, 0, 0])
  })
)

it.effect("gives up after the first attempt without retries", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* attemptsOf({ maxRetries: 0 }), [0])
  })
)

it.effect("varies a pause by a fifth at most with jitter, and not beyond the cap", () =>
  Effect.gen(function* () {
    const found: Array<number> = []
    for (let round = 0; round < 20; round++) {
      const times = yield* attemptsOf({ maxRetries: 3, retryJitter: "proportional", maxRetryBackoff: "4 seconds" })
      const pauses = times.slice(1).map((time, index) => time - times[index]!)
      for (const [index, pause] of pauses.entries()) {
        assert.isAtLeast(pause, 800 * 2 ** index)
        assert.isAtMost(pause, Math.min(4000, 1200 * 2 ** index))
      }
      found.push(...pauses)
    }
    assert.isAbove(new Set(found).size, 20)
    assert.strictEqual(Math.max(...found), 4000, "pauses that would be longer are cut to the cap")
  })
)

it.effect.each([
  [noSpace, "no_space"],
  [io, "io"],
  [new TimedOut({ code: "ETIMEDOUT" }), "timeout"],
  [new ConnectionLost({ code: "ESTALE" }), "io"],
  [new Throttled({ code: "EMFILE" }), "throttled"],
  [new FolderMissing({ code: "ENOENT" }), "io"]
] as const)("tries again what may pass: %s counts as %s", ([reason, errorType]) =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: 1 })
    const { drain, faults, queue, stored } = yield* TestPipeline.TestPipeline
    yield* faults.next("create", [FaultyStorage.fail(reason)])
    yield* queue.offer(TestTick.make("run", 1))
    yield* drain
    assert.strictEqual((yield* stored("run")).length, 1)
    assert.strictEqual(yield* metric("persistence_write_retries_total", { error_type: errorType }), 1)
  }).pipe(Effect.provide(pipeline({ persistence: { retryBackoffMs: 0 } })))
)

it.effect.each([
  [new KeyConflict(), "key_conflict"],
  [new PermissionDenied({ code: "EACCES" }), "storage"],
  [new ReadOnly({ code: "EROFS" }), "storage"],
  [new InvalidPlace({ code: "ENOTDIR" }), "storage"]
] as const)("dead-letters at once what can't pass: %s", ([reason, counted]) =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
    yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
    const { drain, faults, letters, queue } = yield* TestPipeline.TestPipeline
    yield* faults.always("commit", FaultyStorage.fail(reason))
    yield* queue.offerAll(TestTick.range("run", 1, 2))
    yield* drain
    const [letter] = yield* letters
    assert.strictEqual(letter?.retryCount, 0)
    assert.strictEqual(letter?.metadata["exceptionType"], `StorageError.${reason._tag}`)
    assert.strictEqual(yield* metric("persistence_batches_failed_total", { reason: counted }), 1)
    assert.strictEqual(yield* metric("persistence_ticks_failed_total", { reason: counted }), 2)
  }).pipe(Effect.provide(pipeline()))
)

it.effect.each(["create", "write", "commit"] as const)(
  "dead-letters what a defect in %s leaves behind, and lives on",
  (operation) =>
    onBench({ persistence: { maxBatchSize: 2 } }, [], ({ faults, files, first, letters, queue }) =>
      Effect.gen(function* () {
        yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
        yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
        yield* faults.next(operation, [FaultyStorage.die(new TypeError("undefined is no function"))])
        yield* first.start
        yield* queue.offerAll(TestTick.range("run", 1, 4))
        yield* settleDown
        assert.strictEqual(yield* first.state, "RUNNING")
        assert.deepStrictEqual([...(yield* files).keys()], ["run/batch_0000000000000000003_0000000000000000004.pb"])
        const [letter] = yield* letters
        assert.include(letter?.failureReason, "undefined is no function")
        assert.strictEqual(letter?.metadata["exceptionType"], "UnexpectedFailure")
        assert.strictEqual(letter?.retryCount, 0)
        assert.strictEqual(yield* metric("persistence_batches_failed_total", { reason: "internal" }), 1)
      })
    )
)
