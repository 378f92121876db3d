/**
 * The port between a simulated world and the pipeline: what `SimulationEngine` needs from a simulation.
 *
 * A simulation advances one step at a time. At any moment it can give a snapshot of all of its state, so that another
 * process can restore the snapshot, step on, and make the same ticks.
 *
 * ```ts
 * import { create } from "@bufbuild/protobuf"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { SimulationMetadataSchema, TickDataSchema } from "tickvault/domain/Contracts"
 * import { Simulation } from "tickvault/simulation/Simulation"
 *
 * // A world whose only state is its tick number.
 * const make = Effect.sync(() => {
 *   let tickNumber = 0n
 *   return Simulation.of({
 *     tickNumber: Effect.sync(() => tickNumber),
 *     step: Effect.sync(() => void tickNumber++),
 *     snapshot: (simulationRunId, captureTimeMs) =>
 *       Effect.sync(() => create(TickDataSchema, { simulationRunId, tickNumber, captureTimeMs })),
 *     metadata: (simulationRunId, startTimeMs) =>
 *       Effect.succeed(create(SimulationMetadataSchema, { simulationRunId, startTimeMs })),
 *     restore: (tick) => Effect.sync(() => void (tickNumber = tick.tickNumber))
 *   })
 * })
 * export const layer = Layer.effect(Simulation, make)
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Tick from "../domain/Tick.ts"
import type { SimulationMetadata } from "../gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import type { TickData } from "../gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"

/** A snapshot can't be restored: it is of another kind of world, or damaged. */
export class RestoreError extends Schema.TaggedError<RestoreError>()("RestoreError", {
  tickNumber: Schema.BigInt,
  problem: Schema.String
}) {
  override get message() {
    return `tick ${this.tickNumber} can't be restored: ${this.problem}`
  }
}

/** A kind of simulation: its name, and the schema of its settings. */
export interface Kind<A> {
  /** Unique among all simulations that store runs in the same place, such as "my-lab/walkers". Recorded in each run. */
  readonly name: string
  readonly settings: Schema.Codec<A, unknown>
}

/** The settings of a simulation, as the engine records them in a run's metadata. */
export interface Settings {
  /** The name of its kind. */
  readonly kind: string
  /** All settings as JSON, including defaults. */
  readonly values: Schema.Json
}

/** Makes the settings of a simulation of this kind. Fails when the kind's schema can't encode `values`. */
export const settings = <A>(kind: Kind<A>, values: A): Effect.Effect<Settings, Schema.SchemaError> =>
  Effect.map(Schema.encodeEffect(Schema.toCodecJson(kind.settings))(values), (json) => ({
    kind: kind.name,
    values: json
  }))

export class Simulation extends Context.Service<
  Simulation,
  {
    /**
     * The settings of the simulation. The engine records them in the metadata of a new run, so that another process can
     * resume it: `RunSettings.decode` reads them. An engine that resumes a run refuses a simulation with other settings.
     * Absent: nothing is recorded and nothing compared.
     */
    readonly settings?: Settings

    /** The present tick number: 0 before the first step. */
    readonly tickNumber: Effect.Effect<bigint>

    /** Advances the world by one tick. A defect fails the engine, after it has offered the ticks before. */
    readonly step: Effect.Effect<void>

    /** The whole state of the world now, with `captureTimeMs` as its time. The same state gives the same other fields. */
    readonly snapshot: (simulationRunId: string, captureTimeMs: bigint) => Effect.Effect<TickData>

    /**
     * The encoded snapshot, for a simulation that encodes faster than `Tick.fromMessage`. Absent: the engine encodes
     * `snapshot`.
     */
    readonly tick?: (simulationRunId: string, captureTimeMs: bigint) => Effect.Effect<Tick.Tick>

    /**
     * The metadata of a run that begins with this world. The engine adds what it needs to resume the run: the user metadata
     * `samplingInterval`, `firstTick`, `maxTicks` and `simulationKind` are the engine's alone.
     */
    readonly metadata: (simulationRunId: string, startTimeMs: bigint) => Effect.Effect<SimulationMetadata>

    /**
     * Sets the world to the state in `tick`, so that the next step makes the tick that followed it. Bytes in `tick` are
     * plain `Uint8Array`s that belong to the simulation.
     */
    readonly restore: (tick: TickData) => Effect.Effect<void, RestoreError>
  }
>()("tickvault/simulation/Simulation") {}
