/**
 * What a run was made with, as its metadata tell it: all that an engine needs to go on with the run, beside a tick of it.
 *
 * Nothing is guessed. Metadata that leave a setting out, or say two things about it, are refused: a world made with a
 * default would make other ticks, and nobody would notice.
 */
import { fromBinary } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  SimulationMetadataSchema,
  type SimulationMetadata
} from "../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import * as RunMetadata from "../runs/RunMetadata.ts"
import * as World from "./World.ts"

export interface RunSettings {
  readonly world: typeof World.Options.Type
  /** Every how many ticks one is captured. */
  readonly samplingInterval: number
}

/** The metadata don't have a setting: another program wrote them, or a version of this one that recorded less. */
export class SettingsMissing extends Schema.TaggedError<SettingsMissing>()("SettingsMissing", {
  simulationRunId: Schema.String,
  /** The field of `SimulationMetadata`, and what should be in it. */
  field: Schema.String
}) {
  override get message() {
    return `the metadata of run "${this.simulationRunId}" have no ${this.field}: another program or an older version made the run, and it can't go on here`
  }
}

/** The metadata have a setting that no run of this version can have been made with. */
export class SettingsInvalid extends Schema.TaggedError<SettingsInvalid>()("SettingsInvalid", {
  simulationRunId: Schema.String,
  field: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `the metadata of run "${this.simulationRunId}" can't be used, and the run can't go on here: ${this.field} ${this.problem}`
  }
}

export type SettingsError = SettingsMissing | SettingsInvalid

const jsonField = "resolved_config_json"
const intervalField = `user_metadata.${RunMetadata.samplingIntervalKey}`

const Json = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

const worldOptions = Effect.fnUntraced(function* (metadata: SimulationMetadata) {
  const { environment, initialSeed, resolvedConfigJson, simulationRunId } = metadata
  const invalid = (field: string, problem: string) => new SettingsInvalid({ simulationRunId, field, problem })
  if (resolvedConfigJson === "") return yield* new SettingsMissing({ simulationRunId, field: jsonField })
  const json = yield* Effect.mapError(Schema.decodeEffect(Json)(resolvedConfigJson), ({ message }) =>
    invalid(jsonField, `is no JSON object: ${message}`)
  )
  const missing = Object.keys(World.Options.fields).find((option) => !Object.hasOwn(json, option))
  if (missing !== undefined) {
    return yield* new SettingsMissing({ simulationRunId, field: `"${missing}" in ${jsonField}` })
  }
  const options = yield* Schema.decodeEffect(World.Options, { errors: "all", onExcessProperty: "error" })(json).pipe(
    Effect.mapError(({ message }) => invalid(jsonField, `does not say how the world was made: ${message}`))
  )
  if (initialSeed !== BigInt(options.seed)) {
    return yield* invalid("initial_seed", `is ${initialSeed}, but ${options.seed} in ${jsonField}`)
  }
  const shape = environment?.shape.join("x") ?? "nothing"
  const configured = options.shape.join("x")
  if (shape !== configured) return yield* invalid("environment.shape", `is ${shape}, but ${configured} in ${jsonField}`)
  return options
})

const samplingInterval = Effect.fnUntraced(function* ({ simulationRunId, userMetadata }: SimulationMetadata) {
  const text = userMetadata[RunMetadata.samplingIntervalKey]
  if (text === undefined) return yield* new SettingsMissing({ simulationRunId, field: intervalField })
  const interval = Number(RunMetadata.interval(text) ?? 0)
  if (interval > 0 && Number.isSafeInteger(interval)) return interval
  return yield* new SettingsInvalid({
    simulationRunId,
    field: intervalField,
    problem: `is "${text}" and must be a whole number of 1 or more`
  })
})

/** The settings in `metadata`. Fails with what is missing or wrong there. */
export const fromMetadata = Effect.fnUntraced(function* (
  metadata: SimulationMetadata
): Effect.fn.Return<RunSettings, SettingsError> {
  return { samplingInterval: yield* samplingInterval(metadata), world: yield* worldOptions(metadata) }
})

/** The same of the stored metadata of the run `simulationRunId`, whose bytes may be no metadata at all, or another run's. */
export const fromBytes = Effect.fnUntraced(function* (
  simulationRunId: string,
  bytes: Uint8Array
): Effect.fn.Return<RunSettings, SettingsError> {
  const metadata = yield* Effect.try({
    try: () => fromBinary(SimulationMetadataSchema, bytes),
    catch: (cause) =>
      new SettingsInvalid({
        simulationRunId,
        field: "the file",
        problem: `is no SimulationMetadata message: ${String(cause)}`
      })
  })
  if (metadata.simulationRunId !== simulationRunId) {
    return yield* new SettingsInvalid({
      simulationRunId,
      field: "simulation_run_id",
      problem: `is "${metadata.simulationRunId}"`
    })
  }
  return yield* fromMetadata(metadata)
})
