// @module-tag unit
import { create, toBinary } from "@bufbuild/protobuf"
import { assert, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RunId from "../../src/domain/RunId.ts"
import {
  SimulationMetadataSchema,
  type SimulationMetadata
} from "../../src/gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import * as RunSettings from "../../src/simulation/RunSettings.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import { makeEngine, watched } from "./engines.ts"

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
  ["resolved_config_json is no JSON object", { resolvedConfigJson: "simulation { }" }],
  ["resolved_config_json is no JSON object", { resolvedConfigJson: "[1]" }],
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

it.effect("are refused when the bytes are no metadata, or another run's", () =>
  Effect.gen(function* () {
    const bytes = toBinary(SimulationMetadataSchema, good)
    const cut = yield* Effect.flip(RunSettings.fromBytes("run", bytes.subarray(0, bytes.length - 1)))
    assert.include(cut.message, "the file is no SimulationMetadata message")
    const other = yield* Effect.flip(RunSettings.fromBytes("mine", bytes))
    assert.include(other.message, 'the metadata of run "mine" can\'t be used')
    assert.include(other.message, 'simulation_run_id is "run"')
  })
)
