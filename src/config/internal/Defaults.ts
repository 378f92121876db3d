/** Pipelines without a configuration file, in the shape of one. */

/** What the embedded pipeline consists of. */
export interface Embedded {
  /** Whether it has the built-in simulation. */
  readonly engine: boolean
  /** Persistence services that compete for its queue. */
  readonly instances: number
}

/** The pipeline of `tickvault run`. */
export const run: Embedded = { engine: true, instances: 2 }

const engine = {
  className: "SimulationEngine",
  resources: { tickData: "queue-out:raw-tick-data", storage: "storage-write:storage-main" },
  options: { maxTicks: 20_000 }
}

const persistence = {
  className: "PersistenceService",
  resources: {
    input: "queue-in:raw-tick-data",
    storage: "storage-write:storage-main",
    dlq: "queue-out:persistence-dlq",
    idempotencyTracker: "persistence-idempotency"
  }
}

/** The embedded pipeline as a document. */
export const document = (embedded: Embedded) => {
  const services = {
    ...(embedded.engine ? { "simulation-engine": engine } : {}),
    ...Object.fromEntries(
      Array.from({ length: embedded.instances }, (_, index) => [`persistence-${index + 1}`, persistence])
    )
  }
  return {
    pipeline: {
      resources: {
        "storage-main": { className: "FileStorage" },
        "raw-tick-data": { className: "TickQueue" },
        "persistence-dlq": { className: "FileDeadLetterQueue" },
        "persistence-idempotency": { className: "IdempotencyTracker" }
      },
      services,
      startupSequence: Object.keys(services)
    }
  }
}
