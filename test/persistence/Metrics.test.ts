// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/testing/TestClock"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { advance, failing, io, metric, noSpace, onBench, settleDown } from "./harness.ts"

const reasons = ["validation", "mixed_run", "storage", "key_conflict", "internal"]

/** Every series that is there, at zero, before anything has happened: name, label, values. */
const atZero: ReadonlyArray<readonly [string, string, ReadonlyArray<string>]> = [
  ["persistence_ticks_received_total", "queue", ["raw-tick-data"]],
  ["persistence_batches_written_total", "storage", ["memory"]],
  ["persistence_ticks_written_total", "storage", ["memory"]],
  ["persistence_written_bytes_total", "storage", ["memory"]],
  ["persistence_stored_bytes_total", "codec", ["none"]],
  ["persistence_batches_failed_total", "reason", reasons],
  ["persistence_ticks_failed_total", "reason", reasons],
  ["persistence_ticks_lost_total", "reason", reasons],
  ["persistence_ticks_returned_total", "reason", ["shutdown"]],
  ["persistence_duplicate_ticks_total", "source", ["tracker", "storage"]],
  ["persistence_flushes_total", "flush_reason", ["size", "bytes", "timeout", "memory", "run_change", "shutdown"]],
  ["persistence_write_retries_total", "error_type", ["no_space", "permission", "io", "timeout", "throttled", "other"]],
  ["persistence_retry_wait_seconds_total", "service", ["persistence-1"]],
  ["persistence_validation_failures_total", "rule", ["run_id", "tick_number", "size", "mixed_run"]],
  ["persistence_mixed_batches_split_total", "service", ["persistence-1"]],
  ["persistence_current_batch_ticks", "service", ["persistence-1"]],
  ["persistence_in_flight_ticks", "service", ["persistence-1"]],
  ["persistence_service_restarts_total", "service", ["persistence-1"]]
]

it.effect("has every series at zero before anything happens, so that a first failure shows as an increase", () =>
  onBench({}, [], () =>
    Effect.gen(function* () {
      for (const [name, label, values] of atZero) {
        for (const value of values) assert.strictEqual(yield* metric(name, { [label]: value }), 0, `${name} ${value}`)
      }
    })
  )
)

it.effect("has the start of the service for the last commit until there is one", () =>
  Effect.gen(function* () {
    yield* TestClock.adjust("90 seconds")
    yield* onBench({ persistence: { maxBatchSize: 1 } }, [], ({ first, queue }) =>
      Effect.gen(function* () {
        const last = metric("persistence_last_commit_timestamp_seconds", { storage: "memory" })
        assert.strictEqual(yield* last, 90)
        yield* first.start
        yield* TestClock.adjust("2500 millis")
        yield* queue.offer(TestTick.make("run", 1))
        yield* settleDown
        assert.strictEqual(yield* last, 92.5)
      })
    )
  })
)

it.effect("never uses a run, a tick or a key as a label", () =>
  onBench({ persistence: { maxBatchSize: 2 } }, failing, ({ faults, first, queue }) =>
    Effect.gen(function* () {
      yield* faults.next("commit", [FaultyStorage.fail(noSpace)])
      yield* first.start
      yield* queue.offerAll(TestTick.range("secret-run", 123_456, 123_459))
      yield* advance(5000, 500)
      const labels = (yield* Metric.snapshot).flatMap(({ attributes }) => Object.values(attributes ?? {}))
      assert.deepStrictEqual(
        labels.filter((label) => /secret|123456/u.test(label)),
        []
      )
    })
  )
)

it.effect("shows the batch in hand while it is in hand", () =>
  onBench({ persistence: { maxBatchSize: 3 } }, [], ({ faults, first, queue }) =>
    Effect.gen(function* () {
      const held = Latch.makeUnsafe(false)
      yield* faults.next("commit", [FaultyStorage.wait(held.await)])
      yield* first.start
      yield* queue.offerAll(TestTick.range("run", 1, 3))
      yield* settleDown
      const shown = Effect.all([metric("persistence_current_batch_ticks"), metric("persistence_in_flight_ticks")])
      assert.deepStrictEqual(yield* shown, [3, 3])
      assert.deepInclude(yield* first.metrics, { current_batch_size: 3, ticks_in_flight: 3, ticks_received: 3 })
      yield* held.open
      yield* settleDown
      assert.deepStrictEqual(yield* shown, [0, 0])
      assert.deepInclude(yield* first.metrics, { current_batch_size: 0, ticks_in_flight: 0 })
    })
  )
)

const histogram = (id: string) =>
  Effect.map(Metric.snapshot, (all) => all.filter((each) => each.id === id).map(({ state }) => state))

it.effect("measures batches, attempts and the way of a tick from the queue to the storage", () =>
  onBench({ persistence: { maxBatchSize: 10, batchTimeoutSeconds: 4 } }, failing, ({ faults, first, queue }) =>
    Effect.gen(function* () {
      yield* faults.next("commit", [FaultyStorage.fail(io)])
      yield* first.start
      yield* queue.offerAll(TestTick.range("run", 1, 7))
      yield* advance(10_000, 500)
      const [batch] = yield* histogram("persistence_batch_ticks")
      assert.deepInclude(batch, { count: 1, sum: 7 })
      const [latency] = yield* histogram("persistence_end_to_end_latency_seconds")
      assert.deepInclude(latency, { count: 1, sum: 5 })
      assert.strictEqual(yield* metric("persistence_batch_commit_duration_seconds", { outcome: "failure" }), 1)
      assert.strictEqual(yield* metric("persistence_batch_commit_duration_seconds", { outcome: "success" }), 1)
      assert.strictEqual(yield* metric("persistence_idempotency_check_duration_seconds"), 1)
    })
  )
)
