/**
 * What each `IdempotencyTracker` that remembers must do, as cases for any test runner. Give it room for 10,000 ticks
 * and let it remember them for two days at least.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as IdempotencyTracker from "tickvault/idempotency/IdempotencyTracker"
 * import * as IdempotencyTrackerContract from "tickvault/testing/IdempotencyTrackerContract"
 * import { test } from "node:test"
 *
 * // Your own tracker in the place of this one.
 * const layer = IdempotencyTracker.layerMemory({ ttl: "2 days" })
 * for (const { effect, name } of IdempotencyTrackerContract.cases(layer)) test(name, () => Effect.runPromise(effect))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import { RunBatch } from "../domain/RunBatch.ts"
import * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import * as IdempotencyTracker from "../idempotency/IdempotencyTracker.ts"
import { type Case, caseOfTime, type Test, test } from "./Contract.ts"
import { isTrue, same } from "./internal/expect.ts"
import { type Random, randomFrom } from "./internal/random.ts"
import * as TestTick from "./TestTick.ts"

const runId = RunId.make("run")
const otherRun = RunId.make("other")

const numbers = (ticks: ReadonlyArray<Tick.Tick>) => ticks.map(({ tickNumber }) => Number(tickNumber))

/** Claims. Every tick, the very object, is in exactly one part of the answer, in the order of the batch. */
const claimOf = Effect.fnUntraced(function* (ticks: ReadonlyArray<Tick.Tick>, run = runId) {
  const tracker = yield* IdempotencyTracker.IdempotencyTracker
  const found = yield* tracker.claim(new RunBatch(run, ticks))
  const parts = [found.fresh, found.stored, found.claimed].map((part) => part.slice())
  for (const tick of ticks) {
    const part = parts.find(([next]) => next === tick)
    isTrue(part !== undefined, `tick ${tick.tickNumber} is not in the answer, or not in its place`)
    part?.shift()
  }
  same(parts.flat().length, 0, "the answer has ticks that are not in the batch")
  return found
})

/** Claims, as lists of tick numbers. */
const claim = Effect.fnUntraced(function* (ticks: ReadonlyArray<Tick.Tick>, run = runId) {
  const { claimed, fresh, stored } = yield* claimOf(ticks, run)
  return { fresh: numbers(fresh), stored: numbers(stored), claimed: numbers(claimed) }
})

const commit = (ticks: ReadonlyArray<Tick.Tick>, run = runId) =>
  IdempotencyTracker.IdempotencyTracker.use((tracker) => tracker.commit(new RunBatch(run, ticks)))

const release = (ticks: ReadonlyArray<Tick.Tick>, run = runId) =>
  IdempotencyTracker.IdempotencyTracker.use((tracker) => tracker.release(new RunBatch(run, ticks)))

const range = (first: number, last: number) => TestTick.range("run", first, last)

/** Ticks of these numbers. */
const ticksOf = (all: Iterable<number>) => Array.from(all, (number) => TestTick.make("run", number))

/** A batch as it may come: evenly spaced, with gaps, out of order, with ticks that are twice in it. */
const anyBatch = (random: Random): ReadonlyArray<number> => {
  const [first, step, count] = [random.between(0, 150), random.pick([1, 1, 2, 10]), random.between(1, 30)]
  const even = Array.from({ length: count }, (_, index) => first + index * step)
  const some = random.chance(0.3) ? even.filter(() => random.chance(0.7)) : even
  const mixed = random.chance(0.2) ? some.toReversed() : some
  return random.chance(0.2) ? [...mixed, ...mixed.slice(0, 3)] : mixed
}

/** What the contract says, number by number. */
class Model {
  readonly stored = new Set<number>()
  readonly claimed = new Set<number>()

  claim(ticks: ReadonlyArray<number>) {
    const found = { fresh: new Array<number>(), stored: new Array<number>(), claimed: new Array<number>() }
    for (const tick of ticks) {
      if (this.stored.has(tick)) found.stored.push(tick)
      else if (this.claimed.has(tick)) found.claimed.push(tick)
      else {
        this.claimed.add(tick)
        found.fresh.push(tick)
      }
    }
    return found
  }

  settle(ticks: ReadonlyArray<number>, isStored: boolean) {
    for (const tick of ticks) {
      this.claimed.delete(tick)
      if (isStored) this.stored.add(tick)
    }
  }
}

const tests: ReadonlyArray<Test<IdempotencyTracker.IdempotencyTracker>> = [
  test("finds ticks fresh once, claimed until they are settled, and stored after the commit", function* () {
    same(yield* claim(range(1, 3)), { fresh: [1, 2, 3], stored: [], claimed: [] })
    same(yield* claim(range(2, 4)), { fresh: [4], stored: [], claimed: [2, 3] })
    yield* commit(range(1, 3))
    same(yield* claim(range(1, 5)), { fresh: [5], stored: [1, 2, 3], claimed: [4] })
  }),
  test("lets a batch that failed be claimed again, and nothing else of it be remembered", function* () {
    yield* claim(range(1, 3))
    yield* release(range(1, 3))
    same(yield* claim(range(1, 3)), { fresh: [1, 2, 3], stored: [], claimed: [] })
  }),
  test("does not forget what is stored when another batch releases the same ticks", function* () {
    yield* claim(range(1, 2))
    yield* commit(range(1, 2))
    yield* release(range(1, 2))
    same(yield* claim(range(1, 2)), { fresh: [], stored: [1, 2], claimed: [] })
  }),
  test("finds a tick that is twice in one batch, the second time", function* () {
    const [first, second] = [TestTick.make("run", 1), TestTick.make("run", 1, 9)]
    const found = yield* claimOf([first, ...range(2, 2), second])
    same(numbers(found.fresh), [1, 2])
    isTrue(found.fresh[0] === first, "the first of the two is not the fresh one")
    isTrue(found.claimed[0] === second, "the second of the two is not the claimed one")
  }),
  test("keeps the runs apart", function* () {
    yield* claim(range(1, 2))
    yield* commit(range(1, 2))
    same(yield* claim(range(1, 2), otherRun), { fresh: [1, 2], stored: [], claimed: [] })
    same(IdempotencyTracker.key("run", TestTick.make("run", 12)), "run:12")
  }),
  test("never forgets a claim, however old", function* () {
    yield* claim(range(1, 1))
    yield* TestClock.adjust("1 day")
    same((yield* claim(range(1, 1))).claimed, [1])
  }),
  test("gives a tick to one of many who claim it at the same time", function* () {
    const tracker = yield* IdempotencyTracker.IdempotencyTracker
    for (let seed = 0; seed < 50; seed++) {
      const random = randomFrom(seed)
      const run = RunId.make(`run-${seed}`)
      const claims = yield* Effect.forEach(Array.from({ length: 5 }), () => {
        const first = random.between(1, 10)
        return tracker
          .claim(new RunBatch(run, range(first, first + random.between(0, 10))))
          .pipe(Effect.provideService(MaxOpsBeforeYield, random.between(3, 9)), Effect.forkChild)
      })
      const found = yield* Effect.forEach(claims, (fiber) => Fiber.join(fiber))
      const fresh = found.flatMap((one) => numbers(one.fresh))
      const all = new Set(found.flatMap((one) => [...numbers(one.fresh), ...numbers(one.claimed)]))
      same(new Set(fresh).size, fresh.length)
      same(all.size, fresh.length)
    }
  }),
  test("takes evenly spaced ticks for what they are, and those between for others", function* () {
    const tens = ticksOf(Array.from({ length: 100 }, (_, index) => index * 10))
    yield* claim(tens)
    yield* commit(tens)
    same(yield* claim(range(8, 12)), { fresh: [8, 9, 11, 12], stored: [10], claimed: [] })
    same(yield* claim(ticksOf([990, 1000])), { fresh: [1000], stored: [990], claimed: [] })
  }),
  test("finds ticks out of order, negative ones and those at the ends of 64 bits", function* () {
    const tracker = yield* IdempotencyTracker.IdempotencyTracker
    const extremes = [2n ** 63n - 1n, -(2n ** 63n), 0n, -1n, 2n ** 53n, 2n ** 53n + 1n].map((tickNumber) => ({
      simulationRunId: "run",
      tickNumber,
      payload: new Uint8Array()
    }))
    same((yield* tracker.claim(new RunBatch(runId, extremes))).fresh, extremes)
    yield* tracker.commit(new RunBatch(runId, extremes.slice(0, 3)))
    const again = yield* tracker.claim(new RunBatch(runId, extremes.toReversed()))
    same(again.stored, extremes.slice(0, 3).toReversed())
    same(again.claimed, extremes.slice(3).toReversed())
  }),
  test("finds nothing in a batch without ticks", function* () {
    same(yield* claim([]), { fresh: [], stored: [], claimed: [] })
    yield* commit([])
    yield* release([])
  }),
  test("says of every tick what it is, whatever batches are claimed, stored and given up at the same time", function* () {
    for (let seed = 0; seed < 60; seed++) {
      const [random, model, run] = [randomFrom(seed), new Model(), RunId.make(`run-${seed}`)]
      let held: Array<ReadonlyArray<number>> = []
      for (let batch = 0; batch < 40; batch++) {
        const ticks = anyBatch(random)
        const expected = model.claim(ticks)
        same(yield* claim(ticksOf(ticks), run), expected, `seed ${seed}, batch ${batch}`)
        held.push(expected.fresh)
        while (held.length > random.between(0, 3)) {
          const next = held.splice(random.between(0, held.length - 1), 1)[0] ?? []
          const isStored = random.chance(0.7)
          model.settle(next, isStored)
          yield* isStored ? commit(ticksOf(next), run) : release(ticksOf(next), run)
        }
      }
      held = []
    }
  }),
  test("recalls nothing by itself", function* () {
    const tracker = yield* IdempotencyTracker.IdempotencyTracker
    yield* commit(range(1, 3))
    same(yield* tracker.recall(new RunBatch(runId, range(1, 3))), [])
  })
]

/** The cases for the tracker that `layer` builds: each time another one, which knows of no tick. */
export const cases = <E>(layer: Layer.Layer<IdempotencyTracker.IdempotencyTracker, E>): ReadonlyArray<Case> =>
  tests.map((test) => caseOfTime(test, layer))
