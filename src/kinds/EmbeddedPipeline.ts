/**
 * The pipeline that runs without a configuration file, in the form of a configuration file.
 *
 * ```ts
 * import { EmbeddedPipeline } from "tickvault"
 *
 * export const four = EmbeddedPipeline.document({ engine: true, instances: 4 })
 * ```
 */
import * as FileDeadLetterQueue from "./FileDeadLetterQueueKind.ts"
import * as FileStorage from "./FileStorageKind.ts"
import * as IdempotencyTracker from "./IdempotencyTrackerKind.ts"
import * as PersistenceService from "./PersistenceServiceKind.ts"
import * as SimulationEngine from "./SimulationEngineKind.ts"
import * as TickQueue from "./TickQueueKind.ts"

/** The parts of the embedded pipeline. */
export interface Embedded {
  /** Whether it has the built-in simulation. */
  readonly engine: boolean
  /** Persistence services that compete for its queue. */
  readonly instances: number
}

/** The pipeline of `tickvault run`. */
export const run: Embedded = { engine: true, instances: 2 }

/** The names of its parts. Environment variables contain them. */
export const names = {
  engine: "simulation-engine",
  queue: "raw-tick-data",
  storage: "storage-main",
  deadLetters: "persistence-dlq",
  tracker: "persistence-idempotency",
  persistence: (index: number) => `persistence-${index}`
}

const engine = {
  className: SimulationEngine.kind.name,
  resources: { tickData: `queue-out:${names.queue}`, storage: `storage-write:${names.storage}` },
  options: { maxTicks: 20_000 }
}

const persistence = {
  className: PersistenceService.kind.name,
  resources: {
    input: `queue-in:${names.queue}`,
    storage: `storage-write:${names.storage}`,
    dlq: `queue-out:${names.deadLetters}`,
    idempotencyTracker: names.tracker
  }
}

/** The embedded pipeline, for `PipelineConfig.resolve`. */
export const document = (embedded: Embedded) => {
  const services = {
    ...(embedded.engine ? { [names.engine]: engine } : {}),
    ...Object.fromEntries(
      Array.from({ length: embedded.instances }, (_, index) => [names.persistence(index + 1), persistence])
    )
  }
  const resources = {
    [names.storage]: { className: FileStorage.kind.name },
    [names.queue]: { className: TickQueue.kind.name },
    [names.deadLetters]: { className: FileDeadLetterQueue.kind.name },
    [names.tracker]: { className: IdempotencyTracker.kind.name }
  }
  return { value: { pipeline: { resources, services, startupSequence: Object.keys(services) } } }
}
