/**
 * The port between a simulated world and the pipeline: what `SimulationEngine` needs of a simulation.
 *
 * A simulation advances one step at a time and can say at any moment all there is to say about itself, so that the
 * same ticks follow when another process restores that snapshot and steps on.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
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

export class Simulation extends Context.Service<
  Simulation,
  {
    /** Number of the tick the world is at: 0 before the first step. */
    readonly tickNumber: Effect.Effect<bigint>

    /** Advances the world by one tick. */
    readonly step: Effect.Effect<void>

    /** All of the world as it is now. `captureTimeMs` is stamped on it and changes nothing else. */
    readonly snapshot: (simulationRunId: string, captureTimeMs: bigint) => Effect.Effect<TickData>

    /**
     * The same, encoded: for a simulation that is faster at it than `Tick.fromMessage` of its snapshot, which is what
     * the engine makes do with when this is absent.
     */
    readonly tick?: (simulationRunId: string, captureTimeMs: bigint) => Effect.Effect<Tick.Tick>

    /** What is said once about a run of this world from its beginning. */
    readonly metadata: (simulationRunId: string, startTimeMs: bigint) => Effect.Effect<SimulationMetadata>

    /** Makes the world what `tick` says, so that the next step is the one that followed it. */
    readonly restore: (tick: TickData) => Effect.Effect<void, RestoreError>
  }
>()("tickvault/simulation/Simulation") {}
