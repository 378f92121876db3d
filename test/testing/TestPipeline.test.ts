// @module-tag integration
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/testing/TestClock"
import * as Tick from "../../src/domain/Tick.ts"
import { NoSpace } from "../../src/storage/StorageError.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestPipeline from "../../src/testing/TestPipeline.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

const lifecycle: ReadonlyArray<LogWatch.Allowed> = [
  { level: "Info", message: /^(PersistenceService initialized|Service (started|stopped))$/u },
  { level: "Debug", message: /^(Drained ticks from queue|Successfully wrote batch)$/u }
]

const pipeline = (options?: TestPipeline.Options) =>
  Layer.provideMerge(TestPipeline.layer(options), LogWatch.layer({ allow: lifecycle }))

it.effect("makes valid encoded ticks of a size that is asked for", () =>
  Effect.gen(function* () {
    const small = TestTick.make("run", 7)
    const large = TestTick.make("run", 7, 1000)
    for (const tick of [small, large]) {
      assert.deepStrictEqual(yield* Effect.fromResult(Tick.fromBytes(tick.payload)), tick)
    }
    assert.isAtMost(small.payload.length, 16)
    assert.isAtLeast(large.payload.length, small.payload.length + 1000)
    assert.deepStrictEqual(large, TestTick.make("run", 7n, 1000))
    assert.deepStrictEqual(
      TestTick.range("run", 3, 5).map(({ tickNumber }) => tickNumber),
      [3n, 4n, 5n]
    )
    assert.deepStrictEqual(TestTick.range("run", 3, 2), [])
  })
)

it.effect("stores what is offered to it, and shows it by key and by run", () =>
  Effect.gen(function* () {
    const { keys, queue, stored, storedUnder } = yield* TestPipeline.TestPipeline
    const ticks = TestTick.range("run", 1, 3)
    yield* queue.offerAll(ticks)
    yield* TestClock.adjust("5 seconds")
    const key = "run/batch_0000000000000000001_0000000000000000003.pb"
    assert.deepStrictEqual<ReadonlyArray<string>>(yield* keys, [key])
    assert.deepStrictEqual(yield* storedUnder(key), ticks)
    assert.deepStrictEqual(yield* stored("run"), ticks)
    assert.deepStrictEqual(yield* stored("another"), [])
  }).pipe(Effect.provide(pipeline()))
)

it.effect("drains the queue through all of its services", () =>
  Effect.gen(function* () {
    const { drain, queue, services, stored } = yield* TestPipeline.TestPipeline
    const ticks = TestTick.range("run", 1, 95)
    yield* queue.offerAll(ticks)
    yield* drain
    assert.deepStrictEqual(yield* stored("run"), ticks)
    assert.deepStrictEqual([...services.keys()], ["persistence-1", "persistence-2", "persistence-3"])
    for (const service of services.values()) assert.strictEqual(yield* service.state, "STOPPED")
    assert.strictEqual((yield* queue.account).stored, 95)
  }).pipe(Effect.provide(pipeline({ instances: 3, persistence: { maxBatchSize: 10 } })))
)

it.effect("dead-letters what its storage refuses", () =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: 1 })
    yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
    yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
    const { faults, keys, letters, queue } = yield* TestPipeline.TestPipeline
    yield* faults.always("commit", FaultyStorage.fail(new NoSpace({ code: "ENOSPC" })))
    yield* queue.offerAll(TestTick.range("run", 1, 4))
    yield* TestClock.adjust("7 seconds")
    assert.deepStrictEqual(yield* keys, [])
    const [letter, ...more] = yield* letters
    assert.strictEqual(more.length, 0)
    assert.strictEqual(letter?.metadata["tickCount"], "4")
    assert.strictEqual((yield* queue.account).deadLettered, 4)
  }).pipe(Effect.provide(pipeline({ persistence: { maxRetries: 1 } })))
)

it.effect("counts into a metric registry of its own", () =>
  Effect.gen(function* () {
    const { drain, queue } = yield* TestPipeline.TestPipeline
    yield* queue.offer(TestTick.make("run", 1))
    yield* drain
    const written = (yield* Metric.snapshot).find(({ id }) => id === "persistence_ticks_written_total")
    assert.deepInclude(written?.state, { count: 1 })
  }).pipe(Effect.provide(pipeline()))
)

it.effect("works without tracker and without dead letters", () =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
    yield* LogWatch.expect("Error", /no dead-letter queue/u, { times: 1 })
    const { drain, faults, queue } = yield* TestPipeline.TestPipeline
    yield* faults.next("create", [FaultyStorage.fail(new NoSpace({ code: "ENOSPC" }))])
    yield* queue.offer(TestTick.make("run", 1))
    yield* drain
    assert.strictEqual((yield* queue.account).lost, 1)
  }).pipe(Effect.provide(pipeline({ tracker: "discard", deadLetters: "discard", persistence: { maxRetries: 0 } })))
)

it.effect("fails on a wrong option", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Effect.provide(Effect.void, TestPipeline.layer({ queue: { capacity: 0 } })))
    assert.include(error.message, "must be a whole number of 1 or more")
  })
)
