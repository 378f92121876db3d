// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { advance, assertAccount, assertBalanced, type Bench, io, metric, onBench, settleDown } from "./harness.ts"

const ticks = TestTick.range("run", 1, 3)
const retried = (times: number) => LogWatch.expect("Warn", "Failed to write batch, retrying", { times })
const givenUp = LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
const lettered = LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })

/** When attempts were begun, by the test clock. */
const attempts = ({ faults }: Bench) =>
  Effect.map(faults.calls, (calls) => calls.filter(({ operation }) => operation === "create").map(({ atMs }) => atMs))

/** The bytes of the one object that is stored. */
const bytes = Effect.fnUntraced(function* ({ faults, files }: Bench) {
  const keys = [...(yield* files).keys()]
  assert.lengthOf(keys, 1)
  return yield* Stream.runCollect(faults.underneath.read(yield* StorageKey.parse(keys[0]!)))
}, Effect.orDie)

const assertStoredOnce = Effect.fnUntraced(function* (bench: Bench) {
  assert.deepStrictEqual([...(yield* bench.files).values()], [ticks])
  assert.deepStrictEqual(yield* bench.letters, [])
  assert.deepInclude(yield* bench.first.metrics, {
    batches_written: 1,
    ticks_written: 3,
    duplicate_ticks_detected: 0,
    ticks_in_flight: 0
  })
  assert.deepInclude(yield* bench.queue.account, { stored: 3, duplicate: 0, deadLettered: 0, inHand: 0 })
  yield* assertBalanced(bench.first)
  yield* assertAccount(bench.queue)
})

const begin = Effect.fnUntraced(function* ({ first, queue }: Bench) {
  yield* first.start
  yield* queue.offerAll(ticks)
  yield* settleDown
})

it.effect.each(
  (["create", "write", "commit"] as const).flatMap((operation) => [
    [operation, "hangs", FaultyStorage.hang] as const,
    [operation, "hangs and can't be interrupted", FaultyStorage.stuck] as const
  ])
)("gives a %s up that %s after exactly writeTimeout, tries again, and dead-letters", ([operation, , fault]) =>
  onBench({ persistence: { maxBatchSize: 3, maxRetries: 1, writeTimeout: "10 seconds" } }, [], (bench) =>
    Effect.gen(function* () {
      yield* Effect.andThen(retried(1), Effect.andThen(givenUp, lettered))
      yield* bench.faults.always(operation, fault)
      yield* begin(bench)
      yield* advance(20_000, 1000)
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(yield* attempts(bench), [0, 11_000])
      assert.deepStrictEqual(yield* bench.letters, [])
      yield* advance(1, 1)
      const [letter] = yield* bench.letters
      assert.include(letter?.failureReason, "no answer in time (writeTimeout)")
      assert.strictEqual(letter?.metadata["exceptionType"], "StorageError.TimedOut")
      assert.deepInclude(letter, { retryCount: 1, firstFailureTimeMs: 10_000n, lastFailureTimeMs: 21_000n })
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 3, inHand: 0 })
      assert.strictEqual(yield* metric("persistence_write_retries_total", { error_type: "timeout" }), 1)
      yield* assertBalanced(bench.first)
    })
  )
)

it.effect("waits 30 seconds at its defaults, and stores with the attempt after it", () =>
  onBench({ persistence: { maxBatchSize: 3 } }, [], (bench) =>
    Effect.gen(function* () {
      yield* retried(1)
      yield* bench.faults.next("write", [FaultyStorage.stuck])
      yield* begin(bench)
      yield* advance(30_000, 1000)
      assert.deepInclude(yield* bench.first.metrics, { write_retries: 1, ticks_in_flight: 3 })
      yield* advance(1000, 1000)
      assert.deepStrictEqual(yield* attempts(bench), [0, 31_000])
      yield* assertStoredOnce(bench)
    })
  )
)

it.effect("takes an attempt that is slow but in time for what it is", () =>
  onBench({ persistence: { maxBatchSize: 3 } }, [], (bench) =>
    Effect.gen(function* () {
      yield* bench.faults.next("commit", [FaultyStorage.wait(Effect.sleep("29999 millis"))])
      yield* begin(bench)
      yield* advance(29_999, 29_999)
      assert.deepStrictEqual(yield* attempts(bench), [0])
      yield* assertStoredOnce(bench)
    })
  )
)

it.effect("stores once, the same bytes, when an abandoned attempt succeeds after the one that followed", () =>
  onBench({ persistence: { maxBatchSize: 3 } }, [], (bench) =>
    Effect.gen(function* () {
      yield* retried(1)
      let late = 0
      const until = Effect.andThen(
        Effect.sleep("40 seconds"),
        Effect.sync(() => void late++)
      )
      yield* bench.faults.next("commit", [FaultyStorage.late(until)])
      yield* begin(bench)
      yield* advance(31_000, 1000)
      yield* assertStoredOnce(bench)
      const before = yield* bytes(bench)
      yield* advance(30_000, 1000)
      assert.strictEqual(late, 1)
      assert.deepStrictEqual(yield* bytes(bench), before)
      yield* assertStoredOnce(bench)
    })
  )
)

it.effect.each([
  ["the one that follows finds it", []],
  ["the one that follows fails, and the one after that finds it", [FaultyStorage.pass, FaultyStorage.fail(io)]]
] as const)("counts as written, not as a duplicate, what an abandoned attempt stored before %s", ([, creates]) =>
  onBench({ persistence: { maxBatchSize: 3 } }, [], (bench) =>
    Effect.gen(function* () {
      yield* retried(creates.length === 0 ? 1 : 2)
      yield* bench.faults.next("create", creates)
      yield* bench.faults.next("commit", [FaultyStorage.late(Effect.sleep("30500 millis"))])
      yield* begin(bench)
      yield* advance(30_500, 500)
      yield* settleDown
      assert.deepInclude(yield* bench.first.metrics, { ticks_written: 0, ticks_in_flight: 3 })
      yield* bytes(bench)
      yield* advance(3000, 500)
      yield* assertStoredOnce(bench)
    })
  )
)

it.effect("counts as dead-lettered, and stores too, what succeeds after it was dead-lettered", () =>
  onBench({ persistence: { maxBatchSize: 3, maxRetries: 0 } }, [], (bench) =>
    Effect.gen(function* () {
      yield* Effect.andThen(givenUp, lettered)
      yield* bench.faults.next("commit", [FaultyStorage.late(Effect.sleep("1 hour"))])
      yield* begin(bench)
      yield* advance(30_000, 1000)
      const [letter] = yield* bench.letters
      yield* TestClock.adjust("1 hour")
      yield* settleDown
      assert.deepStrictEqual([...(yield* bench.files).keys()], [letter?.metadata["storageKey"]])
      assert.deepInclude(yield* bench.first.metrics, { ticks_written: 0, ticks_dead_lettered: 3, ticks_lost: 0 })
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 3, stored: 0, inHand: 0 })
      yield* assertBalanced(bench.first)
    })
  )
)

it.effect("goes on with the next batch while abandoned attempts are out, and begins no more of them than it may", () =>
  onBench({ persistence: { maxBatchSize: 1, maxRetries: 3, writeTimeout: "10 seconds" } }, [], (bench) =>
    Effect.gen(function* () {
      yield* retried(12)
      yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 4 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 4 })
      yield* bench.faults.always("commit", FaultyStorage.stuck)
      yield* begin(bench)
      yield* bench.queue.offer(TestTick.make("run", 4))
      yield* advance(50_000, 1000)
      assert.deepStrictEqual(yield* attempts(bench), [0, 0, 0, 11_000, 11_000, 11_000])
      const letters = yield* bench.letters
      assert.lengthOf(letters, 4)
      assert.include(letters[3]?.failureReason, "no answer in time (earlier attempts still hang)")
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 4, inHand: 0 })
    })
  )
)
