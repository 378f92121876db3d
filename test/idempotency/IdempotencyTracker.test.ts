// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as IdempotencyTrackerContract from "../../src/testing/IdempotencyTrackerContract.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { contract } from "../support/contract.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { claim, commit, metrics, otherRun, range, release, runId, ticksOf, watched } from "./trackers.ts"

contract(
  "IdempotencyTracker (keys in memory)",
  IdempotencyTrackerContract.cases(watched(IdempotencyTracker.layerMemory({ ttl: "30 days" })))
)
contract(
  "IdempotencyTracker (ranges)",
  IdempotencyTrackerContract.cases(watched(IdempotencyTracker.layerRanges({ ttl: "30 days" })))
)

const { layerMemory, layerRanges } = IdempotencyTracker

describe("a tracker of keys in memory", () => {
  it.effect("remembers for its time, to the millisecond, counted from the commit", () =>
    Effect.gen(function* () {
      yield* claim(range(1, 1))
      yield* TestClock.adjust("1 hour")
      yield* commit(range(1, 1))
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual((yield* claim(range(1, 1))).stored, [1])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* claim(range(1, 1))).fresh, [1])
    }).pipe(Effect.provide(watched(layerMemory({ ttl: "10 seconds" }))))
  )

  it.effect("forgets the oldest commits first when it has too many keys", () =>
    Effect.gen(function* () {
      for (const first of [1, 4, 7]) {
        yield* claim(range(first, first + 2))
        yield* commit(range(first, first + 2))
      }
      assert.deepStrictEqual(yield* claim(range(1, 9)), { fresh: [1, 2, 3], stored: [4, 5, 6, 7, 8, 9], claimed: [] })
    }).pipe(Effect.provide(watched(layerMemory({ maxKeys: 6 }))))
  )

  it.effect("holds the keys that are under the limit and counts those it forgets", () =>
    Effect.gen(function* () {
      yield* commit(range(1, 4))
      yield* TestClock.adjust("5 seconds")
      yield* commit(range(5, 8))
      yield* TestClock.adjust("5 seconds")
      yield* commit(range(9, 12))
      assert.deepStrictEqual(yield* metrics, { keys: 8, "evictions_total ttl": 4, "evictions_total capacity": 0 })
      yield* commit(range(13, 20))
      assert.strictEqual((yield* metrics)["evictions_total capacity"], 8)
    }).pipe(Effect.provide(watched(layerMemory({ ttl: "10 seconds", maxKeys: 8 }))))
  )

  it.effect("refuses options that make no sense", () =>
    Effect.gen(function* () {
      assert.include((yield* Effect.flip(IdempotencyTracker.makeMemory("t", { maxKeys: 0 }))).message, '["maxKeys"]')
      assert.include((yield* Effect.flip(IdempotencyTracker.makeMemory("t", { ttl: "0 millis" }))).message, '["ttl"]')
    })
  )

  it("knows a tick by its run and its number", () => {
    assert.strictEqual(IdempotencyTracker.key("run", TestTick.make("run", 12)), "run:12")
  })
})

/** Stores `ticks` of `run`. */
const store = (ticks: Parameters<typeof claim>[0], run = runId) => Effect.andThen(claim(ticks, run), commit(ticks, run))

const forgets = LogWatch.expect("Warn", /^More ranges of ticks than maxRanges/u, { times: 1 })

describe("a tracker of ranges", () => {
  it.effect("remembers a run without gaps as one range, whatever order its ticks come in", () =>
    Effect.gen(function* () {
      for (const first of [1, 2001, 1001]) yield* store(range(first, first + 999))
      yield* store(ticksOf(Array.from({ length: 1000 }, (_, index) => 4000 - index)))
      assert.deepInclude(yield* metrics, { keys: 4000, ranges: 1 })
    }).pipe(Effect.provide(watched(layerRanges())))
  )

  it.effect("remembers a sampled run as one range, also when its ticks come one at a time", () =>
    Effect.gen(function* () {
      for (let tick = 10; tick <= 2000; tick += 10) yield* store(ticksOf([tick]))
      assert.deepInclude(yield* metrics, { keys: 200, ranges: 1 })
    }).pipe(Effect.provide(watched(layerRanges())))
  )

  it.effect("remembers a run for its time, to the millisecond, counted from when it was used last", () =>
    Effect.gen(function* () {
      yield* store(range(1, 1))
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual((yield* claim(range(1, 1))).stored, [1])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual((yield* claim(range(1, 1))).fresh, [1])
      assert.deepInclude(yield* metrics, { "evictions_total ttl": 1, "evictions_total capacity": 0 })
    }).pipe(Effect.provide(watched(layerRanges({ ttl: "10 seconds" }))))
  )

  it.effect("forgets the run that was used the longest ago when there are too many ranges, and says so once", () =>
    Effect.gen(function* () {
      yield* forgets
      const gappy = ticksOf([1, 2, 4, 8])
      const third = RunId.make("third")
      yield* store(gappy)
      yield* store(gappy, otherRun)
      yield* store(ticksOf([1]), runId)
      yield* store(gappy, third)
      assert.deepStrictEqual((yield* claim(gappy, otherRun)).fresh, [1, 2, 4, 8])
      assert.deepStrictEqual((yield* claim(gappy, third)).stored, [1, 2, 4, 8])
      yield* commit(gappy, otherRun)
      assert.strictEqual((yield* metrics)["evictions_total capacity"], 8)
    }).pipe(Effect.provide(watched(layerRanges({ maxRanges: 5 }))))
  )

  it.effect("forgets the lowest ticks of a run that has too many ranges by itself", () =>
    Effect.gen(function* () {
      yield* forgets
      const squares = Array.from({ length: 3000 }, (_, index) => index * index)
      for (let from = 0; from < squares.length; from += 100) yield* store(ticksOf(squares.slice(from, from + 100)))
      const { ranges } = yield* metrics
      assert.isAtMost(Number(ranges), 1000)
      assert.deepStrictEqual((yield* claim(ticksOf([1]))).fresh, [1])
      assert.deepStrictEqual((yield* claim(ticksOf([2999 * 2999]))).stored, [2999 * 2999])
    }).pipe(Effect.provide(watched(layerRanges({ maxRanges: 1000 }))))
  )

  it.effect("never forgets a claim to make room", () =>
    Effect.gen(function* () {
      yield* forgets
      yield* claim(range(1, 3))
      for (const run of ["a", "b", "c"]) yield* store(ticksOf([1, 2, 4]), RunId.make(run))
      assert.deepStrictEqual((yield* claim(range(1, 3))).claimed, [1, 2, 3])
    }).pipe(Effect.provide(watched(layerRanges({ maxRanges: 2 }))))
  )

  it.effect("tells which runs it has forgotten ticks of", () =>
    Effect.gen(function* () {
      const forgotten: Array<string> = []
      const tracker = yield* IdempotencyTracker.makeRanges("t", { ttl: "10 seconds" }, (run) => forgotten.push(run))
      yield* tracker.commit(new RunBatch(runId, range(1, 1)))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(forgotten, [])
      yield* tracker.claim(new RunBatch(otherRun, range(1, 1)))
      assert.deepStrictEqual(forgotten, ["run"])
    }).pipe(Effect.provide(LogWatch.layer()))
  )

  it.effect("refuses options that make no sense", () =>
    Effect.gen(function* () {
      assert.include(
        (yield* Effect.flip(IdempotencyTracker.makeRanges("t", { maxRanges: 0 }))).message,
        '["maxRanges"]'
      )
    })
  )
})

describe("a tracker that discards", () => {
  it.effect("finds every tick fresh, every time", () =>
    Effect.gen(function* () {
      const all = { fresh: [1, 1, 2], stored: [], claimed: [] }
      const ticks = [...range(1, 1), ...range(1, 2)]
      assert.deepStrictEqual(yield* claim(ticks), all)
      yield* commit(ticks)
      assert.deepStrictEqual(yield* claim(ticks), all)
      yield* release(ticks)
      assert.deepStrictEqual(yield* claim(ticks), all)
    }).pipe(Effect.provide(Layer.merge(IdempotencyTracker.layerDiscard, LogWatch.layer())))
  )
})
