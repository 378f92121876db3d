// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Delimited from "../../src/domain/Delimited.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestPipeline from "../../src/testing/TestPipeline.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { metric, numbers, pipeline, ticksOf } from "./harness.ts"

const expectRefused = (times: number) =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Error", "Batch consistency violation", { times })
    yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times })
  })

it.effect.each([
  ["a negative number", TestTick.make("run", -1), "tick_number"],
  ["the smallest number", TestTick.make("run", -9_223_372_036_854_775_808n), "tick_number"],
  ["no run id", TestTick.make("", 2), "run_id"],
  ["a run id that leaves the folder", TestTick.make("../run", 2), "run_id"],
  ["an absolute run id", TestTick.make("/etc", 2), "run_id"],
  ["a run id that hides", TestTick.make(".run", 2), "run_id"],
  ["a run id with a control character", TestTick.make("run\n", 2), "run_id"],
  ["a run id that is too long", TestTick.make("x".repeat(256), 2), "run_id"]
] as const)("dead-letters %s in a letter of its own and stores the ticks around it", ([, bad, rule]) =>
  Effect.gen(function* () {
    yield* expectRefused(1)
    const { drain, letters, queue, services, stored } = yield* TestPipeline.TestPipeline
    yield* queue.offerAll([TestTick.make("run", 1), bad, TestTick.make("run", 3)])
    yield* drain
    assert.deepStrictEqual(numbers(yield* stored("run")), [1, 3])
    const [letter, ...more] = yield* letters
    if (letter === undefined) return assert.fail("no letter")
    assert.deepStrictEqual(more, [])
    assert.deepStrictEqual(yield* ticksOf(letter), [bad])
    assert.strictEqual(letter.retryCount, 0)
    assert.strictEqual(letter.metadata["exceptionType"], "InvalidTick")
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, {
      ticks_received: 3,
      ticks_written: 2,
      ticks_dead_lettered: 1,
      batches_failed: 1
    })
    assert.strictEqual(yield* metric("persistence_validation_failures_total", { rule }), 1)
    assert.strictEqual(yield* metric("persistence_ticks_failed_total", { reason: "validation" }), 1)
  }).pipe(Effect.provide(pipeline()))
)

/** A tick whose payload has so many bytes. */
const ofBytes = (number: number, bytes: number) => {
  const stuffing = bytes - 100
  return TestTick.make("run", number, stuffing + bytes - TestTick.make("run", number, stuffing).payload.length)
}

it.effect("dead-letters a tick of more bytes than are read, and stores the largest that is", () =>
  Effect.gen(function* () {
    yield* expectRefused(1)
    const { drain, letters, queue, stored } = yield* TestPipeline.TestPipeline
    const [large, larger] = [ofBytes(2, 64 * 1024 * 1024), ofBytes(3, 64 * 1024 * 1024 + 1)]
    yield* queue.offerAll([TestTick.make("run", 1), large, larger, TestTick.make("run", 4)])
    yield* drain
    assert.deepStrictEqual(numbers(yield* stored("run")), [1, 2, 4])
    const [letter] = yield* letters
    const refused = letter?.originalMessage ?? new Uint8Array()
    assert.isTrue(Bytes.Equivalence(refused, Bytes.concat([...Delimited.encode([larger])])))
    assert.strictEqual(yield* metric("persistence_validation_failures_total", { rule: "size" }), 1)
  }).pipe(Effect.provide(pipeline()))
)

it.effect("dead-letters all invalid ticks of a batch together, wherever in it they stand", () =>
  Effect.gen(function* () {
    yield* expectRefused(1)
    const { drain, letters, queue, stored } = yield* TestPipeline.TestPipeline
    const bad = [TestTick.make("run", -1), TestTick.make("..", 1), TestTick.make("run", -2)]
    yield* queue.offerAll([bad[0]!, TestTick.make("run", 1), bad[1]!, TestTick.make("run", 2), bad[2]!])
    yield* drain
    assert.deepStrictEqual(numbers(yield* stored("run")), [1, 2])
    const [letter] = yield* letters
    assert.deepStrictEqual(letter === undefined ? [] : yield* ticksOf(letter), bad)
  }).pipe(Effect.provide(pipeline()))
)

it.effect("dead-letters a batch of nothing but invalid ticks without asking the storage", () =>
  Effect.gen(function* () {
    yield* expectRefused(1)
    const { drain, faults, letters, queue } = yield* TestPipeline.TestPipeline
    yield* queue.offerAll([TestTick.make("run", -1), TestTick.make("run", -2)])
    yield* drain
    assert.strictEqual((yield* letters).length, 1)
    assert.deepStrictEqual(yield* faults.calls, [])
  }).pipe(Effect.provide(pipeline()))
)

const mixed = [
  TestTick.make("run-a", 1),
  TestTick.make("run-b", 1),
  TestTick.make("run-b", 2),
  TestTick.make("run-a", 2)
]

it.effect("dead-letters a batch whose first and last tick are of one run and another is between them", () =>
  Effect.gen(function* () {
    yield* expectRefused(1)
    const { drain, keys, letters, queue } = yield* TestPipeline.TestPipeline
    yield* queue.offerAll(mixed)
    yield* drain
    assert.deepStrictEqual(yield* keys, [])
    const [letter] = yield* letters
    if (letter === undefined) return assert.fail("no letter")
    assert.deepStrictEqual(yield* ticksOf(letter), mixed, "in their order")
    assert.include(letter.failureReason, "mixed simulationRunIds: run-a, run-b")
    assert.strictEqual(letter.metadata["exceptionType"], "MixedRuns")
    assert.strictEqual(yield* metric("persistence_batches_failed_total", { reason: "mixed_run" }), 1)
    assert.strictEqual(yield* metric("persistence_validation_failures_total", { rule: "mixed_run" }), 4)
    assert.strictEqual(yield* metric("persistence_mixed_batches_split_total"), 0)
  }).pipe(Effect.provide(pipeline()))
)

it.effect("keeps the invalid ticks of a mixed batch apart from the rest", () =>
  Effect.gen(function* () {
    yield* expectRefused(2)
    const { drain, letters, queue } = yield* TestPipeline.TestPipeline
    const bad = TestTick.make("run-a", -7)
    yield* queue.offerAll([...mixed, bad])
    yield* drain
    const found = yield* Effect.forEach(yield* letters, ticksOf)
    assert.sameDeepMembers<unknown>([...found], [mixed, [bad]])
  }).pipe(Effect.provide(pipeline()))
)

it.effect("writes a file for each run of a mixed batch that it is set to split", () =>
  Effect.gen(function* () {
    const { drain, keys, queue, services, stored } = yield* TestPipeline.TestPipeline
    yield* queue.offerAll([...mixed, TestTick.make("run-c", 5)])
    yield* drain
    assert.deepStrictEqual<ReadonlyArray<string>>(yield* keys, [
      "run-a/batch_0000000000000000001_0000000000000000002.pb",
      "run-b/batch_0000000000000000001_0000000000000000002.pb",
      "run-c/batch_0000000000000000005_0000000000000000005.pb"
    ])
    assert.deepStrictEqual(numbers(yield* stored("run-a")), [1, 2])
    assert.deepInclude(yield* services.get("persistence-1")!.metrics, { batches_written: 3, ticks_written: 5 })
    assert.strictEqual(yield* metric("persistence_flushes_total", { flush_reason: "run_change" }), 2)
    assert.strictEqual(yield* metric("persistence_flushes_total", { flush_reason: "shutdown" }), 1)
    assert.strictEqual(yield* metric("persistence_mixed_batches_split_total"), 1)
  }).pipe(Effect.provide(pipeline({ persistence: { mixedRuns: "split" } })))
)
