// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestPipeline from "../../src/testing/TestPipeline.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import {
  advance,
  assertAccount,
  assertBalanced,
  io,
  metric,
  noSpace,
  numbers,
  onBench,
  pipeline,
  settleDown
} from "./harness.ts"

const named = (times: number) => LogWatch.expect("Error", "Duplicate tick detected", { times })
const skipped = LogWatch.expect("Warn", "Entire batch was duplicates, skipping", { times: 1 })

it.effect("skips a batch that has been stored before and names each of its ticks", () =>
  Effect.gen(function* () {
    yield* named(3)
    yield* skipped
    const { drain, faults, keys, queue, services } = yield* TestPipeline.TestPipeline
    const ticks = TestTick.range("run", 1, 3)
    yield* queue.offerAll([...ticks, ...ticks])
    yield* drain
    assert.strictEqual((yield* keys).length, 1)
    assert.strictEqual((yield* faults.calls).filter(({ operation }) => operation === "create").length, 1)
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, {
      ticks_received: 6,
      ticks_written: 3,
      batches_written: 1,
      duplicate_ticks_detected: 3
    })
    assert.strictEqual((yield* queue.account).duplicate, 3)
    assert.strictEqual(yield* metric("persistence_duplicate_ticks_total", { source: "tracker" }), 3)
    const keysLogged = (yield* LogWatch.lines)
      .filter(({ message }) => message === "Duplicate tick detected")
      .map(({ annotations }) => annotations["key"])
    assert.deepStrictEqual(keysLogged, ["run:1", "run:2", "run:3"])
  }).pipe(Effect.provide(pipeline({ persistence: { maxBatchSize: 3 } })))
)

it.effect("stores what is new of a batch that is partly duplicate, under the key of what is new", () =>
  Effect.gen(function* () {
    yield* named(1)
    const { drain, keys, queue, stored } = yield* TestPipeline.TestPipeline
    yield* queue.offerAll([...TestTick.range("run", 1, 3), ...TestTick.range("run", 3, 5)])
    yield* drain
    assert.deepStrictEqual<ReadonlyArray<string>>(yield* keys, [
      "run/batch_0000000000000000001_0000000000000000003.pb",
      "run/batch_0000000000000000004_0000000000000000005.pb"
    ])
    assert.deepStrictEqual(numbers(yield* stored("run")), [1, 2, 3, 4, 5])
  }).pipe(Effect.provide(pipeline({ persistence: { maxBatchSize: 3 } })))
)

it.effect("stores once what it is told with copies of the ticks that a batch has again", () =>
  onBench({ copies: true, persistence: { maxBatchSize: 3 } }, [], (bench) =>
    Effect.gen(function* () {
      yield* named(2)
      yield* bench.first.start
      yield* bench.queue.offerAll([...TestTick.range("run", 1, 3), ...TestTick.range("run", 3, 5)])
      yield* settleDown
      yield* bench.queue.offerAll([6, 7, 6].map((number) => TestTick.make("run", number)))
      yield* settleDown
      assert.deepStrictEqual([...(yield* bench.files).values()].map(numbers), [
        [1, 2, 3],
        [4, 5],
        [6, 7]
      ])
      assert.deepInclude(yield* bench.first.metrics, {
        ticks_received: 9,
        ticks_written: 7,
        duplicate_ticks_detected: 2,
        ticks_in_flight: 0
      })
      yield* assertBalanced(bench.first)
      yield* assertAccount(bench.queue)
    })
  )
)

it.effect("stores once a tick that is in a batch twice", () =>
  Effect.gen(function* () {
    yield* named(2)
    const { drain, queue, services, stored } = yield* TestPipeline.TestPipeline
    yield* queue.offerAll([1, 2, 1, 3, 1].map((number) => TestTick.make("run", number)))
    yield* drain
    assert.deepStrictEqual(numbers(yield* stored("run")), [1, 2, 3])
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, {
      ticks_written: 3,
      duplicate_ticks_detected: 2
    })
  }).pipe(Effect.provide(pipeline()))
)

it.effect("takes the same number in another run for another tick", () =>
  Effect.gen(function* () {
    const { drain, queue, services } = yield* TestPipeline.TestPipeline
    yield* queue.offerAll([TestTick.make("a", 1), TestTick.make("b", 1), TestTick.make("ab:1", 1)])
    yield* drain
    assert.strictEqual((yield* services.get("persistence-1")!.metrics).ticks_written, 3)
  }).pipe(Effect.provide(pipeline({ persistence: { mixedRuns: "split" } })))
)

it.effect("names as duplicates the ticks that another service is about to store", () =>
  onBench({ instances: 2, persistence: { maxBatchSize: 2 } }, [], ({ faults, files, queue, services }) =>
    Effect.gen(function* () {
      yield* named(2)
      yield* skipped
      const held = Latch.makeUnsafe(false)
      yield* faults.next("commit", [FaultyStorage.wait(held.await)])
      for (const service of services) yield* service.start
      yield* queue.offerAll([...TestTick.range("run", 1, 2), ...TestTick.range("run", 1, 2)])
      yield* settleDown
      assert.deepInclude(yield* queue.account, { inHand: 2, duplicate: 2, stored: 0 })
      yield* held.open
      yield* settleDown
      assert.deepInclude(yield* queue.account, { inHand: 0, duplicate: 2, stored: 2 })
      assert.strictEqual((yield* files).size, 1)
    })
  )
)

it.effect("stores the replay of a batch that failed: its claims were released", () =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
    yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
    const { drain, faults, queue, services, stored } = yield* TestPipeline.TestPipeline
    yield* faults.next("commit", [FaultyStorage.fail(noSpace)])
    const ticks = TestTick.range("run", 1, 3)
    yield* queue.offerAll(ticks)
    yield* settleDown
    assert.strictEqual((yield* queue.account).deadLettered, 3)
    yield* queue.offerAll(ticks)
    yield* drain
    assert.deepStrictEqual(yield* stored("run"), ticks)
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, {
      ticks_dead_lettered: 3,
      ticks_written: 3,
      duplicate_ticks_detected: 0
    })
  }).pipe(Effect.provide(pipeline({ persistence: { maxBatchSize: 3, maxRetries: 0 } })))
)

it.effect("logs ten duplicates of a batch, then how many more there were", () =>
  Effect.gen(function* () {
    yield* named(10)
    yield* skipped
    yield* LogWatch.expect("Error", "Further duplicate ticks detected", { times: 1 })
    const { drain, queue } = yield* TestPipeline.TestPipeline
    const ticks = TestTick.range("run", 1, 25)
    yield* queue.offerAll([...ticks, ...ticks])
    yield* drain
    const further = (yield* LogWatch.lines).find(({ message }) => message === "Further duplicate ticks detected")
    assert.deepInclude(further?.annotations, { run: "run", ticks: 15 })
    assert.strictEqual((yield* queue.account).duplicate, 25)
  }).pipe(Effect.provide(pipeline({ persistence: { maxBatchSize: 25 } })))
)

it.effect("names a batch that the storage holds already as duplicate when its first attempt finds it", () =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Info", "Batch is stored already", { times: 1 })
    const { drain, queue, services, stored } = yield* TestPipeline.TestPipeline
    const ticks = TestTick.range("run", 1, 3)
    yield* queue.offerAll([...ticks, ...ticks])
    yield* drain
    assert.deepStrictEqual(yield* stored("run"), ticks)
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, {
      batches_written: 1,
      ticks_written: 3,
      duplicate_ticks_detected: 3
    })
    assert.strictEqual(yield* metric("persistence_duplicate_ticks_total", { source: "storage" }), 3)
  }).pipe(Effect.provide(pipeline({ tracker: "discard", persistence: { maxBatchSize: 3 } })))
)

it.effect("counts as written what an attempt of unknown outcome had stored, when the next one finds it", () =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: 1 })
    const { faults, queue, services, stored } = yield* TestPipeline.TestPipeline
    yield* faults.next("commit", [FaultyStorage.failAfter(io)])
    const ticks = TestTick.range("run", 1, 3)
    yield* queue.offerAll(ticks)
    yield* advance(3000, 500)
    assert.deepStrictEqual(yield* stored("run"), ticks)
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, {
      batches_written: 1,
      ticks_written: 3,
      duplicate_ticks_detected: 0,
      write_retries: 1
    })
  }).pipe(Effect.provide(pipeline({ persistence: { maxBatchSize: 3 } })))
)
