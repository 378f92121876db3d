/**
 * The settings of a run, read from its metadata. To resume a run, an engine needs these settings and one of the run's
 * ticks.
 *
 * Nothing is guessed. Metadata with a missing or contradictory setting are refused. A simulation made with a default in
 * its place would make other ticks, and nobody would notice.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as RunId from "tickvault/domain/RunId"
 * import * as ResumePoint from "tickvault/resume/ResumePoint"
 * import * as RunSettings from "tickvault/simulation/RunSettings"
 * import * as World from "tickvault/simulation/World"
 *
 * // The settings of the world of a stored run.
 * export const settingsOf = (run: string) =>
 *   ResumePoint.metadata(RunId.make(run)).pipe(
 *     Effect.flatMap(RunSettings.recorded),
 *     Effect.flatMap((recorded) => RunSettings.decode(World.kind, recorded))
 *   )
 * ```
 */
import { fromBinary } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  SimulationMetadataSchema,
  type SimulationMetadata
} from "../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import * as RunMetadata from "../runs/RunMetadata.ts"
import type * as Simulation from "./Simulation.ts"
import * as World from "./World.ts"

/** The settings that the engine recorded when the run began. */
export interface Recorded {
  readonly simulationRunId: string
  /** Every `samplingInterval`-th tick is captured. */
  readonly samplingInterval: number
  /** Number of the first captured tick. */
  readonly firstTick: bigint
  /** The tick at which the run ends. `undefined`: it has no end, or an older version of this program began it. */
  readonly maxTicks: number | undefined
  /** The simulation's own settings. `undefined`: it has none, or an older version of this program began the run. */
  readonly simulation: Simulation.Settings | undefined
}

/** The settings of a run of the built-in world. */
export interface RunSettings {
  readonly world: typeof World.Options.Type
  /** Every `samplingInterval`-th tick is captured. */
  readonly samplingInterval: number
}

/** The metadata lack a setting: another program or an older version of this one wrote them. */
export class SettingsMissing extends Schema.TaggedError<SettingsMissing>()("SettingsMissing", {
  simulationRunId: Schema.String,
  /** The field of `SimulationMetadata` that lacks it. */
  field: Schema.String
}) {
  override get message() {
    return `the metadata of run "${this.simulationRunId}" have no ${this.field}: another program or an older version made the run, so it can't be resumed here`
  }
}

/** The metadata have a setting that is not valid for this version and this simulation. */
export class SettingsInvalid extends Schema.TaggedError<SettingsInvalid>()("SettingsInvalid", {
  simulationRunId: Schema.String,
  field: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `the metadata of run "${this.simulationRunId}" can't be used, so the run can't be resumed here: ${this.field} ${this.problem}`
  }
}

export type SettingsError = SettingsMissing | SettingsInvalid

const jsonField = "resolved_config_json"

const userField = (key: string) => `user_metadata.${key}`

/** The whole number of 1 or more under `key` of the user metadata. `undefined` when the key is absent. */
const wholeNumber = Effect.fnUntraced(function* ({ simulationRunId, userMetadata }: SimulationMetadata, key: string) {
  const text = userMetadata[key]
  if (text === undefined) return undefined
  const value = RunMetadata.interval(text)
  if (value !== undefined && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
  return yield* new SettingsInvalid({
    simulationRunId,
    field: userField(key),
    problem: `is "${text}" and must be a whole number of 1 or more`
  })
})

const samplingInterval = Effect.fnUntraced(function* (metadata: SimulationMetadata) {
  const { samplingIntervalKey } = RunMetadata
  const interval = yield* wholeNumber(metadata, samplingIntervalKey)
  if (interval !== undefined) return interval
  const { simulationRunId } = metadata
  return yield* new SettingsMissing({ simulationRunId, field: userField(samplingIntervalKey) })
})

/** The first tick. Runs of older versions, which don't record it, begin with the first multiple of the interval. */
const firstTick = Effect.fnUntraced(function* (metadata: SimulationMetadata, interval: number) {
  const { firstTickKey } = RunMetadata
  const text = metadata.userMetadata[firstTickKey]
  if (text === undefined) return BigInt(interval)
  const tick = RunMetadata.interval(text)
  if (tick !== undefined && tick % BigInt(interval) === 0n) return tick
  return yield* new SettingsInvalid({
    simulationRunId: metadata.simulationRunId,
    field: userField(firstTickKey),
    problem: `is "${text}" and must be a multiple of the sampling interval ${interval}`
  })
})

const fromJson = Schema.decodeEffect(Schema.fromJsonString(Schema.Json))

const simulationSettings = Effect.fnUntraced(function* ({
  resolvedConfigJson,
  simulationRunId,
  userMetadata
}: SimulationMetadata) {
  const kind = userMetadata[RunMetadata.simulationKindKey]
  if (kind === undefined) return undefined
  const values = yield* Effect.mapError(
    fromJson(resolvedConfigJson),
    ({ message }) => new SettingsInvalid({ simulationRunId, field: jsonField, problem: `is not JSON: ${message}` })
  )
  const settings: Simulation.Settings = { kind, values }
  return settings
})

/** The settings that the engine recorded in `metadata`, for any simulation. Fails when one is missing or wrong. */
export const recorded = Effect.fnUntraced(function* (
  metadata: SimulationMetadata
): Effect.fn.Return<Recorded, SettingsError> {
  const interval = yield* samplingInterval(metadata)
  return {
    simulationRunId: metadata.simulationRunId,
    samplingInterval: interval,
    firstTick: yield* firstTick(metadata, interval),
    maxTicks: yield* wholeNumber(metadata, RunMetadata.maxTicksKey),
    simulation: yield* simulationSettings(metadata)
  }
})

/** The settings of a simulation of `kind`. Fails when the run has another kind or recorded no settings. */
export const decode = Effect.fnUntraced(function* <A>(
  kind: Simulation.Kind<A>,
  { simulation, simulationRunId }: Recorded
): Effect.fn.Return<A, SettingsError> {
  const kindField = userField(RunMetadata.simulationKindKey)
  if (simulation === undefined) return yield* new SettingsMissing({ simulationRunId, field: kindField })
  if (simulation.kind !== kind.name) {
    const problem = `is "${simulation.kind}", but the simulation here is "${kind.name}"`
    return yield* new SettingsInvalid({ simulationRunId, field: kindField, problem })
  }
  return yield* Schema.decodeEffect(Schema.toCodecJson(kind.settings), { errors: "all", onExcessProperty: "error" })(
    simulation.values
  ).pipe(
    Effect.mapError(
      ({ message }) =>
        new SettingsInvalid({
          simulationRunId,
          field: jsonField,
          problem: `does not have the settings of the simulation: ${message}`
        })
    )
  )
})

const JsonObject = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

/** Older versions recorded a world's settings without its kind. Other programs have other JSON in the same field. */
const worldOptions = Effect.fnUntraced(function* (metadata: SimulationMetadata) {
  const { environment, initialSeed, resolvedConfigJson, simulationRunId, userMetadata } = metadata
  const invalid = (field: string, problem: string) => new SettingsInvalid({ simulationRunId, field, problem })
  const kind = userMetadata[RunMetadata.simulationKindKey] ?? World.kind.name
  if (kind !== World.kind.name) {
    const problem = `is "${kind}": only the program with that simulation can resume the run`
    return yield* invalid(userField(RunMetadata.simulationKindKey), problem)
  }
  if (resolvedConfigJson === "") return yield* new SettingsMissing({ simulationRunId, field: jsonField })
  const json = yield* Effect.mapError(Schema.decodeEffect(JsonObject)(resolvedConfigJson), ({ message }) =>
    invalid(jsonField, `is not a JSON object: ${message}`)
  )
  const missing = Object.keys(World.Options.fields).find((option) => !Object.hasOwn(json, option))
  if (missing !== undefined) {
    return yield* new SettingsMissing({ simulationRunId, field: `"${missing}" in ${jsonField}` })
  }
  const options = yield* Schema.decodeEffect(World.Options, { errors: "all", onExcessProperty: "error" })(json).pipe(
    Effect.mapError(({ message }) => invalid(jsonField, `does not have the settings of the world: ${message}`))
  )
  if (initialSeed !== BigInt(options.seed)) {
    return yield* invalid("initial_seed", `is ${initialSeed}, but ${options.seed} in ${jsonField}`)
  }
  const shape = environment?.shape.join("x") ?? "nothing"
  const configured = options.shape.join("x")
  if (shape !== configured) return yield* invalid("environment.shape", `is ${shape}, but ${configured} in ${jsonField}`)
  return options
})

/** The settings of the built-in world in `metadata`. Fails when one is missing or wrong. */
export const fromMetadata = Effect.fnUntraced(function* (
  metadata: SimulationMetadata
): Effect.fn.Return<RunSettings, SettingsError> {
  return { samplingInterval: yield* samplingInterval(metadata), world: yield* worldOptions(metadata) }
})

/** Decodes the metadata of the run `simulationRunId`. Fails when `bytes` are not metadata, or another run's. */
export const parse = Effect.fnUntraced(function* (
  simulationRunId: string,
  bytes: Uint8Array
): Effect.fn.Return<SimulationMetadata, SettingsInvalid> {
  const metadata = yield* Effect.try({
    try: () => fromBinary(SimulationMetadataSchema, bytes),
    catch: (cause) =>
      new SettingsInvalid({
        simulationRunId,
        field: "the file",
        problem: `is not a SimulationMetadata message: ${String(cause)}`
      })
  })
  if (metadata.simulationRunId === simulationRunId) return metadata
  return yield* new SettingsInvalid({
    simulationRunId,
    field: "simulation_run_id",
    problem: `is "${metadata.simulationRunId}"`
  })
})

/** The settings of the built-in world in the stored metadata of the run `simulationRunId`. */
export const fromBytes = (simulationRunId: string, bytes: Uint8Array): Effect.Effect<RunSettings, SettingsError> =>
  Effect.flatMap(parse(simulationRunId, bytes), fromMetadata)
