/**
 * What each `Simulation` must do, as cases for any test runner. Each case takes some tens of steps.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as World from "tickvault/simulation/World"
 * import * as SimulationContract from "tickvault/testing/SimulationContract"
 * import { test } from "node:test"
 *
 * // Your own simulation in the place of this one.
 * const layer = World.layer({ shape: [8, 8], organisms: 2 })
 * for (const { effect, name } of SimulationContract.cases(layer)) test(name, () => Effect.runPromise(effect))
 * ```
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { SimulationMetadataSchema, type TickData, TickDataSchema } from "../domain/Contracts.ts"
import { type Settings, Simulation } from "../simulation/Simulation.ts"
import { type Case, caseOf, type Test, test } from "./Contract.ts"
import { same } from "./internal/expect.ts"

type Port = Simulation["Service"]

const run = "contract"

const encode = (tick: TickData) => toBinary(TickDataSchema, tick)

const Json = Schema.fromJsonString(Schema.Json)

const toJson = Schema.encodeEffect(Json)

const fromJson = Schema.decodeEffect(Json)

const steps = (simulation: Port, count: number) => Effect.repeat(simulation.step, { times: count - 1 })

/** The encoded snapshots after each of the next `count` steps. */
const next = (simulation: Port, count: number) =>
  Effect.forEach(Array.from({ length: count }), () =>
    Effect.map(Effect.andThen(simulation.step, simulation.snapshot(run, 7n)), encode)
  )

/** What a simulation is as long as it steps on. */
const going: ReadonlyArray<Test<Simulation>> = [
  test("is at tick 0 before its first step, and one further after each", function* () {
    const simulation = yield* Simulation
    same(yield* simulation.tickNumber, 0n)
    for (let tick = 1n; tick <= 5n; tick++) {
      yield* simulation.step
      same(yield* simulation.tickNumber, tick)
    }
  }),

  test("gives snapshots that say their run, tick and time", function* () {
    const simulation = yield* Simulation
    yield* steps(simulation, 3)
    const { captureTimeMs, simulationRunId, tickNumber } = yield* simulation.snapshot("run-a", 123n)
    same(
      { captureTimeMs, simulationRunId, tickNumber },
      { captureTimeMs: 123n, simulationRunId: "run-a", tickNumber: 3n }
    )
  }),

  test("isn't changed by a snapshot: the next one says the same, but for its run and time", function* () {
    const simulation = yield* Simulation
    yield* steps(simulation, 3)
    const first = encode(yield* simulation.snapshot(run, 1n))
    const other = yield* simulation.snapshot("other", 2n)
    same(encode({ ...other, simulationRunId: run, captureTimeMs: 1n }), first)
    same(encode(yield* simulation.snapshot(run, 1n)), first)
    same(yield* simulation.tickNumber, 3n)
  }),

  test("gives snapshots that later steps don't change", function* () {
    const simulation = yield* Simulation
    yield* steps(simulation, 3)
    const snapshot = yield* simulation.snapshot(run, 1n)
    const before = encode(snapshot)
    yield* steps(simulation, 5)
    same(encode(snapshot), before)
  }),

  test("gives encoded ticks that say what its snapshots say, if it gives any", function* () {
    const simulation = yield* Simulation
    if (simulation.tick === undefined) return
    yield* steps(simulation, 3)
    const tick = yield* simulation.tick(run, 1n)
    const before = tick.payload.slice()
    same([tick.simulationRunId, tick.tickNumber], [run, 3n])
    same(encode(fromBinary(TickDataSchema, tick.payload)), encode(yield* simulation.snapshot(run, 1n)))
    yield* steps(simulation, 5)
    same(tick.payload, before)
  }),

  test("gives metadata of the run that it is asked for, and isn't changed by that", function* () {
    const simulation = yield* Simulation
    const metadata = yield* simulation.metadata("run-a", 123n)
    same([metadata.simulationRunId, metadata.startTimeMs], ["run-a", 123n])
    same(
      toBinary(SimulationMetadataSchema, yield* simulation.metadata("run-a", 123n)),
      toBinary(SimulationMetadataSchema, metadata)
    )
    same(yield* simulation.tickNumber, 0n)
  })
]

/** Settings as they are read back from the metadata of a run. */
const stored = ({ kind, values }: Settings) =>
  Effect.map(Effect.flatMap(toJson(values), fromJson), (values): Settings => ({ kind, values }))

/**
 * What decides whether a simulation may go on with a run, for a simulation that says its settings. `another` is one that
 * was made with the same options.
 */
const ofSettings = <E>(another: Effect.Effect<Port, E>): ReadonlyArray<Test<Simulation>> => [
  test("has settings that can be stored as JSON, if it has any", function* () {
    const { settings } = yield* Simulation
    if (settings !== undefined) yield* stored(settings)
  }),

  test("has the settings of another one with the same options, whatever it has done since", function* () {
    const simulation = yield* Simulation
    const before = simulation.settings === undefined ? undefined : yield* stored(simulation.settings)
    yield* steps(simulation, 3)
    same(simulation.settings, before, "a step has changed them")
    same((yield* another).settings, before, "another one has other settings")
  })
]

/** How a run goes on. `another` is a simulation that has not been used yet. */
const resumed = <E>(another: Effect.Effect<Port, E>): ReadonlyArray<Test<Simulation>> => [
  ...[1, 4, 20].map((tick) =>
    test<Simulation>(`goes on from tick ${tick} in another process as if it had never stopped`, function* () {
      const simulation = yield* Simulation
      yield* steps(simulation, tick)
      // As it is stored.
      const stored = encode(yield* simulation.snapshot(run, 1n))
      const undisturbed = yield* next(simulation, 10)
      const later = yield* another
      yield* later.restore(fromBinary(TickDataSchema, stored))
      same(yield* later.tickNumber, BigInt(tick))
      same(encode(yield* later.snapshot(run, 1n)), stored, "the snapshot after it was restored")
      const resumed = yield* next(later, 10)
      for (const [index, bytes] of undisturbed.entries()) {
        same<unknown>(resumed[index], bytes, `tick ${tick + index + 1} is another one than without the stop`)
      }
    })
  ),

  test("goes back to a tick of its own, as often as it is asked to", function* () {
    const simulation = yield* Simulation
    yield* steps(simulation, 4)
    const snapshot = yield* simulation.snapshot(run, 1n)
    const first = yield* next(simulation, 5)
    yield* simulation.restore(snapshot)
    const second = yield* next(simulation, 5)
    yield* simulation.restore(snapshot)
    same(second, first)
    same(yield* next(simulation, 5), first)
  })
]

/** The cases for the simulation that `layer` builds: each time another one, at tick 0. */
export const cases = <E>(layer: Layer.Layer<Simulation, E>): ReadonlyArray<Case> => {
  const another = Effect.map(Effect.scoped(Layer.build(Layer.fresh(layer))), (context) =>
    Context.get(context, Simulation)
  )
  return [...going, ...ofSettings(another), ...resumed(another)].map((test) => caseOf(test, layer))
}
