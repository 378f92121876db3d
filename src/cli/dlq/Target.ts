/**
 * Where the letters of a queue are replayed into, and how: as the services of the configuration would.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { DeadLetterQueue } from "../../deadletter/DeadLetterQueue.ts"
import * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../ledger/RunLedger.ts"
import type * as PersistenceService from "../../persistence/PersistenceService.ts"
import type { PipelineConfig } from "../../config/PipelineConfig.ts"
import * as Replay from "../../replay/Replay.ts"
import * as FileStorage from "../../storage/FileStorage.ts"
import * as Storage from "../../storage/Storage.ts"
import * as StoredFiles from "../../storage/StoredFiles.ts"
import * as options from "../options.ts"
import * as StoredRuns from "../StoredRuns.ts"

/** What a replay of a queue's letters works with. */
export interface Target {
  /** The storage's options. */
  readonly storage: typeof FileStorage.Options.Encoded
  readonly name: string
  /** The options of a persistence service that sends its letters to the queue. */
  readonly persistence: typeof PersistenceService.Options.Encoded
}

const cannot = (problem: string) => Effect.fail(new options.CannotStart({ problem }))

/**
 * The target of the letters of the queue `dlq`: the storage of the persistence services that send them, or of the
 * recovery service that is to replay them. Fails with `CannotStart` when that is not exactly one.
 */
export const of = Effect.fnUntraced(function* (config: PipelineConfig, dlq: string) {
  const services = Object.values(config.services)
  const senders = services.flatMap((one) =>
    one._tag === "PersistenceService" && one.resources.dlq === dlq ? [one] : []
  )
  const recovering = services.flatMap((one) =>
    one._tag === "RecoveryService" && one.resources.dlq === dlq ? [one.resources.storage] : []
  )
  const names = new Set(recovering.length > 0 ? recovering : senders.map(({ resources }) => resources.storage))
  const [name, ...others] = names
  const advice = `give ${dlq} a RecoveryService that names the storage (it need not be in startupSequence)`
  if (name === undefined) return yield* cannot(`no PersistenceService sends letters to ${dlq}: ${advice}`)
  if (others.length > 0) {
    return yield* cannot(`letters of ${dlq} could go into ${[...names].join(" or ")}: ${advice}`)
  }
  const storage = config.resources[name]
  if (storage?._tag !== "FileStorage") {
    return yield* cannot(`letters of ${dlq} are of storage ${name}, which ends with the process that has it`)
  }
  yield* StoredRuns.checkFolder(storage.options.rootDirectory)
  const sender = senders.find(({ resources }) => resources.storage === name)
  const target: Target = { name, storage: storage.encoded, persistence: sender?.encoded ?? {} }
  return target
})

const make = (
  queue: DeadLetterQueue["Service"],
  { persistence }: Target,
  storage: Storage.Storage["Service"],
  ledger: RunLedger.RunLedger["Service"]
) =>
  Effect.gen(function* () {
    const context = Context.make(Storage.Storage, storage).pipe(
      Context.add(DeadLetterQueue, queue),
      Context.add(RunLedger.RunLedger, ledger),
      Context.add(IdempotencyTracker.IdempotencyTracker, yield* IdempotencyTracker.makeMemory("replay"))
    )
    return yield* Effect.provideContext(Replay.make("dlq-replay", persistence), context)
  })

/** Replays of the queue into its target. Other processes may use the same folders all the while. */
export const replays = Effect.fnUntraced(function* (queue: DeadLetterQueue["Service"], target: Target) {
  const storage = yield* FileStorage.make(target.name, target.storage)
  const ledger = yield* Effect.provideService(RunLedger.make, Storage.Storage, storage)
  return yield* make(queue, target, storage, ledger)
})

/** The same for previews only: changes nothing, and can't. */
export const previews = Effect.fnUntraced(function* (queue: DeadLetterQueue["Service"], target: Target) {
  const storage = yield* StoredFiles.make(target.name, target.storage.rootDirectory ?? "")
  return yield* make(queue, target, storage, RunLedger.discard)
})
