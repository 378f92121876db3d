/**
 * The services of a pipeline, made stopped on the resources that the configuration connects them to.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as DeadLetterQueue from "../../deadletter/DeadLetterQueue.ts"
import * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../ledger/RunLedger.ts"
import * as PersistenceService from "../../persistence/PersistenceService.ts"
import * as TickQueue from "../../queue/TickQueue.ts"
import * as RecoveryService from "../../replay/RecoveryService.ts"
import * as Recall from "../../recall/Recall.ts"
import { Simulation } from "../../simulation/Simulation.ts"
import * as SimulationEngine from "../../simulation/SimulationEngine.ts"
import * as World from "../../simulation/World.ts"
import * as Storage from "../../storage/Storage.ts"
import type * as Config from "../../config/PipelineConfig.ts"
import type { Resumption } from "../ServiceManager.ts"
import * as Resources from "./Resources.ts"

/** The tracker of this name; one that recalls, recalls what `storage` had before. */
const trackerOf = Effect.fnUntraced(function* (resources: Resources.Resources, storage: string, name: string) {
  const tracker = yield* Resources.named(resources.trackers, name)
  if (!resources.recalling.has(name)) return tracker
  return Recall.attach(tracker, yield* Resources.named(resources.recalls, storage))
})

/** What stores ticks works with: a storage with its ledger, a dead-letter queue and a tracker. */
const storing = Effect.fnUntraced(function* (
  resources: Resources.Resources,
  storage: string,
  letters: DeadLetterQueue.DeadLetterQueue["Service"],
  tracker: string | undefined
) {
  return Context.mergeAll(
    Context.make(Storage.Storage, yield* Resources.named(resources.storages, storage)),
    Context.make(RunLedger.RunLedger, yield* Resources.named(resources.ledgers, storage)),
    Context.make(DeadLetterQueue.DeadLetterQueue, letters),
    Context.make(
      IdempotencyTracker.IdempotencyTracker,
      tracker === undefined ? IdempotencyTracker.discard : yield* trackerOf(resources, storage, tracker)
    )
  )
})

export const persistence = Effect.fnUntraced(function* (
  resources: Resources.Resources,
  config: Config.PersistenceServiceService
) {
  const { dlq, idempotencyTracker, input, storage } = config.resources
  const letters =
    dlq === undefined
      ? yield* DeadLetterQueue.makeDiscard("none")
      : yield* Resources.named(resources.deadLetterQueues, dlq)
  const context = Context.add(
    yield* storing(resources, storage, letters, idempotencyTracker),
    TickQueue.TickQueue,
    yield* Resources.named(resources.queues, input)
  )
  return yield* Effect.provideContext(PersistenceService.make(config.name, config.encoded), context)
})

export const engine = Effect.fnUntraced(function* (
  resources: Resources.Resources,
  config: Config.SimulationEngineService,
  resumption: Resumption | undefined
) {
  const { storage, tickData } = config.resources
  const context = Context.mergeAll(
    Context.make(TickQueue.TickQueue, yield* Resources.named(resources.queues, tickData)),
    Context.make(
      Storage.Storage,
      storage === undefined ? yield* Storage.makeMemory("none") : yield* Resources.named(resources.storages, storage)
    ),
    Context.make(Simulation, yield* World.make(resumption?.settings.world ?? config.world))
  )
  const made =
    resumption === undefined
      ? SimulationEngine.make(config.name, config.encoded)
      : SimulationEngine.make(
          config.name,
          { ...config.encoded, samplingInterval: resumption.settings.samplingInterval },
          resumption.resume
        )
  return yield* Effect.provideContext(made, context)
})

export const recovery = Effect.fnUntraced(function* (
  resources: Resources.Resources,
  config: Config.RecoveryServiceService
) {
  const { dlq, idempotencyTracker, storage } = config.resources
  const letters = yield* Resources.named(resources.deadLetterQueues, dlq)
  const context = yield* storing(resources, storage, letters, idempotencyTracker)
  return yield* Effect.provideContext(RecoveryService.make(config.name, config.encoded), context)
})
