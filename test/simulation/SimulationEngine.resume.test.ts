// @module-tag integration
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as RunId from "../../src/domain/RunId.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import {
  TickDataSchema,
  type TickData
} from "../../src/gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import type * as RunSettings from "../../src/simulation/RunSettings.ts"
import type * as SimulationEngine from "../../src/simulation/SimulationEngine.ts"
import type * as World from "../../src/simulation/World.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import { advance, numbers, settleDown } from "../persistence/harness.ts"
import { randomFrom, type Random } from "../support/random.ts"
import { makeEngine, watched, type Bench, type Options } from "./engines.ts"

type WorldOptions = typeof World.Options.Encoded

const runId = RunId.make("run")
const nothing: SimulationEngine.Resume["settled"] = { has: () => false }

/** Every `step`-th number from `first` to `last`. */
const range = (first: number, last: number, step = 1) =>
  Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, index) => first + index * step)

/** What the queue of an engine that is done, or held back, has. */
const drain = ({ queue, take, taken }: Bench) =>
  Effect.gen(function* () {
    yield* queue.end
    yield* Effect.ignore(Effect.forever(take(1000)))
    return taken
  })

/** The ticks that an engine makes until it is done. */
const ticksOf = (options: Options, world: WorldOptions = {}, resume?: SimulationEngine.Resume) =>
  Effect.gen(function* () {
    const bench = yield* makeEngine({ runId, ...options }, { capacity: 100_000 }, world, resume)
    yield* bench.engine.start
    yield* bench.engine.await
    return yield* drain(bench)
  }).pipe(Effect.scoped)

const tickAt = (ticks: ReadonlyArray<Tick.Tick>, tickNumber: number) => {
  const tick = ticks.find((one) => Number(one.tickNumber) === tickNumber)
  return tick ?? assert.fail(`no tick ${tickNumber}`)
}

const settledOf = (tickNumbers: Iterable<number>): SimulationEngine.Resume["settled"] => {
  const settled = new Set([...tickNumbers].map(BigInt))
  return { has: (tickNumber) => settled.has(tickNumber) }
}

const withoutTime = ({ payload }: Tick.Tick) => {
  const message = fromBinary(TickDataSchema, payload)
  return Buffer.from(toBinary(TickDataSchema, { ...message, captureTimeMs: 0n })).toString("hex")
}

/** Lets an engine run until it is done or has made `most` ticks, then drops it as a crash does. */
const untilCrash = (options: Options, most: number, world: WorldOptions, resume: SimulationEngine.Resume) =>
  Effect.gen(function* () {
    const bench = yield* makeEngine(options, { capacity: most }, world, resume)
    yield* bench.engine.start
    const isHeldBack = Effect.map(bench.queue.account, ({ accepted }) => accepted === most)
    const isDone = Effect.map(bench.engine.state, (state) => state === "STOPPED")
    while (!(yield* isHeldBack) && !(yield* isDone)) yield* Effect.yieldNow
    return yield* drain(bench)
  }).pipe(Effect.scoped)

/** A run that crashes again and again, and each time loses some of the ticks that were not stored yet. */
const crashingRun = Effect.fnUntraced(function* (
  all: ReadonlyArray<number>,
  options: Options,
  world: WorldOptions,
  random: Random
) {
  const stored = new Map<number, Tick.Tick>()
  let resumes = 0
  while (stored.size < all.length) {
    const missing = all.filter((tick) => !stored.has(tick))
    const from = stored.get(all[all.indexOf(missing[0]!) - 1]!)
    const most = random.between(1, Math.ceil(all.length / 3))
    yield* TestClock.adjust(random.between(1, 10_000))
    const made = yield* untilCrash(options, most, world, { runId, from, settled: settledOf(stored.keys()) })
    assert.deepStrictEqual(numbers(made), missing.slice(0, most), "the missing ticks and no others")
    for (const tick of made) if (random.chance(0.7)) stored.set(Number(tick.tickNumber), tick)
    resumes++
  }
  return { resumes, ticks: all.map((tick) => stored.get(tick)!) }
})

const worlds: ReadonlyArray<WorldOptions> = [
  {},
  { seed: -7, shape: [30], organisms: 3 },
  { seed: 1, shape: [12, 9], organisms: 5 },
  { seed: Number.MAX_SAFE_INTEGER, shape: [5, 4, 6], organisms: 4 },
  { seed: 0, shape: [4, 4, 4, 4], organisms: 8 }
]

it.effect.each([1, 10])(
  "resumed at any tick, the run is byte for byte the one that was never stopped: sampling %i",
  (samplingInterval) =>
    watched(
      Effect.gen(function* () {
        for (const world of worlds) {
          const options = { maxTicks: 400, samplingInterval }
          const whole = yield* ticksOf(options, world)
          assert.deepStrictEqual(numbers(whole), range(samplingInterval, 400, samplingInterval))
          for (const [index, from] of whole.entries()) {
            if (samplingInterval === 1 && index % 37 !== 0 && index < 395) continue
            const rest = yield* ticksOf(options, world, { runId, from, settled: nothing })
            assert.deepStrictEqual(rest, whole.slice(index + 1), `after ${from.tickNumber} with seed ${world.seed}`)
          }
          assert.deepStrictEqual(yield* ticksOf(options, world, { runId, from: undefined, settled: nothing }), whole)
        }
      })
    )
)

it.effect.each([1, 10])("so is one that crashed many times and had holes each time: sampling %i", (samplingInterval) =>
  watched(
    Effect.gen(function* () {
      let resumes = 0
      for (let seed = 0; seed < 30; seed++) {
        const random = randomFrom(seed)
        const world = { ...random.pick([worlds[0]!, ...worlds]), seed }
        const last = 60 * samplingInterval
        const options = { maxTicks: last, samplingInterval }
        const run = yield* crashingRun(range(samplingInterval, last, samplingInterval), options, world, random)
        const whole = yield* ticksOf(options, world)
        assert.deepStrictEqual(run.ticks.map(withoutTime), whole.map(withoutTime), `seed ${seed}`)
        resumes += run.resumes
      }
      assert.isAbove(resumes, 150)
    })
  )
)

it.effect("makes the ticks that are missing, and offers no other", () =>
  watched(
    Effect.gen(function* () {
      const whole = yield* ticksOf({ maxTicks: 40 })
      const settled = settledOf([1, 2, 3, 9, 12, 15, ...range(20, 30), 40])
      const rest = yield* ticksOf({ maxTicks: 40 }, {}, { runId, from: tickAt(whole, 10), settled })
      assert.deepStrictEqual(numbers(rest), [11, 13, 14, ...range(16, 19), ...range(31, 39)])
      assert.deepStrictEqual(
        rest,
        whole.filter((tick) => rest.some(({ tickNumber }) => tickNumber === tick.tickNumber))
      )
    })
  )
)

it.effect("goes on in the run that it is told, stores no metadata and counts its own ticks", () =>
  watched(
    Effect.gen(function* () {
      const whole = yield* ticksOf({ maxTicks: 9 })
      const resume = { runId, from: tickAt(whole, 5), settled: settledOf([7]) }
      const { engine, faults, queue } = yield* makeEngine({ runId: "another", maxTicks: 9 }, {}, {}, resume)
      assert.strictEqual(engine.runId, "run")
      assert.deepStrictEqual(yield* engine.metrics, { current_tick: 5, ticks_produced: 0 })
      yield* engine.start
      yield* engine.await
      assert.deepStrictEqual(yield* engine.metrics, { current_tick: 9, ticks_produced: 3 })
      assert.strictEqual((yield* queue.account).accepted, 3)
      for (const id of ["run", "another"]) {
        assert.isFalse(yield* Storage.exists(faults.underneath, StorageKey.metadata(RunId.make(id))))
      }
    })
  )
)

it.effect.each([5, 8])("is done at once when the run has its maxTicks already: %i", (maxTicks) =>
  watched(
    Effect.gen(function* () {
      const from = tickAt(yield* ticksOf({ maxTicks: 8 }), 8)
      const { engine } = yield* makeEngine({ maxTicks }, {}, {}, { runId, from, settled: nothing })
      yield* engine.start
      yield* engine.await
      assert.strictEqual(yield* engine.state, "STOPPED")
      assert.deepStrictEqual(yield* engine.metrics, { current_tick: 8, ticks_produced: 0 })
    })
  )
)

it.effect.each([1, 10])(
  "steps over settled ticks at full speed, and keeps its pace on the others: sampling %i",
  (samplingInterval) =>
    watched(
      Effect.gen(function* () {
        const settled = settledOf(range(samplingInterval, 500, samplingInterval))
        const options = { ticksPerSecond: 10, samplingInterval }
        const { engine, queue } = yield* makeEngine(options, {}, {}, { runId, from: undefined, settled })
        yield* engine.start
        for (let turn = 0; turn < 10_000 && (yield* engine.metrics)["current_tick"] < 501; turn++) {
          yield* Effect.yieldNow
        }
        yield* settleDown
        assert.deepInclude(yield* engine.metrics, { current_tick: 501 })
        yield* advance(900, 100)
        assert.deepInclude(yield* engine.metrics, { current_tick: 510 })
        assert.strictEqual((yield* queue.account).accepted, 10 / samplingInterval)
      })
    )
)

it.effect("can be stopped, paused and started while it steps over settled ticks", () =>
  watched(
    Effect.gen(function* () {
      const options = { maxTicks: 1000 }
      const settled = { has: (tickNumber: bigint) => tickNumber < 1000n }
      const { engine, queue } = yield* makeEngine(options, {}, {}, { runId, from: undefined, settled })
      for (const end of [engine.stop, engine.pause]) {
        yield* engine.start
        yield* Effect.repeat(Effect.yieldNow, { times: 20 })
        yield* end
        yield* settleDown
        const { current_tick: reached } = yield* engine.metrics
        assert.isBelow(reached, 150)
        yield* settleDown
        assert.strictEqual((yield* engine.metrics)["current_tick"], reached)
      }
      yield* engine.resume
      yield* engine.await
      assert.deepStrictEqual(yield* engine.metrics, { current_tick: 1000, ticks_produced: 1 })
      assert.strictEqual((yield* queue.account).accepted, 1)
    })
  )
)

it.effect("pauses at the pauseTicks that it comes to, settled or not, and at none that is past", () =>
  watched(
    Effect.gen(function* () {
      const from = tickAt(yield* ticksOf({ maxTicks: 10 }), 10)
      const options = { maxTicks: 30, pauseTicks: [3, 10, 15, 25] }
      const { engine } = yield* makeEngine(options, {}, {}, { runId, from, settled: settledOf(range(11, 20)) })
      yield* engine.start
      for (const tick of [15, 25]) {
        yield* settleDown
        assert.strictEqual(yield* engine.state, "PAUSED")
        assert.deepInclude(yield* engine.metrics, { current_tick: tick })
        yield* engine.resume
      }
      yield* engine.await
      assert.deepStrictEqual(yield* engine.metrics, { current_tick: 30, ticks_produced: 10 })
    })
  )
)

const recorded = { simulationRunId: "run", firstTick: 5n, samplingInterval: 5, maxTicks: 40, simulation: undefined }

it.effect("goes on with what the run began with: its sampling interval, and its end unless told another one", () =>
  watched(
    Effect.gen(function* () {
      const from = tickAt(yield* ticksOf({ maxTicks: 20, samplingInterval: 5 }), 20)
      const resume = { runId, from, settled: nothing, recorded }
      for (const [options, last] of [
        [{}, 40],
        [{ samplingInterval: 2, maxTicks: 60 }, 60]
      ] as const) {
        const bench = yield* makeEngine(options, {}, {}, resume)
        yield* bench.engine.start
        yield* bench.engine.await
        assert.deepStrictEqual(numbers(yield* drain(bench)), range(25, last, 5))
      }
    })
  )
)

const goOn = (simulation: RunSettings.Recorded["simulation"]) =>
  makeEngine({}, {}, {}, { runId, from: undefined, settled: nothing, recorded: { ...recorded, simulation } })

it.effect("refuses a simulation with other settings than the run began with", () =>
  watched(
    Effect.gen(function* () {
      const values = { shape: [8, 8], organisms: 2, seed: 42 }
      // The order of the settings says nothing.
      yield* goOn({ kind: "tickvault/World", values: { seed: 42, organisms: 2, shape: [8, 8] } })
      yield* goOn(undefined)
      for (const simulation of [
        { kind: "test/other", values },
        { kind: "tickvault/World", values: { ...values, seed: 43 } }
      ]) {
        const error = yield* Effect.flip(goOn(simulation))
        assert.strictEqual(error._tag, "SettingsMismatch")
        assert.include(error.message, `run "run" began with ${simulation.kind} {"shape":[8,8]`)
        assert.include(error.message, 'can\'t be resumed with tickvault/World {"shape":[8,8],"organisms":2,"seed":42}')
      }
    })
  )
)

it.effect("gives a simulation its tick in plain bytes, whatever it was read into", () =>
  watched(
    Effect.gen(function* () {
      const from = tickAt(yield* ticksOf({ maxTicks: 10 }), 10)
      // As Node reads files: several in one piece of memory, and `slice` makes no copy.
      const payload = Buffer.concat([Buffer.alloc(16), from.payload]).subarray(16)
      let restored: TickData | undefined
      yield* makeEngine({}, {}, {}, { runId, from: { ...from, payload }, settled: nothing }, (world) => ({
        ...world,
        restore: (tick) =>
          Effect.andThen(
            Effect.sync(() => void (restored = tick)),
            world.restore(tick)
          )
      }))
      assert.strictEqual(restored?.tickNumber, 10n)
      const { rngState } = restored!
      assert.strictEqual(Object.getPrototypeOf(rngState), Uint8Array.prototype)
      assert.strictEqual(rngState.slice().buffer.byteLength, rngState.length)
    })
  )
)

const refused = (from: Tick.Tick, world: WorldOptions = {}) =>
  Effect.flip(makeEngine({}, {}, world, { runId, from, settled: nothing }))

it.effect("refuses to go on from a tick of another run, of another world, or of damaged bytes", () =>
  watched(
    Effect.gen(function* () {
      const from = tickAt(yield* ticksOf({ maxTicks: 10 }), 10)
      const cut = { ...from, payload: from.payload.subarray(0, from.payload.length - 3) }
      for (const [error, problem] of [
        [yield* refused({ ...from, simulationRunId: "other" }), 'it belongs to the run "other", not to "run"'],
        [yield* refused(cut), "its bytes are not a TickData message"],
        [yield* refused(from, { shape: [4, 4] }), ""]
      ] as const) {
        assert.strictEqual(error._tag, "RestoreError")
        assert.include(error.message, `tick 10 can't be restored: ${problem}`)
      }
    })
  )
)
