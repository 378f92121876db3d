/** The pipeline of `tickvault run` without a configuration file, in the shape of one. */
export const document = {
  pipeline: {
    resources: {
      "storage-main": { className: "FileStorage" },
      "raw-tick-data": { className: "TickQueue" },
      "persistence-dlq": { className: "FileDeadLetterQueue" },
      "persistence-idempotency": { className: "IdempotencyTracker" }
    },
    services: {
      "simulation-engine": {
        className: "SimulationEngine",
        resources: { tickData: "queue-out:raw-tick-data", storage: "storage-write:storage-main" },
        options: { maxTicks: 20_000 }
      },
      "persistence-1": persistence(),
      "persistence-2": persistence()
    },
    startupSequence: ["simulation-engine", "persistence-1", "persistence-2"]
  }
}

function persistence() {
  return {
    className: "PersistenceService",
    resources: {
      input: "queue-in:raw-tick-data",
      storage: "storage-write:storage-main",
      dlq: "queue-out:persistence-dlq",
      idempotencyTracker: "persistence-idempotency"
    }
  }
}
