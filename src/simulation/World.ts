/**
 * The built-in simulation: a torus of cells with organisms. An organism is a small program with a body. It feeds, copies
 * itself with errors, and dies.
 *
 * It exists to try the pipeline with realistic ticks. The same options make the same ticks, byte for byte except the
 * time of capture. A world restored from any of its ticks continues exactly like the original. Every tick has at least
 * one living organism, and at most three times the number in the options.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Simulation } from "tickvault/simulation/Simulation"
 * import * as World from "tickvault/simulation/World"
 *
 * export const firstTick = Effect.gen(function* () {
 *   const world = yield* Simulation
 *   yield* world.step
 *   return yield* world.snapshot("run-1", 0n)
 * }).pipe(Effect.provide(World.layer({ shape: [32, 32], seed: 7 })))
 * ```
 */
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as OptionConfig from "../domain/OptionConfig.ts"
import { TickDataSchema } from "../gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import * as Decoder from "../protobuf/Decoder.ts"
import * as Simulation from "./Simulation.ts"
import { describe } from "./world/metadata.ts"
import { restore } from "./world/restore.ts"
import { Photographer } from "./world/snapshot.ts"
import { LivingWorld } from "./world/livingWorld.ts"

const minExtent = 4
const maxExtent = 1024
const maxDimensions = 4
const maxCells = 1_048_576
const maxOrganisms = 10_000
const minCellsPerOrganism = 8

const between = (minimum: number, maximum: number) => {
  const message = `must be a whole number from ${minimum} to ${maximum}`
  // The filter refuses non-finite numbers. Only `Number` shows this message for values that aren't numbers.
  // @effect-diagnostics-next-line schemaNumber:off
  return Schema.Number.annotate({ message }).check(
    Schema.makeFilter((value) =>
      Number.isSafeInteger(value) && value >= minimum && value <= maximum ? undefined : message
    )
  )
}

const cellsOf = (shape: ReadonlyArray<number>) => shape.reduce((product, extent) => product * extent, 1)

const shapeMessage = `must be 1 to ${maxDimensions} whole numbers from ${minExtent} to ${maxExtent} whose product, the number of cells, is at most ${maxCells}`

/** Settings of a world. More organisms at the start bring more energy, so the number of organisms stays at that level. */
export const Options = Schema.Struct({
  /** Cells along each axis: 1 to 4 whole numbers from 4 to 1024, at most 1,048,576 cells in all. Default [48, 48]. */
  shape: Schema.Array(between(minExtent, maxExtent))
    .annotate({ message: shapeMessage })
    .check(
      Schema.makeFilter((shape) =>
        shape.length >= 1 && shape.length <= maxDimensions && cellsOf(shape) <= maxCells ? undefined : shapeMessage
      )
    )
    .pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([48, 48]))),
  /**
   * Organisms that the world starts with, from 1 to 10,000, and at most one for 8 cells. Fewer when some find no room.
   * Default 6.
   */
  organisms: between(1, maxOrganisms).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(6))),
  /** Seed of all random numbers: any safe integer. Default 42. */
  seed: between(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed(42))
  )
}).check(
  Schema.makeFilter(({ organisms, shape }) => {
    const most = Math.max(1, Math.floor(cellsOf(shape) / minCellsPerOrganism))
    return organisms <= most
      ? undefined
      : { path: ["organisms"], issue: `must be at most ${most} in a world of ${cellsOf(shape)} cells` }
  })
)

/** The kind of this simulation. */
export const kind: Simulation.Kind<typeof Options.Type> = { name: "tickvault/World", settings: Options }

const decode = Decoder.make(TickDataSchema)

/** A world at tick 0. Never fails: `options` are checked already. */
export const make = (options: typeof Options.Type): Effect.Effect<Simulation.Simulation["Service"]> =>
  Effect.gen(function* () {
    const settings = yield* Effect.orDie(Simulation.settings(kind, options)) // checked options can be encoded
    const worldKind = { shape: options.shape, organisms: options.organisms }
    let world = LivingWorld.genesis(worldKind, options.seed)
    let photographer = new Photographer(world)
    return Simulation.Simulation.of({
      settings,
      tickNumber: Effect.sync(() => world.tickNumber),
      step: Effect.sync(() => world.step()),
      // A copy that belongs to the caller: bytes in a decoded message are views.
      snapshot: (simulationRunId, captureTimeMs) =>
        Effect.sync(() => decode(photographer.snapshot(simulationRunId, captureTimeMs).slice())),
      tick: (simulationRunId, captureTimeMs) =>
        Effect.sync(() => ({
          simulationRunId,
          tickNumber: world.tickNumber,
          payload: photographer.snapshot(simulationRunId, captureTimeMs)
        })),
      metadata: (simulationRunId, startTimeMs) =>
        Effect.sync(() =>
          describe(LivingWorld.genesis(worldKind, options.seed), {
            simulationRunId,
            startTimeMs,
            seed: options.seed,
            options
          })
        ),
      restore: (tick) =>
        Effect.suspend(() => {
          const restored = restore(worldKind, tick)
          if (Result.isFailure(restored)) {
            return Effect.fail(new Simulation.RestoreError({ tickNumber: tick.tickNumber, problem: restored.failure }))
          }
          world = restored.success
          photographer = new Photographer(world)
          return Effect.void
        })
    })
  })

/** A world made when the layer is built. Fails with `SchemaError`, which names each wrong option. */
export const layer = (options: typeof Options.Encoded = {}): Layer.Layer<Simulation.Simulation, Schema.SchemaError> =>
  Layer.effect(Simulation.Simulation, Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), make))

/**
 * Like `layer`, but environment variables override `options`. Their names contain `name`, the name of the engine:
 * `TICKVAULT_SIMULATION_ENGINE_SEED` by default. Fails with `ConfigError`, which names each wrong variable.
 */
export const layerConfig = (
  name = "simulation-engine",
  options: typeof Options.Encoded = {}
): Layer.Layer<Simulation.Simulation, Config.ConfigError> =>
  Layer.effect(Simulation.Simulation, Effect.flatMap(OptionConfig.of(Options, name, options), make))
