// @module-tag unit
import { create, toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as RunId from "../../src/domain/RunId.ts"
import {
  SimulationMetadataSchema,
  type SimulationMetadata
} from "../../src/gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import * as RunSettings from "../../src/simulation/RunSettings.ts"
import * as Simulation from "../../src/simulation/Simulation.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import { makeEngine, type Options, watched } from "./engines.ts"

const world = { shape: [9, 5, 4], organisms: 3, seed: -12 }

/** The bytes that an engine stores about its run. */
const stored = Effect.gen(function* () {
  const { engine, faults } = yield* makeEngine({ runId: "run", maxTicks: 1, samplingInterval: 7 }, {}, world)
  yield* engine.start
  yield* engine.await
  return Bytes.concat(yield* Stream.runCollect(faults.underneath.read(StorageKey.metadata(RunId.make("run")))))
}).pipe(watched)

const json = '{"shape":[9,5,4],"organisms":3,"seed":-12}'

const good = create(SimulationMetadataSchema, {
  simulationRunId: "run",
  initialSeed: -12n,
  environment: { dimensions: 3, shape: [9, 5, 4] },
  userMetadata: { samplingInterval: "7" },
  resolvedConfigJson: json
})

it.effect("are what the engine of the run was made with", () =>
  Effect.gen(function* () {
    const settings = { world, samplingInterval: 7 }
    assert.deepStrictEqual(yield* RunSettings.fromBytes("run", yield* stored), settings)
    assert.deepStrictEqual(yield* RunSettings.fromMetadata(good), settings)
  })
)

it.effect.each<readonly [string, Partial<SimulationMetadata>]>([
  ["user_metadata.samplingInterval", { userMetadata: { note: "another program's" } }],
  ["resolved_config_json", { resolvedConfigJson: "" }],
  ['"shape" in resolved_config_json', { resolvedConfigJson: '{"simulation":{"environment":{}}}' }],
  ['"seed" in resolved_config_json', { resolvedConfigJson: '{"shape":[9,5,4],"organisms":3}' }]
])("are said to miss %s", ([field, change]) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(RunSettings.fromMetadata({ ...good, ...change }))
    assert.strictEqual(error._tag, "SettingsMissing")
    assert.include(error.message, `the metadata of run "run" have no ${field}: another program`)
  })
)

it.effect.each<readonly [string, Partial<SimulationMetadata>]>([
  ['user_metadata.samplingInterval is "0"', { userMetadata: { samplingInterval: "0" } }],
  ['user_metadata.samplingInterval is "1e3"', { userMetadata: { samplingInterval: "1e3" } }],
  ["resolved_config_json is not a JSON object", { resolvedConfigJson: "simulation { }" }],
  ["resolved_config_json is not a JSON object", { resolvedConfigJson: "[1]" }],
  ["organisms", { resolvedConfigJson: '{"shape":[9,5,4],"organisms":0,"seed":-12}' }],
  ["must be at most 22", { resolvedConfigJson: '{"shape":[9,5,4],"organisms":100,"seed":-12}' }],
  ["gravity", { resolvedConfigJson: '{"shape":[9,5,4],"organisms":3,"seed":-12,"gravity":1}' }],
  ["initial_seed is 5, but -12 in", { initialSeed: 5n }],
  ["environment.shape is nothing, but 9x5x4 in", { environment: undefined }]
] as const)("are refused: %s", ([problem, change]) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(RunSettings.fromMetadata({ ...good, ...change }))
    assert.strictEqual(error._tag, "SettingsInvalid")
    assert.include(error.message, 'the metadata of run "run" can\'t be used')
    assert.include(error.message, problem)
  })
)

describe("what an engine has recorded", () => {
  const settings = Schema.Struct({ cells: Schema.Int, since: Schema.DateFromString })
  const kind: Simulation.Kind<typeof settings.Type> = { name: "test/own", settings }
  const values = { cells: 5, since: DateTime.toDate(DateTime.makeUnsafe(0)) }

  /** The metadata of an engine whose simulation says this of its settings. */
  const metadataOf = Effect.fnUntraced(function* (own: Simulation.Settings | undefined, options: Options) {
    const bench = yield* makeEngine({ runId: "run", maxTicks: 1, ...options }, {}, world, undefined, (real) => {
      const { settings: _settings, ...rest } = real
      const start = { ...rest, tickNumber: Effect.map(rest.tickNumber, (tick) => tick + 1000n) }
      return own === undefined ? start : { ...start, settings: own }
    })
    yield* bench.engine.start
    yield* bench.engine.await
    const bytes = yield* Stream.runCollect(bench.faults.underneath.read(StorageKey.metadata(RunId.make("run"))))
    return yield* RunSettings.parse("run", Bytes.concat(bytes))
  }, watched)

  it.effect("is what the simulation says of its settings, and how its ticks are captured", () =>
    Effect.gen(function* () {
      const own = yield* Simulation.settings(kind, values)
      assert.deepStrictEqual(own, { kind: "test/own", values: { cells: 5, since: "1970-01-01T00:00:00.000Z" } })
      const recorded = yield* RunSettings.recorded(yield* metadataOf(own, { samplingInterval: 7, maxTicks: 2000 }))
      assert.deepStrictEqual(recorded, {
        simulationRunId: "run",
        samplingInterval: 7,
        firstTick: 1001n,
        maxTicks: 2000,
        simulation: own
      })
      assert.deepStrictEqual(yield* RunSettings.decode(kind, recorded), values)
    })
  )

  it.effect("has no settings where the simulation says none", () =>
    Effect.gen(function* () {
      const recorded = yield* RunSettings.recorded(yield* metadataOf(undefined, {}))
      assert.isUndefined(recorded.simulation)
      const error = yield* Effect.flip(RunSettings.decode(kind, recorded))
      assert.strictEqual(error._tag, "SettingsMissing")
      assert.include(error.message, "user_metadata.simulationKind")
    })
  )

  it.effect("is less in the metadata of an older version", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* RunSettings.recorded(good), {
        simulationRunId: "run",
        samplingInterval: 7,
        firstTick: 7n,
        maxTicks: undefined,
        simulation: undefined
      })
    })
  )

  it.effect.each<readonly [string, Record<string, string>, string]>([
    ["user_metadata.maxTicks is", { maxTicks: "-1" }, "{}"],
    ["user_metadata.firstTick is", { firstTick: "8" }, "{}"],
    ["user_metadata.firstTick is", { firstTick: "0" }, "{}"],
    ["resolved_config_json is not JSON", { simulationKind: "test/own" }, "cells 5"]
  ])("is refused where %s wrong", ([problem, more, resolvedConfigJson]) =>
    Effect.gen(function* () {
      const userMetadata = { samplingInterval: "7", ...more }
      const error = yield* Effect.flip(RunSettings.recorded({ ...good, userMetadata, resolvedConfigJson }))
      assert.strictEqual(error._tag, "SettingsInvalid")
      assert.include(error.message, problem)
    })
  )

  it.effect.each<readonly [string, Simulation.Settings]>([
    ['simulationKind is "test/other", but the simulation here is "test/own"', { kind: "test/other", values: {} }],
    ["cells", { kind: "test/own", values: { since: "1970-01-01T00:00:00.000Z" } }],
    ["gravity", { kind: "test/own", values: { cells: 5, since: "1970-01-01T00:00:00.000Z", gravity: 1 } }]
  ])("is not decoded where it is not that of the simulation: %s", ([problem, simulation]) =>
    Effect.gen(function* () {
      const recorded = { ...(yield* RunSettings.recorded(good)), simulation }
      const error = yield* Effect.flip(RunSettings.decode(kind, recorded))
      assert.strictEqual(error._tag, "SettingsInvalid")
      assert.include(error.message, problem)
    })
  )

  it.effect("of another simulation is not taken for the built-in world", () =>
    Effect.gen(function* () {
      const userMetadata = { samplingInterval: "7", simulationKind: "test/own" }
      const error = yield* Effect.flip(RunSettings.fromMetadata({ ...good, userMetadata }))
      assert.strictEqual(error._tag, "SettingsInvalid")
      assert.include(error.message, 'user_metadata.simulationKind is "test/own"')
    })
  )
})

it.effect("are refused when the bytes are no metadata, or another run's", () =>
  Effect.gen(function* () {
    const bytes = toBinary(SimulationMetadataSchema, good)
    const cut = yield* Effect.flip(RunSettings.fromBytes("run", bytes.subarray(0, bytes.length - 1)))
    assert.include(cut.message, "the file is not a SimulationMetadata message")
    const other = yield* Effect.flip(RunSettings.fromBytes("mine", bytes))
    assert.include(other.message, 'the metadata of run "mine" can\'t be used')
    assert.include(other.message, 'simulation_run_id is "run"')
  })
)
