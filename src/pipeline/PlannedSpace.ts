/**
 * How much a pipeline is going to store, as far as that can be told before it starts. Rough, and says so.
 */
import * as Effect from "effect/Effect"
import * as Tick from "../domain/Tick.ts"
import * as World from "../simulation/World.ts"
import type { PersistenceServiceService, PipelineConfig, SimulationEngineService } from "../config/PipelineConfig.ts"

/** What is going to be stored in one storage. */
export interface Planned {
  /** `undefined`: nobody can tell. */
  readonly bytes: number | undefined
  /** What the number rests on, in words. */
  readonly basis: string
}

/** By the name of the storage; one that is not in it gets nothing, or nothing that is known of. */
export type PlannedSpace = ReadonlyMap<string, Planned>

/** Larger worlds are not made for their size alone: that would take longer than all other checks. */
const mostCells = 65_536

const persistenceOf = ({ services, startupSequence }: PipelineConfig): ReadonlyArray<PersistenceServiceService> =>
  startupSequence.flatMap((name) => {
    const service = services[name]
    return service?._tag === "PersistenceService" ? [service] : []
  })

/** Bytes of the first tick of the engine's world. */
const firstTick = (engine: SimulationEngineService) =>
  World.make(engine.world).pipe(
    Effect.flatMap((world) => world.snapshot("", 0n)),
    Effect.map((snapshot) => Tick.fromMessage(snapshot).payload.length)
  )

const ofEngine = Effect.fnUntraced(function* (
  engine: SimulationEngineService,
  done: number
): Effect.fn.Return<Planned> {
  const { maxTicks, samplingInterval } = engine.options
  if (maxTicks === undefined) return { bytes: undefined, basis: `${engine.name} has no maxTicks` }
  const cells = engine.world.shape.reduce((product, extent) => product * extent, 1)
  if (cells > mostCells) return { bytes: undefined, basis: `the world of ${engine.name} is large` }
  const ticks = Math.max(0, Math.floor((maxTicks - done) / samplingInterval))
  const bytes = yield* firstTick(engine)
  return { bytes: ticks * bytes, basis: `${ticks} ticks of the size of the first one, ${bytes} bytes; they may grow` }
})

/**
 * How much smaller zstd makes ticks at least: measured ones became 28 to 400 times as small. Few are taken for a promise,
 * as a disk that is too full is worse than one that is said to be.
 */
const leastCompression = 10

/** What `planned` takes in the storage of this name. `proviso` is what that rests on, in words. */
const compressed = (
  { resources }: PipelineConfig,
  storage: string,
  { basis, bytes }: Planned,
  proviso = ""
): Planned => {
  const resource = resources[storage]
  const isCompressed = resource?._tag === "FileStorage" && resource.options.compression !== "none"
  if (bytes === undefined || !isCompressed) return { basis, bytes }
  return {
    bytes: Math.ceil(bytes / leastCompression),
    basis: `${basis}; compressed to a ${leastCompression}th of that or less${proviso}`
  }
}

const add = (planned: Map<string, Planned>, storage: string, { basis, bytes }: Planned) => {
  const before = planned.get(storage)
  if (before === undefined) return void planned.set(storage, { basis, bytes })
  const sum = before.bytes === undefined || bytes === undefined ? undefined : before.bytes + bytes
  planned.set(storage, { bytes: sum, basis: `${before.basis}, and ${basis}` })
}

/**
 * What the engines that start with the pipeline are going to make: their ticks after tick `done`, each as large as the
 * first one.
 */
export const ofEngines = (config: PipelineConfig, done = 0): Effect.Effect<PlannedSpace> =>
  Effect.gen(function* () {
    const planned = new Map<string, Planned>()
    for (const name of config.startupSequence) {
      const engine = config.services[name]
      if (engine?._tag !== "SimulationEngine") continue
      const stores = persistenceOf(config).find(({ resources }) => resources.input === engine.resources.tickData)
      if (stores === undefined) continue
      const { storage } = stores.resources
      add(planned, storage, compressed(config, storage, yield* ofEngine(engine, done)))
    }
    return planned
  })

/** Who made the ticks is not known, nor what is in them. */
const unlessRandom = ", unless its ticks don't compress"

/** That `planned` comes through the queue; several storages that take from it share it, and each may get all of it. */
export const ofInput = (config: PipelineConfig, planned: Planned): PlannedSpace =>
  new Map(
    persistenceOf(config).map(
      ({ resources: { storage } }) => [storage, compressed(config, storage, planned, unlessRandom)] as const
    )
  )
