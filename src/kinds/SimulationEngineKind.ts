/** The kind of the engine with the built-in simulation. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ConfiguredEngine, PipelineConfig, Resumption, Settings } from "../config/Configured.ts"
import { servicesOf } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as Tick from "../domain/Tick.ts"
import { Simulation } from "../simulation/Simulation.ts"
import * as SimulationEngine from "../simulation/SimulationEngine.ts"
import * as World from "../simulation/World.ts"
import type { Planned } from "../storage/FolderChecks.ts"

type Options = typeof SimulationEngine.Options.Type & typeof World.Options.Type

const engine = Kind.options(SimulationEngine.Options)
const world = Kind.options(World.Options)

/** Two schemas decode the options. The problems of both are reported at once. */
const decode = (raw: unknown): Kind.Decoded<Options> => {
  const [ofEngine, ofWorld] = [engine.decode(raw), world.decode(raw)]
  if (Result.isFailure(ofEngine)) {
    return Result.fail([...ofEngine.failure, ...(Result.isFailure(ofWorld) ? ofWorld.failure : [])])
  }
  return Result.map(ofWorld, (options) => ({ ...ofEngine.success, ...options }))
}

const worldOf = ({ organisms, seed, shape }: Options): typeof World.Options.Type => ({ shape, organisms, seed })

/** A larger world is not made only to measure its ticks: that would take longer than all other checks. */
const mostCells = 65_536

/** Bytes of the first tick of the world. */
const firstTick = (options: Options) =>
  World.make(worldOf(options)).pipe(
    Effect.flatMap((made) => made.snapshot("", 0n)),
    Effect.map((snapshot) => Tick.fromMessage(snapshot).payload.length)
  )

const planned = Effect.fnUntraced(function* (name: string, options: Options, done: number): Effect.fn.Return<Planned> {
  const { maxTicks, samplingInterval, shape } = options
  if (maxTicks === undefined) return { bytes: undefined, basis: `${name} has no maxTicks` }
  const cells = shape.reduce((product, extent) => product * extent, 1)
  if (cells > mostCells) return { bytes: undefined, basis: `the world of ${name} is large` }
  const ticks = Math.max(0, Math.floor((maxTicks - done) / samplingInterval))
  const bytes = yield* firstTick(options)
  return { bytes: ticks * bytes, basis: `${ticks} ticks of the size of the first one, ${bytes} bytes; they may grow` }
})

/** The engine, stopped. When it resumes a run, it has the settings with which the run began. */
const make = (name: string, options: Options, resumption: Resumption | undefined) =>
  resumption === undefined
    ? Effect.provideServiceEffect(SimulationEngine.makeWith(name, options), Simulation, World.make(worldOf(options)))
    : SimulationEngine.makeWith(
        name,
        { ...options, samplingInterval: resumption.settings.samplingInterval },
        resumption.resume
      ).pipe(Effect.provideServiceEffect(Simulation, World.make(resumption.settings.world)))

const notes = (tickData: string, config: PipelineConfig) => {
  if (servicesOf(config, "persistence").some(({ resources }) => resources.input === tickData)) return []
  const message = `no persistence service takes from ${tickData}: the engine waits when it is full`
  return [{ path: "resources.tickData", message }]
}

export const kind = Kind.service({
  name: "SimulationEngine",
  role: "engine",
  options: { fields: { ...engine.fields, ...world.fields }, decode },
  flags: { ticks: "maxTicks", seed: "seed" },
  ports: {
    tickData: { usage: "queue-out", role: "queue", required: true },
    storage: {
      usage: "storage-write",
      role: "storage",
      required: false,
      followsTicks: {
        of: "tickData",
        ask: "its ticks are stored in several places: say where the metadata goes"
      }
    }
  },
  configure: (self, { storage, tickData }): ConfiguredEngine<Options & Settings> | undefined => {
    if (tickData === undefined) return undefined
    const { name, options } = self
    return {
      ...self,
      role: "engine",
      resources: { tickData, storage },
      settings: { world: worldOf(options), samplingInterval: options.samplingInterval },
      maxTicks: options.maxTicks,
      make: (resumption) => make(name, options, resumption),
      planned: (done) => planned(name, options, done),
      notes: (config) => notes(tickData, config)
    }
  }
})
