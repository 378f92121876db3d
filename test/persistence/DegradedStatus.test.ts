// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import {
  acceptsAgain,
  degrade,
  degradeOptions as options,
  degradeTicks as ticks,
  refusal,
  settledAtStop,
  stillRefuse
} from "./degrade.ts"
import { advance, io, noSpace, onBench, settleDown } from "./harness.ts"

it.effect("says since when, why and when it tries next", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      assert.isUndefined(yield* bench.first.degraded)
      yield* degrade(bench)
      assert.deepStrictEqual(yield* bench.first.degraded, { sinceMs: 500, cause: refusal, nextTryMs: 1500 })
      for (const [passedMs, nextTryMs] of [
        [999, 1500],
        [1, 2500],
        [1000, 4500],
        [2000, 8500]
      ] as const) {
        yield* advance(passedMs, passedMs)
        assert.deepStrictEqual(yield* bench.first.degraded, { sinceMs: 500, cause: refusal, nextTryMs })
      }
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* bench.faults.heal
      yield* advance(3999, 3999)
      assert.strictEqual((yield* bench.first.degraded)?.nextTryMs, 8500)
      yield* advance(1, 1)
      assert.isUndefined(yield* bench.first.degraded)
    })
  )
)

it.effect("says no next try while it tries, and then what was said last", () =>
  onBench(options, settledAtStop, (bench) =>
    Effect.gen(function* () {
      yield* degrade(bench)
      yield* bench.faults.next("create", [FaultyStorage.hang, FaultyStorage.fail(io)])
      yield* advance(1000, 1000)
      assert.deepStrictEqual(yield* bench.first.degraded, { sinceMs: 500, cause: refusal, nextTryMs: undefined })
      yield* advance(29_999, 29_999)
      assert.strictEqual((yield* bench.first.degraded)?.nextTryMs, undefined)
      yield* advance(1, 1)
      const hung = yield* bench.first.degraded
      assert.deepInclude(hung, { sinceMs: 500, nextTryMs: 32_500 })
      assert.include(hung?.cause, "no answer in time (writeTimeout)")
      yield* advance(1000, 1000)
      const failed = yield* bench.first.degraded
      assert.deepInclude(failed, { sinceMs: 500, nextTryMs: 34_500 })
      assert.include(failed?.cause, "the medium failed (EIO)")
      assert.include(failed?.cause, 'dead-letter queue "letters": it is full with 1 letters')
    })
  )
)

it.effect("reminds once a minute of since when, why and when it tries next", () =>
  onBench(options, settledAtStop, (bench) =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Warn", stillRefuse, { times: 5 })
      yield* degrade(bench)
      yield* advance(59_999, 59_999)
      const reminders = Effect.map(LogWatch.lines, (lines) => lines.filter(({ message }) => message === stillRefuse))
      assert.deepStrictEqual(yield* reminders, [])
      yield* advance(1, 1)
      assert.deepStrictEqual(
        (yield* reminders).map(({ annotations }) => annotations),
        [
          {
            service: "persistence-1",
            run: "run",
            firstTick: "1",
            lastTick: "3",
            ticks: 3,
            since: "1970-01-01T00:00:00.500Z",
            cause: refusal,
            nextTry: "1970-01-01T00:01:02.500Z"
          }
        ]
      )
      yield* advance(240_000, 1000)
      assert.lengthOf(yield* reminders, 5)
    })
  )
)

it.effect("reminds of a try that is under way as now", () =>
  onBench(options, settledAtStop, (bench) =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Warn", stillRefuse, { times: 1 })
      yield* degrade(bench)
      yield* advance(31_000, 1000)
      yield* bench.faults.always("create", FaultyStorage.hang)
      yield* advance(29_000, 1000)
      const [reminder] = (yield* LogWatch.lines).filter(({ message }) => message === stillRefuse)
      assert.strictEqual(reminder?.annotations["nextTry"], "now")
    })
  )
)

it.effect("says it again when it is degraded again, and reminds of nothing in between", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* degrade(bench, 2)
      yield* LogWatch.expect("Info", acceptsAgain, { times: 2 })
      yield* bench.faults.heal
      yield* advance(300_000, 10_000)
      assert.isUndefined(yield* bench.first.degraded)
      yield* bench.faults.always("commit", FaultyStorage.fail(noSpace))
      yield* bench.queue.offerAll(TestTick.range("run", 4, 6))
      yield* settleDown
      assert.deepInclude(yield* bench.first.degraded, { sinceMs: 300_500, nextTryMs: 301_500 })
      yield* LogWatch.expect("Warn", stillRefuse, { times: 1 })
      yield* advance(90_000, 1000)
      yield* bench.faults.heal
      yield* advance(30_000, 1000)
      assert.isUndefined(yield* bench.first.degraded)
    })
  )
)

it.effect("paused while degraded, keeps trying what it has in hand and takes nothing more", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* degrade(bench)
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* bench.queue.offerAll(TestTick.range("run", 4, 6))
      yield* bench.first.pause
      assert.strictEqual(yield* bench.first.state, "PAUSED")
      yield* advance(10_000, 1000)
      assert.deepInclude(yield* bench.first.degraded, { sinceMs: 500 })
      yield* bench.faults.heal
      yield* advance(30_000, 1000)
      assert.isUndefined(yield* bench.first.degraded)
      assert.deepInclude(yield* bench.queue.account, { stored: 3, inHand: 0, waiting: 3 })
      yield* bench.first.resume
      yield* settleDown
      assert.deepInclude(yield* bench.queue.account, { stored: 6, waiting: 0 })
    })
  )
)

it.effect.each(["the storage", "the dead-letter queue"] as const)(
  "stopped while degraded, says that %s accepts again when it takes the batch at last",
  (taker) =>
    onBench(options, [], (bench) =>
      Effect.gen(function* () {
        yield* degrade(bench)
        yield* LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
        yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
        if (taker === "the storage") yield* bench.faults.heal
        else {
          yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
          bench.setLetters("none")
        }
        yield* bench.first.stop
        assert.isUndefined(yield* bench.first.degraded)
        assert.deepInclude(yield* bench.queue.account, { inHand: 0, returned: 0, lost: 0 })
        assert.strictEqual((yield* bench.files).size, taker === "the storage" ? 1 : 0)
      })
    )
)

it.effect("stopped while both hang, gives the batch back at shutdownTimeout and says nothing of accepting", () =>
  onBench({ ...options, persistence: { ...options.persistence, shutdownTimeout: "10 seconds" } }, [], (bench) =>
    Effect.gen(function* () {
      yield* degrade(bench)
      yield* LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
      yield* LogWatch.expect("Error", "Batch could not be settled in time, returned to the queue", { times: 1 })
      yield* bench.faults.always("commit", FaultyStorage.stuck)
      bench.setLetters("stuck")
      yield* advance(5000, 1000)
      const stopped = yield* Effect.forkChild(bench.first.stop)
      yield* settleDown
      yield* advance(9000, 1000)
      yield* advance(999, 999)
      assert.isUndefined(stopped.pollUnsafe())
      yield* advance(1, 1)
      yield* Fiber.join(stopped)
      assert.isUndefined(yield* bench.first.degraded)
      assert.deepInclude(yield* bench.queue.account, { returned: 3, inHand: 0, lost: 0 })
      yield* bench.faults.heal
      bench.setLetters("none")
      yield* advance(120_000, 10_000)
      yield* bench.first.start
      yield* settleDown
      assert.deepStrictEqual([...(yield* bench.files).values()], [ticks])
      assert.deepInclude(yield* bench.queue.account, { stored: 3, returned: 0, inHand: 0 })
    })
  )
)
