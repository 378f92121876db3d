// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { metric, onBench, settleDown } from "./harness.ts"

const two = { persistence: { maxBatchSize: 2 } }

it.effect("finishes the batches in hand when it is paused, takes no more, and goes on when it is resumed", () =>
  onBench(two, [], ({ faults, first, queue }) =>
    Effect.gen(function* () {
      const held = Latch.makeUnsafe(false)
      yield* faults.next("commit", FaultyStorage.repeat(FaultyStorage.wait(held.await), 3))
      yield* first.start
      yield* queue.offerAll(TestTick.range("run", 1, 8))
      yield* settleDown
      yield* first.pause
      assert.strictEqual(yield* first.state, "PAUSED")
      yield* held.open
      yield* settleDown
      yield* TestClock.adjust("1 minute")
      yield* settleDown
      assert.deepInclude(yield* queue.account, { stored: 6, waiting: 2, inHand: 0 })
      yield* first.resume
      yield* settleDown
      assert.deepInclude(yield* queue.account, { stored: 8, waiting: 0, inHand: 0 })
      assert.strictEqual(yield* first.state, "RUNNING")
    })
  )
)

it.effect("leaves in the queue what it was waiting for when it is paused", () =>
  onBench(two, [], ({ first, queue }) =>
    Effect.gen(function* () {
      yield* first.start
      yield* queue.offer(TestTick.make("run", 1))
      yield* TestClock.adjust("4 seconds")
      yield* first.pause
      yield* TestClock.adjust("1 minute")
      yield* settleDown
      assert.deepInclude(yield* queue.account, { waiting: 1, inHand: 0 })
      yield* first.resume
      yield* settleDown
      assert.deepInclude(yield* queue.account, { stored: 1 }, "its time is over long since")
    })
  )
)

it.effect("keeps its counters when it is stopped, started and restarted", () =>
  onBench(two, [], ({ first, queue }) =>
    Effect.gen(function* () {
      for (let round = 1; round <= 3; round++) {
        yield* round === 2 ? first.restart : first.start
        yield* queue.offerAll(TestTick.range("run", round * 2, round * 2 + 1))
        yield* settleDown
        assert.deepInclude(yield* first.metrics, {
          ticks_received: round * 2,
          ticks_written: round * 2,
          batches_written: round
        })
        if (round !== 1) yield* first.stop
      }
      assert.strictEqual(yield* metric("persistence_service_restarts_total"), 1)
      assert.strictEqual(yield* metric("persistence_ticks_written_total"), 6)
    })
  )
)

it.effect("does nothing when it is told what it is doing already", () =>
  onBench(two, [], ({ first, queue }) =>
    Effect.gen(function* () {
      for (const idle of [first.stop, first.pause, first.resume]) {
        yield* idle
        assert.strictEqual(yield* first.state, "STOPPED")
      }
      yield* first.start
      yield* first.start
      yield* first.resume
      assert.strictEqual(yield* first.state, "RUNNING")
      yield* first.pause
      yield* first.pause
      yield* first.start
      assert.strictEqual(yield* first.state, "PAUSED")
      yield* first.stop
      yield* first.stop
      yield* first.start
      yield* queue.offerAll(TestTick.range("run", 1, 2))
      yield* settleDown
      assert.strictEqual((yield* first.metrics).ticks_written, 2, "once, by one fiber")
    })
  )
)

it.effect("is stopped by many at the same time", () =>
  onBench(two, [{ level: "Info", message: "Shutdown requested, writing partial batch" }], (bench) =>
    Effect.gen(function* () {
      const held = Latch.makeUnsafe(false)
      yield* bench.faults.next("commit", [FaultyStorage.wait(held.await), FaultyStorage.wait(held.await)])
      yield* bench.first.start
      yield* bench.queue.offerAll(TestTick.range("run", 1, 2))
      yield* settleDown
      const stops = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(bench.first.stop))
      yield* settleDown
      yield* Fiber.interrupt(stops[0]!)
      for (const stop of stops.slice(1)) assert.isUndefined(stop.pollUnsafe(), "until what it has in hand is settled")
      yield* held.open
      for (const stop of stops.slice(1)) yield* Fiber.join(stop)
      assert.deepInclude(yield* bench.queue.account, { stored: 2, inHand: 0 })
    })
  )
)

it.effect("is at work for whoever waits for it, however closely a start follows a stop", () =>
  onBench(two, [], ({ first }) =>
    Effect.gen(function* () {
      const started = Effect.provideService(first.start, MaxOpsBeforeYield, 12)
      for (let turns = 0; turns < 70; turns++) {
        yield* started
        yield* settleDown
        yield* Effect.forkChild(first.stop)
        yield* Effect.repeat(Effect.yieldNow, { times: turns })
        yield* started
        yield* settleDown
        const state = yield* first.state
        const waits = yield* Effect.forkChild(first.await)
        yield* settleDown
        assert.strictEqual(waits.pollUnsafe() === undefined, state === "RUNNING", `${state} after ${turns} turns`)
        const shown = yield* metric("persistence_service_state", { state: state.toLowerCase() })
        assert.strictEqual(shown, 1, `${state} after ${turns} turns`)
        yield* first.stop
      }
    })
  )
)

it.effect("is started by many at the same time, and at work once", () =>
  onBench(two, [], ({ first, queue }) =>
    Effect.gen(function* () {
      for (let round = 0; round < 20; round++) {
        const restless = Effect.provideService(first.start, MaxOpsBeforeYield, 12 + round)
        const starts = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(restless))
        for (const start of starts) yield* Fiber.join(start)
        yield* queue.offerAll(TestTick.range(`run-${round}`, 1, 2))
        yield* settleDown
        assert.deepInclude(yield* first.metrics, { ticks_received: 2 * round + 2, ticks_written: 2 * round + 2 })
        yield* first.stop
        assert.strictEqual(yield* first.state, "STOPPED")
      }
      const lines = (yield* LogWatch.lines).filter(({ message }) => message === "Service started")
      assert.strictEqual(lines.length, 20)
    })
  )
)

it.effect("shows its state as a metric", () =>
  onBench({}, [], ({ first }) =>
    Effect.gen(function* () {
      const shown = Effect.forEach(["stopped", "running", "paused", "error"], (state) =>
        metric("persistence_service_state", { service: "persistence-1", state })
      )
      assert.deepStrictEqual(yield* shown, [1, 0, 0, 0])
      yield* first.start
      assert.deepStrictEqual(yield* shown, [0, 1, 0, 0])
      yield* first.pause
      assert.deepStrictEqual(yield* shown, [0, 0, 1, 0])
      yield* first.stop
      assert.deepStrictEqual(yield* shown, [1, 0, 0, 0])
    })
  )
)
