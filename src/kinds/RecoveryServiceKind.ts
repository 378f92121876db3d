/** The kind of the service that replays dead letters. */
import { type ConfiguredRecovery, type Note, type PipelineConfig, servicesOf } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as RecoveryService from "../replay/RecoveryService.ts"

/** Notes when letters would not go to the storage of the services that send them. */
const notes = ({ dlq, storage }: ConfiguredRecovery["resources"], config: PipelineConfig): ReadonlyArray<Note> => {
  const senders = servicesOf(config, "persistence").filter(({ resources }) => resources.dlq === dlq)
  const storages = new Set(senders.map(({ resources }) => resources.storage))
  if (storages.size === 0) return [{ path: "resources.dlq", message: "no persistence service sends letters to it" }]
  if (storages.has(storage)) return []
  const message = `batches of these letters were meant for ${[...storages].join(" and ")}: they are stored here`
  return [{ path: "resources.storage", message }]
}

export const kind = Kind.service({
  name: "RecoveryService",
  role: "recovery",
  options: Kind.options(RecoveryService.Options),
  ports: {
    dlq: { usage: "queue-in", role: "dead-letter queue", required: true },
    storage: { usage: "storage-write", role: "storage", required: true },
    idempotencyTracker: { usage: undefined, role: "idempotency tracker", required: false }
  },
  configure: (
    self,
    { dlq, idempotencyTracker, storage }
  ): ConfiguredRecovery<typeof RecoveryService.Options.Type> | undefined => {
    if (dlq === undefined || storage === undefined) return undefined
    const resources = { dlq, storage, idempotencyTracker }
    return {
      ...self,
      role: "recovery",
      resources,
      make: RecoveryService.makeWith(self.name, self.options),
      notes: (config) => notes(resources, config)
    }
  }
})
