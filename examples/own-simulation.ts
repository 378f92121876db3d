import { create } from "@bufbuild/protobuf"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { SimulationMetadataSchema, TickDataSchema } from "tickvault/domain/Contracts"
import * as RunId from "tickvault/domain/RunId"
import * as Pipeline from "tickvault/Pipeline"
import * as Balance from "tickvault/pipeline/Balance"
import * as ResumePoint from "tickvault/resume/ResumePoint"
import * as RunSettings from "tickvault/simulation/RunSettings"
import * as Simulation from "tickvault/simulation/Simulation"
import * as SimulationEngine from "tickvault/simulation/SimulationEngine"

/** What a world of walkers is made with. */
export const Options = Schema.Struct({ walkers: Schema.Int, cells: Schema.Int, seed: Schema.Int })

const kind: Simulation.Kind<typeof Options.Type> = { name: "example/walkers", settings: Options }

const damaged = (tickNumber: bigint) =>
  new Simulation.RestoreError({ tickNumber, problem: "it is not of walkers, or damaged" })

/** Walkers on a ring of cells. At every tick each goes one cell to the left or to the right. */
const walkers = (options: typeof Options.Type) =>
  Effect.gen(function* () {
    let tickNumber = 0n
    let random = options.seed | 1
    let positions = Array.from({ length: options.walkers }, () => 0)
    const direction = () => {
      random ^= random << 13
      random ^= random >>> 17
      random ^= random << 5
      return random % 2 === 0 ? 1 : options.cells - 1
    }
    return Simulation.Simulation.of({
      settings: yield* Simulation.settings(kind, options),
      tickNumber: Effect.sync(() => tickNumber),
      step: Effect.sync(() => {
        tickNumber += 1n
        positions = positions.map((position) => (position + direction()) % options.cells)
      }),
      // A tick holds all of the state, the random generator included: the run can go on from any of its ticks.
      snapshot: (simulationRunId, captureTimeMs) =>
        Effect.sync(() =>
          create(TickDataSchema, {
            simulationRunId,
            tickNumber,
            captureTimeMs,
            cells: positions.map((position, walker) => ({
              coordinate: { components: [position] },
              ownerId: walker + 1
            })),
            rngState: new Uint8Array(Int32Array.of(random).buffer)
          })
        ),
      metadata: (simulationRunId, startTimeMs) =>
        Effect.succeed(
          create(SimulationMetadataSchema, { simulationRunId, startTimeMs, initialSeed: BigInt(options.seed) })
        ),
      restore: (tick) =>
        Effect.suspend(() => {
          const found = tick.cells.flatMap(({ coordinate }) => coordinate?.components ?? [])
          if (found.length !== options.walkers || tick.rngState.length !== 4) {
            return Effect.fail(damaged(tick.tickNumber))
          }
          tickNumber = tick.tickNumber
          positions = found
          random = new Int32Array(tick.rngState.slice().buffer)[0] ?? random
          return Effect.void
        })
    })
  })

/** Walkers at tick 0. */
export const layer = (options: typeof Options.Type) => Layer.effect(Simulation.Simulation, walkers(options))

const pipeline = (directory: string) =>
  Pipeline.layer({ directory, persistence: { maxBatchSize: 200 } }).pipe(Layer.provideMerge(NodeServices.layer))

/**
 * Waits for the last tick, then until all ticks are settled. The engine comes first: `drain` ends the queue, and an engine
 * that is not done would stop there. Fails with the cause when the engine fails: a step has thrown, or the run id is taken.
 */
const finish = Effect.gen(function* () {
  const engine = yield* SimulationEngine.SimulationEngine
  yield* engine.await
  return yield* Pipeline.Pipeline.use(({ drain }) => drain)
})

/** Stores a new run of `ticks` ticks in `directory`. */
export const begin = (directory: string, runId: string, ticks: number, options: typeof Options.Type) =>
  finish.pipe(
    Effect.provide(
      SimulationEngine.layer({ runId, maxTicks: ticks }).pipe(
        Layer.provide(layer(options)),
        Layer.provideMerge(pipeline(directory))
      )
    )
  )

/** The engine that goes on with a run, for a simulation with the settings that the run began with. */
const resumed = (id: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const point = yield* ResumePoint.find(yield* Schema.decodeEffect(RunId.RunId)(id))
      const options = yield* RunSettings.decode(kind, point.recorded)
      return SimulationEngine.layer({ resume: point.resume }).pipe(Layer.provide(layer(options)))
    })
  )

/** Goes on with a run in `directory` that was stopped, killed or damaged: makes the ticks that are missing of it. */
export const resume = (directory: string, runId: string) =>
  finish.pipe(Effect.provide(resumed(runId).pipe(Layer.provideMerge(pipeline(directory)))))

/** Prints the balance. Sets the exit code of `tickvault run`: 3 when ticks are lost, 2 when some are dead-lettered. */
const report = (balance: Balance.Balance) =>
  Effect.gen(function* () {
    yield* Console.log(balance)
    process.exitCode = !Balance.isSettled(balance) ? 3 : balance.deadLettered > 0 ? 2 : 0
  })

// node examples/own-simulation.ts begin|resume DIRECTORY RUN
if (import.meta.main) {
  const [, , command, directory = "./data", run = "walkers"] = process.argv
  const stored =
    command === "resume" ? resume(directory, run) : begin(directory, run, 10_000, { walkers: 8, cells: 100, seed: 1 })
  NodeRuntime.runMain(Effect.flatMap(stored, report))
}
