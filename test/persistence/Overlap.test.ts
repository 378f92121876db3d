// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { acceptsAgain, bothRefuse, givenUp, refusal, stillRefuse } from "./degrade.ts"
import {
  advance,
  assertAccount,
  assertBalanced,
  type Bench,
  noSpace,
  numbers,
  onBench,
  settleDown,
  whileTimePasses
} from "./harness.ts"

const options = { persistence: { maxBatchSize: 2, maxRetries: 0 } }
const first = "run/batch_0000000000000000001_0000000000000000002.pb"
const second = "run/batch_0000000000000000003_0000000000000000004.pb"

const stored = ({ files }: Bench) => Effect.map(files, (all) => [...all.keys()])

it.effect("stores the next batch while one is being written", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      const held = Latch.makeUnsafe(false)
      yield* bench.faults.next("write", [FaultyStorage.wait(held.await)])
      yield* bench.first.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 4))
      yield* settleDown
      assert.deepStrictEqual(yield* stored(bench), [second])
      assert.deepInclude(yield* bench.first.metrics, { ticks_written: 2, ticks_in_flight: 2, current_batch_size: 2 })
      yield* held.open
      yield* settleDown
      assert.deepStrictEqual(yield* stored(bench), [first, second])
      assert.deepInclude(yield* bench.first.metrics, { ticks_written: 4, ticks_in_flight: 0, current_batch_size: 0 })
    })
  )
)

it.effect("has three batches in hand at most, and leaves the others in the queue", () =>
  onBench({ persistence: { ...options.persistence, writeTimeout: "5 minutes" } }, [], (bench) =>
    Effect.gen(function* () {
      const held = Latch.makeUnsafe(false)
      yield* bench.faults.always("commit", FaultyStorage.wait(held.await))
      yield* bench.first.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 20))
      yield* advance(60_000, 10_000)
      assert.deepInclude(yield* bench.queue.account, { inHand: 6, waiting: 14 })
      assert.deepInclude(yield* bench.first.metrics, { ticks_in_flight: 6, ticks_received: 6 })
      yield* held.open
      yield* settleDown
      assert.deepInclude(yield* bench.queue.account, { stored: 20, inHand: 0, waiting: 0 })
    })
  )
)

it.effect("tries one batch again while the others pass", () =>
  onBench({ persistence: { maxBatchSize: 2, maxRetries: 3, retryBackoffMs: 1000 } }, [], (bench) =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: 1 })
      yield* bench.faults.next("commit", [FaultyStorage.fail(noSpace)])
      yield* bench.first.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 8))
      yield* settleDown
      assert.notInclude(yield* stored(bench), first)
      assert.deepInclude(yield* bench.queue.account, { stored: 6, inHand: 2, waiting: 0 })
      yield* advance(1000, 1000)
      assert.include(yield* stored(bench), first)
      assert.deepInclude(yield* bench.queue.account, { stored: 8, inHand: 0 })
    })
  )
)

it.effect("takes nothing more once both refuse one batch, though the others are stored", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* givenUp
      yield* LogWatch.expect("Error", bothRefuse, { times: 1 })
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      const held = Latch.makeUnsafe(false)
      yield* bench.faults.next("commit", [
        FaultyStorage.fail(noSpace),
        ...FaultyStorage.repeat(FaultyStorage.wait(held.await), 2)
      ])
      bench.setLetters("full")
      yield* bench.first.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 8))
      yield* settleDown
      assert.deepInclude(yield* bench.first.degraded, { sinceMs: 0, nextTryMs: 1000 })
      yield* held.open
      yield* settleDown
      assert.deepInclude(yield* bench.queue.account, { stored: 4, inHand: 2, waiting: 2 })
      assert.isDefined(yield* bench.first.degraded)
      yield* advance(1000, 1000)
      assert.isUndefined(yield* bench.first.degraded)
      assert.deepInclude(yield* bench.queue.account, { stored: 8, inHand: 0, waiting: 0 })
    })
  )
)

it.effect("says once that both refuse and once that one accepts again, when it is so with all batches in hand", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", "Failed to write batch, giving up", { times: 3 })
      yield* LogWatch.expect("Error", bothRefuse, { times: 1 })
      yield* LogWatch.expect("Warn", stillRefuse, { times: 1 })
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      const held = Latch.makeUnsafe(false)
      yield* bench.faults.always("commit", FaultyStorage.fail(noSpace))
      yield* bench.faults.next("create", [
        FaultyStorage.pass,
        ...FaultyStorage.repeat(FaultyStorage.wait(held.await), 2)
      ])
      bench.setLetters("full")
      yield* bench.first.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 8))
      yield* settleDown
      yield* advance(500, 500)
      yield* held.open
      yield* settleDown
      const cause = refusal.replace("0003.pb", "0002.pb")
      assert.deepStrictEqual(yield* bench.first.degraded, { sinceMs: 0, cause, nextTryMs: 1000 })
      yield* advance(500, 500)
      assert.deepStrictEqual(yield* bench.first.degraded, { sinceMs: 0, cause, nextTryMs: 1500 })
      yield* advance(89_000, 1000)
      assert.deepInclude(yield* bench.queue.account, { inHand: 6, waiting: 2 })
      yield* bench.faults.heal
      yield* advance(30_000, 1000)
      assert.isUndefined(yield* bench.first.degraded)
      assert.deepInclude(yield* bench.queue.account, { stored: 8, inHand: 0, waiting: 0 })
    })
  )
)

it.effect("stopped with three batches in hand, gives all to the letters although the storage hangs", () =>
  onBench({ persistence: { ...options.persistence, shutdownTimeout: "10 seconds" } }, [], (bench) =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 3 })
      yield* bench.faults.always("create", FaultyStorage.stuck)
      yield* bench.first.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 8))
      yield* settleDown
      const stopped = yield* Effect.forkChild(bench.first.stop)
      yield* settleDown
      yield* advance(4999, 4999)
      assert.deepInclude(yield* bench.queue.account, { inHand: 6, waiting: 2 })
      yield* advance(1, 1)
      assert.isDefined(stopped.pollUnsafe())
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 6, inHand: 0, waiting: 2 })
      yield* assertBalanced(bench.first)
    })
  )
)

it.effect("stopped with one batch that hangs, stores the other", () =>
  onBench({ persistence: { ...options.persistence, shutdownTimeout: "10 seconds" } }, [], (bench) =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* bench.faults.next("create", [FaultyStorage.hang, FaultyStorage.hang, FaultyStorage.stuck])
      yield* bench.first.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 4))
      yield* settleDown
      yield* whileTimePasses(bench.first.stop)
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 2, stored: 2, inHand: 0 })
      yield* assertBalanced(bench.first)
    })
  )
)

it.effect.prop(
  "stores every tick once, in whatever order the writes end",
  { delays: Schema.Array(Schema.Literals([0, 1, 5, 20, 50])).check(Schema.isMinLength(1), Schema.isMaxLength(12)) },
  ({ delays }) =>
    onBench(options, [], (bench) =>
      Effect.gen(function* () {
        for (const operation of ["create", "write", "commit"] as const) {
          yield* bench.faults.next(
            operation,
            delays.map((delay) => FaultyStorage.wait(Effect.sleep(delay)))
          )
        }
        const ticks = TestTick.range("run", 1, delays.length * 2)
        yield* bench.first.start
        yield* bench.queue.offerAll(ticks)
        for (let passedMs = 0; passedMs < delays.length * 150 + 100; passedMs += 10) {
          yield* TestClock.adjust("10 millis")
          yield* assertBalanced(bench.first)
          yield* assertAccount(bench.queue)
          assert.isAtMost((yield* bench.queue.account).inHand, 6)
        }
        assert.deepStrictEqual([...(yield* bench.files).values()].flatMap(numbers), numbers(ticks))
        assert.deepInclude(yield* bench.queue.account, { stored: ticks.length, inHand: 0 })
      })
    )
)

it.effect("stopped while two batches are being committed, stores both", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
      const held = Latch.makeUnsafe(false)
      yield* bench.faults.next("commit", FaultyStorage.repeat(FaultyStorage.late(held.await), 2))
      yield* bench.first.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 4))
      yield* settleDown
      yield* bench.first.stop
      yield* held.open
      yield* settleDown
      assert.deepStrictEqual(yield* stored(bench), [first, second])
      assert.deepInclude(yield* bench.queue.account, { stored: 4, inHand: 0 })
    })
  )
)

it.effect("takes nothing that comes while both refuse the one batch in hand", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* givenUp
      yield* LogWatch.expect("Error", bothRefuse, { times: 1 })
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* bench.faults.next("commit", [FaultyStorage.fail(noSpace)])
      bench.setLetters("full")
      yield* bench.first.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 2))
      yield* settleDown
      yield* bench.queue.offerAll(TestTick.range("run", 3, 6))
      yield* advance(999, 999)
      assert.deepInclude(yield* bench.queue.account, { stored: 0, inHand: 2, waiting: 4 })
      yield* advance(1, 1)
      assert.deepInclude(yield* bench.queue.account, { stored: 6, inHand: 0, waiting: 0 })
    })
  )
)
