import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import * as RunId from "../../src/domain/RunId.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { randomFrom } from "../support/random.ts"

const runId = RunId.make("run")
const otherRun = RunId.make("other")

const numbers = (ticks: ReadonlyArray<Tick.Tick>) => ticks.map(({ tickNumber }) => Number(tickNumber))

const watched = (options?: typeof IdempotencyTracker.Options.Encoded) =>
  Layer.mergeAll(
    IdempotencyTracker.layerMemory(options).pipe(
      Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))
    ),
    LogWatch.layer()
  )

/** Claims, as lists of tick numbers. */
const claim = Effect.fnUntraced(function* (ticks: ReadonlyArray<Tick.Tick>, run = runId) {
  const tracker = yield* IdempotencyTracker.IdempotencyTracker
  const { claimed, fresh, stored } = yield* tracker.claim(run, ticks)
  return { fresh: numbers(fresh), stored: numbers(stored), claimed: numbers(claimed) }
})

const commit = (ticks: ReadonlyArray<Tick.Tick>) =>
  IdempotencyTracker.IdempotencyTracker.use((tracker) => tracker.commit(runId, ticks))

const release = (ticks: ReadonlyArray<Tick.Tick>) =>
  IdempotencyTracker.IdempotencyTracker.use((tracker) => tracker.release(runId, ticks))

const range = (first: number, last: number) => TestTick.range("run", first, last)

describe("a tracker in memory", () => {
  it.effect("finds ticks fresh once, claimed until they are settled, and stored after the commit", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* claim(range(1, 3)), { fresh: [1, 2, 3], stored: [], claimed: [] })
      assert.deepStrictEqual(yield* claim(range(2, 4)), { fresh: [4], stored: [], claimed: [2, 3] })
      yield* commit(range(1, 3))
      assert.deepStrictEqual(yield* claim(range(1, 5)), { fresh: [5], stored: [1, 2, 3], claimed: [4] })
    }).pipe(Effect.provide(watched()))
  )

  it.effect("lets a batch that failed be claimed again, and nothing else of it be remembered", () =>
    Effect.gen(function* () {
      yield* claim(range(1, 3))
      yield* release(range(1, 3))
      assert.deepStrictEqual(yield* claim(range(1, 3)), { fresh: [1, 2, 3], stored: [], claimed: [] })
    }).pipe(Effect.provide(watched()))
  )

  it.effect("does not forget what is stored when another batch releases the same ticks", () =>
    Effect.gen(function* () {
      yield* claim(range(1, 2))
      yield* commit(range(1, 2))
      yield* release(range(1, 2))
      assert.deepStrictEqual(yield* claim(range(1, 2)), { fresh: [], stored: [1, 2], claimed: [] })
    }).pipe(Effect.provide(watched()))
  )

  it.effect("finds a tick that is twice in one batch, the second time", () =>
    Effect.gen(function* () {
      const [first, second] = [TestTick.make("run", 1), TestTick.make("run", 1, 9)]
      const tracker = yield* IdempotencyTracker.IdempotencyTracker
      const found = yield* tracker.claim(runId, [first, ...range(2, 2), second])
      assert.deepStrictEqual(found.fresh, [first, ...range(2, 2)])
      assert.strictEqual(found.claimed[0], second)
    }).pipe(Effect.provide(watched()))
  )

  it.effect("keeps the runs apart", () =>
    Effect.gen(function* () {
      yield* claim(range(1, 2))
      yield* commit(range(1, 2))
      assert.deepStrictEqual(yield* claim(range(1, 2), otherRun), { fresh: [1, 2], stored: [], claimed: [] })
      assert.strictEqual(IdempotencyTracker.key("run", TestTick.make("run", 12)), "run:12")
    }).pipe(Effect.provide(watched()))
  )

  it.effect("remembers for its time, to the millisecond, counted from the commit", () =>
    Effect.gen(function* () {
      yield* claim(range(1, 1))
      yield* TestClock.adjust("1 hour")
      yield* commit(range(1, 1))
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual((yield* claim(range(1, 1))).stored, [1])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* claim(range(1, 1))).fresh, [1])
    }).pipe(Effect.provide(watched({ ttl: "10 seconds" })))
  )

  it.effect("never forgets a claim, however old", () =>
    Effect.gen(function* () {
      yield* claim(range(1, 1))
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual((yield* claim(range(1, 1))).claimed, [1])
    }).pipe(Effect.provide(watched({ ttl: "10 seconds" })))
  )

  it.effect("forgets the oldest commits first when it has too many keys", () =>
    Effect.gen(function* () {
      for (const first of [1, 4, 7]) {
        yield* claim(range(first, first + 2))
        yield* commit(range(first, first + 2))
      }
      assert.deepStrictEqual(yield* claim(range(1, 9)), { fresh: [1, 2, 3], stored: [4, 5, 6, 7, 8, 9], claimed: [] })
    }).pipe(Effect.provide(watched({ maxKeys: 6 })))
  )

  it.effect("holds the keys that are under the limit and counts those it forgets", () =>
    Effect.gen(function* () {
      yield* commit(range(1, 4))
      yield* TestClock.adjust("5 seconds")
      yield* commit(range(5, 8))
      yield* TestClock.adjust("5 seconds")
      yield* commit(range(9, 12))
      const values = (yield* Metric.snapshot).map(({ attributes, id, state }) => [
        `${id} ${attributes?.["reason"] ?? ""}`,
        "count" in state ? state.count : "value" in state ? state.value : undefined
      ])
      assert.deepStrictEqual(Object.fromEntries(values), {
        "persistence_idempotency_keys ": 8,
        "persistence_idempotency_evictions_total ttl": 4,
        "persistence_idempotency_evictions_total capacity": 0
      })
      yield* commit(range(13, 20))
      const evicted = (yield* Metric.snapshot).find(({ attributes }) => attributes?.["reason"] === "capacity")
      assert.deepInclude(evicted?.state, { count: 8 })
    }).pipe(Effect.provide(watched({ ttl: "10 seconds", maxKeys: 8 })))
  )

  it.effect("gives a tick to one of many who claim it at the same time", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 50; seed++) {
        const random = randomFrom(seed)
        const tracker = yield* IdempotencyTracker.makeMemory("t")
        const claims = yield* Effect.forEach(Array.from({ length: 5 }), () => {
          const first = random.between(1, 10)
          return tracker
            .claim(runId, range(first, first + random.between(0, 10)))
            .pipe(Effect.provideService(MaxOpsBeforeYield, random.between(3, 9)), Effect.forkChild)
        })
        const found = yield* Effect.forEach(claims, (fiber) => Fiber.join(fiber))
        const fresh = found.flatMap((one) => numbers(one.fresh))
        const all = new Set(found.flatMap((one) => [...numbers(one.fresh), ...numbers(one.claimed)]))
        assert.strictEqual(new Set(fresh).size, fresh.length)
        assert.strictEqual(all.size, fresh.length)
      }
    }).pipe(Effect.provide(LogWatch.layer()))
  )

  it.effect("refuses options that make no sense", () =>
    Effect.gen(function* () {
      assert.include((yield* Effect.flip(IdempotencyTracker.makeMemory("t", { maxKeys: 0 }))).message, '["maxKeys"]')
      assert.include((yield* Effect.flip(IdempotencyTracker.makeMemory("t", { ttl: "0 millis" }))).message, '["ttl"]')
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
