/**
 * The storage and the options for replaying the letters of a queue, taken from the configured services.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Compression from "../../batch/Compression.ts"
import { DeadLetterQueue } from "../../deadletter/DeadLetterQueue.ts"
import * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../ledger/RunLedger.ts"
import type * as PersistenceService from "../../persistence/PersistenceService.ts"
import { type ConfiguredStorage, type Lasting, type PipelineConfig, servicesOf } from "../../config/Configured.ts"
import * as Kinds from "../../kinds/Kinds.ts"
import * as Replay from "../../replay/Replay.ts"
import * as Storage from "../../storage/Storage.ts"
import * as options from "../options.ts"
import * as StoredRuns from "../StoredRuns.ts"

/** The storage and the options of a replay. */
export interface Target {
  readonly storage: ConfiguredStorage
  /** The lasting place of the storage. */
  readonly lasting: Lasting<Storage.Storage["Service"]>
  /** The options of a persistence service that sends its letters to the queue. Absent: those of replays by default. */
  readonly persistence: typeof PersistenceService.Options.Type | undefined
}

const cannot = (problem: string) => Effect.fail(new options.CannotStart({ problem }))

/**
 * The target for the letters of the queue `dlq`: the storage of the persistence services that send them, or of the
 * recovery service that replays them. Fails with `CannotStart` when that is not exactly one storage.
 */
export const of = Effect.fnUntraced(function* (config: PipelineConfig, dlq: string) {
  const senders = servicesOf(config, "persistence").filter(({ resources }) => resources.dlq === dlq)
  const recovering = servicesOf(config, "recovery")
    .filter(({ resources }) => resources.dlq === dlq)
    .map(({ resources }) => resources.storage)
  const names = new Set(recovering.length > 0 ? recovering : senders.map(({ resources }) => resources.storage))
  const [name, ...others] = names
  const advice = `give ${dlq} a ${Kinds.withRole("recovery")} that names the storage (it need not be in startupSequence)`
  if (name === undefined) return yield* cannot(`no ${Kinds.withRole("persistence")} sends letters to ${dlq}: ${advice}`)
  if (others.length > 0) {
    return yield* cannot(`letters of ${dlq} could go into ${[...names].join(" or ")}: ${advice}`)
  }
  const storage = config.resources[name]
  if (storage?.role !== "storage" || storage.lasting === undefined) {
    return yield* cannot(`letters of ${dlq} belong to storage ${name}, which ends with the process`)
  }
  yield* StoredRuns.checkExists(storage.lasting)
  const sender = senders.find(({ resources }) => resources.storage === name)
  const target: Target = { storage, lasting: storage.lasting, persistence: sender?.replay }
  return target
})

const make = (queue: DeadLetterQueue["Service"], { persistence }: Target) =>
  (persistence === undefined ? Replay.make("dlq-replay") : Replay.makeWith("dlq-replay", persistence)).pipe(
    Effect.provideService(DeadLetterQueue, queue),
    Effect.provideServiceEffect(IdempotencyTracker.IdempotencyTracker, IdempotencyTracker.makeMemory("replay"))
  )

/** The replay of the queue into its target. Other processes may use the same folders meanwhile. */
export const replays = Effect.fnUntraced(function* (queue: DeadLetterQueue["Service"], target: Target) {
  return yield* make(queue, target).pipe(
    Effect.provideServiceEffect(RunLedger.RunLedger, RunLedger.make),
    Effect.provideContext(yield* Layer.build(target.storage.layer))
  )
})

/** Only for previews: it opens the storage read-only. */
export const previews = Effect.fnUntraced(function* (queue: DeadLetterQueue["Service"], target: Target) {
  return yield* make(queue, target).pipe(
    Effect.provideService(RunLedger.RunLedger, RunLedger.discard),
    Effect.provideService(Storage.Storage, yield* target.lasting.read),
    Effect.provide(Compression.layerNone)
  )
})
