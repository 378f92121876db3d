// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Delimited from "../../src/domain/Delimited.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestPipeline from "../../src/testing/TestPipeline.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { advance, metric, numbers, onBench, pipeline, settleDown } from "./harness.ts"

it.effect("stores a batch under its run and its padded smallest and largest tick", () =>
  Effect.gen(function* () {
    const { keys, queue, services, storedUnder } = yield* TestPipeline.TestPipeline
    const ticks = [7, 3, 12, 5].map((number) => TestTick.make("run-7", number, number))
    yield* queue.offerAll(ticks)
    yield* TestClock.adjust("5 seconds")
    const key = "run-7/batch_0000000000000000003_0000000000000000012.pb"
    assert.deepStrictEqual<ReadonlyArray<string>>(yield* keys, [key])
    assert.deepStrictEqual(yield* storedUnder(key), ticks, "in the order in which they came")
    assert.deepStrictEqual(yield* services.get("persistence-1")!.metrics, {
      batches_written: 1,
      ticks_written: 4,
      bytes_written: Delimited.encodedBytes(ticks),
      bytes_stored: Delimited.encodedBytes(ticks),
      batches_failed: 0,
      duplicate_ticks_detected: 0,
      current_batch_size: 0,
      ticks_received: 4,
      ticks_dead_lettered: 0,
      ticks_returned: 0,
      ticks_lost: 0,
      ticks_in_flight: 0,
      write_retries: 0
    })
  }).pipe(Effect.provide(pipeline()))
)

it.effect("stores the first and the last tick that a 64-bit number can name", () =>
  Effect.gen(function* () {
    const { keys, queue } = yield* TestPipeline.TestPipeline
    yield* queue.offerAll([TestTick.make("run", 9_223_372_036_854_775_807n), TestTick.make("run", 0)])
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual<ReadonlyArray<string>>(yield* keys, ["run/batch_0000000000000000000_9223372036854775807.pb"])
  }).pipe(Effect.provide(pipeline()))
)

it.effect("closes a batch at its number of ticks and goes on with the rest", () =>
  Effect.gen(function* () {
    const { keys, queue, stored } = yield* TestPipeline.TestPipeline
    const ticks = TestTick.range("run", 1, 25)
    yield* queue.offerAll(ticks)
    yield* settleDown
    assert.strictEqual((yield* keys).length, 2, "two whole batches at once")
    yield* TestClock.adjust("4999 millis")
    assert.strictEqual((yield* keys).length, 2)
    yield* TestClock.adjust("1 millis")
    yield* settleDown
    assert.deepStrictEqual<ReadonlyArray<string>>(yield* keys, [
      "run/batch_0000000000000000001_0000000000000000010.pb",
      "run/batch_0000000000000000011_0000000000000000020.pb",
      "run/batch_0000000000000000021_0000000000000000025.pb"
    ])
    assert.deepStrictEqual(yield* stored("run"), ticks)
    assert.strictEqual(yield* metric("persistence_flushes_total", { flush_reason: "size" }), 2)
    assert.strictEqual(yield* metric("persistence_flushes_total", { flush_reason: "timeout" }), 1)
  }).pipe(Effect.provide(pipeline({ persistence: { maxBatchSize: 10 } })))
)

it.effect("closes a batch at its number of bytes, and stores a single tick that is larger", () =>
  Effect.gen(function* () {
    const { drain, queue, keys, stored } = yield* TestPipeline.TestPipeline
    const small = TestTick.range("run", 1, 5, 30)
    const large = TestTick.make("run", 6, 500)
    yield* queue.offerAll([...small, large])
    yield* drain
    assert.deepStrictEqual(yield* stored("run"), [...small, large])
    assert.isAtLeast((yield* keys).length, 4)
    assert.isAtLeast((yield* metric("persistence_flushes_total", { flush_reason: "bytes" })) ?? 0, 2)
  }).pipe(Effect.provide(pipeline({ persistence: { maxBatchBytes: 100 } })))
)

it.effect.each([
  ["the default", {}, 5000],
  ["2.5 seconds", { batchTimeoutSeconds: 2.5 }, 2500],
  ["a millisecond", { batchTimeoutSeconds: 0.001 }, 1]
] as const)("waits for a batch to fill to the millisecond: %s", ([, persistence, timeoutMs]) =>
  Effect.gen(function* () {
    const { keys, queue } = yield* TestPipeline.TestPipeline
    yield* TestClock.adjust("1234 millis")
    yield* queue.offer(TestTick.make("run", 1))
    if (timeoutMs > 1) yield* TestClock.adjust(timeoutMs - 1)
    yield* queue.offer(TestTick.make("run", 2))
    yield* settleDown
    assert.deepStrictEqual(yield* keys, [])
    yield* TestClock.adjust(1)
    yield* settleDown
    assert.strictEqual((yield* keys).length, 1, "from the arrival of its first tick, whatever comes after")
  }).pipe(Effect.provide(pipeline({ persistence })))
)

it.effect("logs its start, its batches and its end, with what they are about", () =>
  onBench({ persistence: { maxBatchSize: 3, batchTimeoutSeconds: 2 } }, [], ({ first, queue }) =>
    Effect.gen(function* () {
      yield* first.start
      yield* queue.offerAll(TestTick.range("run", 1, 3))
      yield* settleDown
      yield* first.stop
      const lines = (yield* LogWatch.lines).map(({ level, message }) => `${level} ${message}`)
      assert.deepStrictEqual(lines, [
        "Info PersistenceService initialized",
        "Info Service started",
        "Debug Drained ticks from queue",
        "Debug Successfully wrote batch",
        "Info Service stopped"
      ])
      const facts = (yield* LogWatch.lines).map(({ annotations }) => annotations)
      assert.deepInclude(facts[0], { service: "persistence-1", maxBatchSize: 3, batchTimeoutSeconds: 2, maxRetries: 3 })
      assert.deepInclude(facts[2], { service: "persistence-1", ticks: 3, reason: "size" })
      assert.deepInclude(facts[3], {
        service: "persistence-1",
        key: "run/batch_0000000000000000001_0000000000000000003.pb",
        ticks: 3
      })
    })
  )
)

it.effect("shares the queue out among its services batch by batch", () =>
  onBench({ instances: 3, persistence: { maxBatchSize: 10 }, queue: { capacity: 1000 } }, [], (bench) =>
    Effect.gen(function* () {
      yield* bench.faults.always("commit", { _tag: "Wait", until: Effect.sleep(10) })
      for (const service of bench.services) yield* service.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 300))
      yield* advance(300, 10)
      const files = yield* bench.files
      assert.strictEqual(files.size, 30)
      for (const ticks of files.values()) {
        const from = numbers(ticks)[0]!
        assert.strictEqual(from % 10, 1)
        assert.deepStrictEqual(numbers(ticks), numbers(TestTick.range("run", from, from + 9)))
      }
      for (const { metrics } of bench.services) assert.isAtLeast((yield* metrics).batches_written, 5)
    })
  )
)
