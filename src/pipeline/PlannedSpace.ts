/**
 * Estimates how much a pipeline will store, before it starts. Each estimate names its basis.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import type { PipelineConfig } from "tickvault/config/PipelineConfig"
 * import * as PlannedSpace from "tickvault/pipeline/PlannedSpace"
 *
 * export const bytesFor = (config: PipelineConfig, storage: string) =>
 *   Effect.map(PlannedSpace.ofEngines(config), (planned) => planned.get(storage)?.bytes)
 * ```
 */
import * as Effect from "effect/Effect"
import { type ConfiguredStorage, type PipelineConfig, startedOf } from "../config/Configured.ts"
import type * as FolderChecks from "../storage/FolderChecks.ts"

/** The estimate for one storage. */
export type Planned = FolderChecks.Planned

/** The estimates by the name of the storage. A storage without one gets nothing, as far as is known. */
export type PlannedSpace = ReadonlyMap<string, Planned>

/** The space that `ticks` take in the storage of this name. */
const inStorage = (
  { resources }: PipelineConfig,
  name: string,
  ticks: Planned,
  madeBy: Parameters<ConfiguredStorage["planned"]>[1]
): Planned => {
  const storage = resources[name]
  return storage?.role === "storage" ? storage.planned(ticks, madeBy) : ticks
}

const add = (planned: Map<string, Planned>, storage: string, { basis, bytes }: Planned) => {
  const before = planned.get(storage)
  if (before === undefined) return void planned.set(storage, { basis, bytes })
  const sum = before.bytes === undefined || bytes === undefined ? undefined : before.bytes + bytes
  planned.set(storage, { bytes: sum, basis: `${before.basis}, and ${basis}` })
}

/**
 * The space for the ticks of the engines that start with the pipeline: those after tick `done`, each as large as the first
 * tick.
 */
export const ofEngines = Effect.fnUntraced(function* (
  config: PipelineConfig,
  done = 0
): Effect.fn.Return<PlannedSpace> {
  const planned = new Map<string, Planned>()
  for (const engine of startedOf(config, "engine")) {
    const stores = startedOf(config, "persistence").find(
      ({ resources }) => resources.input === engine.resources.tickData
    )
    if (stores === undefined) continue
    const { storage } = stores.resources
    add(planned, storage, inStorage(config, storage, yield* engine.planned(done), "engine"))
  }
  return planned
})

/** The space for `planned` in the storages of the queue. Several storages share the ticks, and each may get all. */
export const ofInput = (config: PipelineConfig, planned: Planned): PlannedSpace =>
  new Map(
    startedOf(config, "persistence").map(
      ({ resources: { storage } }) => [storage, inStorage(config, storage, planned, "unknown")] as const
    )
  )
