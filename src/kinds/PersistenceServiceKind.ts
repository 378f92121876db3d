/** The kind of the service that stores the ticks of a queue. */
import * as Duration from "effect/Duration"
import type { ConfiguredPersistence, Note, PipelineConfig } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as ValueText from "../domain/ValueText.ts"
import * as PersistenceService from "../persistence/PersistenceService.ts"

type Options = typeof PersistenceService.Options.Type

const notes = (dlq: string | undefined, { shutdownTimeout }: Options, config: PipelineConfig): ReadonlyArray<Note> => [
  ...(dlq === undefined
    ? [{ path: "resources.dlq", message: "has no dead-letter queue: A BATCH THAT CAN'T BE STORED IS LOST" }]
    : []),
  ...(Duration.isGreaterThan(shutdownTimeout, config.shutdownTimeout)
    ? [
        {
          path: "options.shutdownTimeout",
          message: `is cut short by the pipeline's own shutdownTimeout of ${ValueText.duration(config.shutdownTimeout)}`
        }
      ]
    : [])
]

export const kind = Kind.service({
  name: "PersistenceService",
  role: "persistence",
  options: Kind.options(PersistenceService.Options),
  flags: {
    maxBatchSize: "maxBatchSize",
    batchTimeoutSeconds: "batchTimeoutSeconds",
    maxRetries: "maxRetries",
    retryBackoffMs: "retryBackoffMs",
    mixedRuns: "mixedRuns"
  },
  ports: {
    input: { usage: "queue-in", role: "queue", required: true },
    storage: { usage: "storage-write", role: "storage", required: true },
    dlq: { usage: "queue-out", role: "dead-letter queue", required: false },
    idempotencyTracker: { usage: undefined, role: "idempotency tracker", required: false }
  },
  configure: (self, { dlq, idempotencyTracker, input, storage }): ConfiguredPersistence<Options> | undefined =>
    input === undefined || storage === undefined
      ? undefined
      : {
          ...self,
          role: "persistence",
          resources: { input, storage, dlq, idempotencyTracker },
          replay: self.options,
          make: PersistenceService.makeWith(self.name, self.options),
          notes: (config) => notes(dlq, self.options, config)
        }
})
