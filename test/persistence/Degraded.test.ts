// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { KeyConflict } from "../../src/storage/StorageError.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import {
  acceptsAgain,
  bothRefuse,
  degrade,
  degradeTicks as ticks,
  degradeOptions as options,
  givenUp,
  stillRefuse
} from "./degrade.ts"
import { advance, assertBalanced, noSpace, numbers, onBench, recordAttempts, settleDown } from "./harness.ts"

it.effect("keeps a batch that both refuse, and stores it when the storage is well again", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* degrade(bench)
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* LogWatch.expect("Warn", stillRefuse, { times: 1 })
      const { faults, files, first, queue } = bench
      yield* advance(60_000, 1000)
      assert.strictEqual((yield* first.degraded)?.sinceMs, 500)
      assert.strictEqual(yield* first.state, "RUNNING")
      assert.deepInclude(yield* queue.account, { inHand: 3, lost: 0 })
      yield* faults.heal
      yield* advance(31_000, 1000)
      assert.isUndefined(yield* first.degraded)
      assert.deepStrictEqual([...(yield* files).values()], [ticks])
      assert.deepInclude(yield* first.metrics, { ticks_written: 3, batches_failed: 0, ticks_in_flight: 0 })
    })
  )
)

it.effect("dead-letters it when there is room for letters first", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* degrade(bench)
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* advance(10_000, 1000)
      bench.setLetters("none")
      yield* advance(31_000, 1000)
      assert.strictEqual((yield* bench.letters).length, 1)
      assert.isUndefined(yield* bench.first.degraded)
      assert.deepInclude(yield* bench.first.metrics, { ticks_dead_lettered: 3, batches_failed: 1, ticks_in_flight: 0 })
    })
  )
)

it.effect("tries both with pauses that double from a second to maxRetryBackoff", () =>
  onBench({ ...options, persistence: { ...options.persistence, maxRetryBackoff: "6 seconds" } }, [], (bench) =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      const times = yield* recordAttempts(bench.faults)
      yield* degrade(bench)
      yield* advance(30_000, 500)
      assert.deepStrictEqual(
        times.slice(0, 7).map((time) => time - times[0]!),
        [0, 1000, 2000, 4000, 8000, 14_000, 20_000]
      )
      bench.setLetters("none")
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* advance(6000, 500)
    })
  )
)

it.effect("holds the producer back meanwhile, and then everything flows again", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* degrade(bench)
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* LogWatch.expect("Warn", stillRefuse, { times: 2 })
      const more = TestTick.range("run", 4, 30)
      const producer = yield* Effect.forkChild(bench.queue.offerAll(more))
      yield* advance(120_000, 5000)
      assert.isUndefined(producer.pollUnsafe())
      assert.deepInclude(yield* bench.queue.account, { waiting: 6, inHand: 3, accepted: 9 })
      yield* bench.faults.heal
      yield* advance(60_000, 5000)
      assert.strictEqual(yield* Fiber.join(producer), 27)
      const stored = [...(yield* bench.files).values()].flatMap(numbers)
      assert.deepStrictEqual(stored, numbers(TestTick.range("run", 1, 30)))
      yield* assertBalanced(bench.first)
    })
  )
)

it.effect("does not try the storage again with what conflicts there", () =>
  onBench({ persistence: { maxBatchSize: 3 } }, [], (bench) =>
    Effect.gen(function* () {
      yield* givenUp
      yield* LogWatch.expect("Error", bothRefuse, { times: 1 })
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      const times = yield* recordAttempts(bench.faults)
      yield* bench.faults.always("commit", FaultyStorage.fail(new KeyConflict()))
      bench.setLetters("full")
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      yield* advance(20_000, 1000)
      assert.strictEqual(times.length, 1)
      bench.setLetters("none")
      yield* advance(31_000, 1000)
      assert.strictEqual((yield* bench.letters).length, 1)
    })
  )
)

it.effect("takes a defect of the dead-letter queue for a refusal", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* givenUp
      yield* LogWatch.expect("Error", bothRefuse, { times: 1 })
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* bench.faults.always("commit", FaultyStorage.fail(noSpace))
      bench.setLetters("die")
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      yield* advance(5000, 1000)
      assert.strictEqual(yield* bench.first.state, "RUNNING")
      yield* bench.faults.heal
      yield* advance(31_000, 1000)
      assert.deepInclude(yield* bench.first.metrics, { ticks_written: 3, ticks_in_flight: 0 })
    })
  )
)

it.effect("has one letter of a batch whose offer was kept and answered with a failure", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* givenUp
      yield* LogWatch.expect("Error", bothRefuse, { times: 1 })
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* bench.faults.always("commit", FaultyStorage.fail(noSpace))
      bench.setLetters("after")
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      yield* advance(5000, 1000)
      bench.setLetters("none")
      yield* advance(31_000, 1000)
      assert.strictEqual((yield* bench.letters).length, 1)
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 3, inHand: 0 })
    })
  )
)

it.effect("stopped while degraded, gives the batch back to the queue within shutdownTimeout", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", bothRefuse, { times: 1 })
      yield* LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
      yield* LogWatch.expect("Error", "Batch could not be settled in time, returned to the queue", { times: 1 })
      yield* givenUp
      yield* bench.faults.always("commit", FaultyStorage.fail(noSpace))
      bench.setLetters("full")
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      yield* advance(5000, 1000)
      const stopped = yield* Effect.forkChild(bench.first.stop)
      yield* settleDown
      yield* advance(9000, 1000)
      assert.isUndefined(stopped.pollUnsafe())
      yield* advance(1000, 1000)
      yield* Fiber.join(stopped)
      assert.isUndefined(yield* bench.first.degraded)
      assert.deepInclude(yield* bench.queue.account, { returned: 3, inHand: 0, lost: 0 })
    })
  )
)
