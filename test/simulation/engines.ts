/** An engine on a small world, a queue and a storage with faults, and a consumer that settles what it takes. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import type * as Tick from "../../src/domain/Tick.ts"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import { Simulation } from "../../src/simulation/Simulation.ts"
import * as SimulationEngine from "../../src/simulation/SimulationEngine.ts"
import * as World from "../../src/simulation/World.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"

export type Options = typeof SimulationEngine.Options.Encoded

export const makeEngine = Effect.fnUntraced(function* (
  options: Options,
  queueOptions: typeof TickQueue.Options.Encoded = {},
  worldOptions: typeof World.Options.Encoded = {},
  resume?: SimulationEngine.Resume,
  simulationOf: (world: Simulation["Service"]) => Simulation["Service"] = (world) => world
) {
  const queue = yield* TickQueue.make("raw-tick-data", queueOptions)
  const { faults, storage } = FaultyStorage.make(yield* Storage.makeMemory("memory"))
  const world = yield* World.make(
    yield* Schema.decodeEffect(World.Options)({ shape: [8, 8], organisms: 2, ...worldOptions })
  )
  const engine = yield* SimulationEngine.make("engine", options, resume).pipe(
    Effect.provideContext(
      Context.mergeAll(
        Context.make(TickQueue.TickQueue, queue),
        Context.make(Storage.Storage, storage),
        Context.make(Simulation, simulationOf(world))
      )
    )
  )
  const taken: Array<Tick.Tick> = []
  /** Takes one batch of up to `maxTicks`. */
  const take = (maxTicks: number) =>
    Effect.uninterruptible(
      Effect.suspend(() => {
        let ticks: ReadonlyArray<Tick.Tick> = []
        const policy = { maxTicks, maxBytes: 1e9, timeout: Duration.millis(1) }
        return Effect.andThen(
          queue.take(policy, (batch) => {
            ticks = batch.ticks
            taken.push(...batch.ticks)
          }),
          Effect.suspend(() => queue.settle(ticks, "stored"))
        )
      })
    )
  return { engine, queue, faults, taken, take }
})

export type Bench = Effect.Success<ReturnType<typeof makeEngine>>

const lifecycle: ReadonlyArray<LogWatch.Allowed> = [
  { level: "Info", message: /^Service (started|stopped|paused|resumed)$/u },
  { level: "Info", message: /^Simulation run (begins|goes on)$/u }
]

/** Runs a test watched, with a metric registry of its own. */
export const watched = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  test.pipe(
    Effect.scoped,
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.provide(LogWatch.layer({ allow: lifecycle }))
  )
