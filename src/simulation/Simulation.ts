/**
 * The port between a simulated world and the pipeline: what `SimulationEngine` needs of a simulation.
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
 * // A world that is nothing but its number.
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

/** A kind of simulation: its name, and the schema of the settings that one is made with. */
export interface Kind<A> {
  /** Unique among all simulations whose runs may meet, such as "my-lab/walkers". Recorded in each run. */
  readonly name: string
  readonly settings: Schema.Codec<A, unknown>
}

/** What a simulation was made with, as the engine records it with a run. */
export interface Settings {
  /** The name of its kind. */
  readonly kind: string
  /** All that it was made with, as JSON, defaults filled in. */
  readonly values: Schema.Json
}

/** The settings of a simulation of this kind. Fails when `values` are none that the kind's schema can encode. */
export const settings = <A>(kind: Kind<A>, values: A): Effect.Effect<Settings, Schema.SchemaError> =>
  Effect.map(Schema.encodeEffect(Schema.toCodecJson(kind.settings))(values), (json) => ({
    kind: kind.name,
    values: json
  }))

export class Simulation extends Context.Service<
  Simulation,
  {
    /**
     * What the simulation was made with. The engine records it in the metadata of a new run, so that the run can go on in
     * another process: `RunSettings.decode` reads it. An engine that goes on with a run refuses a simulation that was made
     * with other settings. Absent: nothing is recorded and nothing compared.
     */
    readonly settings?: Settings

    /** Number of the tick the world is at: 0 before the first step. */
    readonly tickNumber: Effect.Effect<bigint>

    /** Advances the world by one tick. A defect fails the engine, after it has offered the ticks before. */
    readonly step: Effect.Effect<void>

    /** All of the world as it is now. `captureTimeMs` is stamped on it and changes nothing else. */
    readonly snapshot: (simulationRunId: string, captureTimeMs: bigint) => Effect.Effect<TickData>

    /**
     * The same, encoded, for a simulation that encodes faster than `Tick.fromMessage`. Absent: the engine encodes the
     * snapshot.
     */
    readonly tick?: (simulationRunId: string, captureTimeMs: bigint) => Effect.Effect<Tick.Tick>

    /** The metadata of a run that begins with this world. The engine adds what it needs to go on with the run. */
    readonly metadata: (simulationRunId: string, startTimeMs: bigint) => Effect.Effect<SimulationMetadata>

    /**
     * Makes the world what `tick` says, so that the next step is the one that followed it. Bytes in `tick` are plain
     * `Uint8Array`s that nobody else uses.
     */
    readonly restore: (tick: TickData) => Effect.Effect<void, RestoreError>
  }
>()("tickvault/simulation/Simulation") {}
