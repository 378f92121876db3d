/**
 * Builds the resources of a pipeline from their layers, once each, and the services on them.
 *
 * A service gets the context of each resource that it is connected to.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Compression } from "../../batch/Compression.ts"
import type {
  ConfiguredDeadLetterQueue,
  ConfiguredEngine,
  ConfiguredPersistence,
  ConfiguredQueue,
  ConfiguredRecovery,
  ConfiguredResource,
  ConfiguredStorage,
  ConfiguredTracker,
  PipelineConfig,
  Resumption
} from "../../config/Configured.ts"
import * as DeadLetterQueue from "../../deadletter/DeadLetterQueue.ts"
import * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../ledger/RunLedger.ts"
import type * as PersistenceService from "../../persistence/PersistenceService.ts"
import { TickQueue } from "../../queue/TickQueue.ts"
import * as Recall from "../../recall/Recall.ts"
import type * as RecoveryService from "../../replay/RecoveryService.ts"
import type * as Service from "../../service/Service.ts"
import type * as SimulationEngine from "../../simulation/SimulationEngine.ts"
import * as Storage from "../../storage/Storage.ts"

/** A pipeline by roles and names, in the order of its configuration. */
export interface Pipeline {
  readonly services: ReadonlyMap<string, Service.Service<unknown>>
  readonly engines: ReadonlyMap<string, SimulationEngine.Instance>
  readonly persistence: ReadonlyMap<string, PersistenceService.Instance>
  readonly recovery: ReadonlyMap<string, RecoveryService.Instance>
  readonly queues: ReadonlyMap<string, TickQueue["Service"]>
  readonly storages: ReadonlyMap<string, Storage.Storage["Service"]>
  readonly deadLetterQueues: ReadonlyMap<string, DeadLetterQueue.DeadLetterQueue["Service"]>
}

/** A storage with the compression of its batches, its ledgers, and the recall of earlier ticks. */
interface BuiltStorage {
  readonly context: Context.Context<Storage.Storage | Compression | RunLedger.RunLedger>
  readonly recall: Recall.Recall
}

interface BuiltTracker {
  readonly context: Context.Context<IdempotencyTracker.IdempotencyTracker>
  readonly recalls: boolean
}

/** The resources of a pipeline by role and name. */
class Resources {
  readonly queues = new Map<string, Context.Context<TickQueue>>()
  readonly storages = new Map<string, BuiltStorage>()
  readonly deadLetterQueues = new Map<string, Context.Context<DeadLetterQueue.DeadLetterQueue>>()
  readonly trackers = new Map<string, BuiltTracker>()
}

const addQueue = Effect.fnUntraced(function* (into: Resources, { layer, name }: ConfiguredQueue) {
  into.queues.set(name, yield* Layer.build(layer))
})

const addStorage = Effect.fnUntraced(function* (into: Resources, { layer, name }: ConfiguredStorage) {
  const withLedgers = Layer.provideMerge(Layer.effect(RunLedger.RunLedger, RunLedger.make), layer)
  const context = yield* Layer.build(withLedgers)
  into.storages.set(name, { context, recall: yield* Effect.provideContext(Recall.make, context) })
})

const addDeadLetterQueue = Effect.fnUntraced(function* (into: Resources, { layer, name }: ConfiguredDeadLetterQueue) {
  into.deadLetterQueues.set(name, yield* Layer.build(layer))
})

const addTracker = Effect.fnUntraced(function* (into: Resources, { layer, name, recalls }: ConfiguredTracker) {
  const context = yield* Layer.build(
    layer((runId) => {
      for (const { recall } of into.storages.values()) recall.forget(runId)
    })
  )
  into.trackers.set(name, { context, recalls })
})

/** Builds one resource in the scope. */
const buildResource = (into: Resources, configured: ConfiguredResource) => {
  switch (configured.role) {
    case "queue":
      return addQueue(into, configured)
    case "storage":
      return addStorage(into, configured)
    case "dead-letter queue":
      return addDeadLetterQueue(into, configured)
    case "idempotency tracker":
      return addTracker(into, configured)
  }
}

/** The resource `name`, which must exist. Its absence is a bug of `PipelineConfig.resolve`. */
const named = <A>(resources: ReadonlyMap<string, A>, name: string): Effect.Effect<A> => {
  const found = resources.get(name)
  return found === undefined
    ? Effect.die(new Error(`resource "${name}" is referred to but was not built`))
    : Effect.succeed(found)
}

/**
 * The tracker `name`, with the recall of the storage if its kind recalls. Without a name, a tracker that remembers nothing.
 */
const trackerOf = Effect.fnUntraced(function* (resources: Resources, name: string | undefined, storage: BuiltStorage) {
  if (name === undefined) return yield* Layer.build(IdempotencyTracker.layerDiscard)
  const { context, recalls } = yield* named(resources.trackers, name)
  if (!recalls) return context
  const tracker = Context.get(context, IdempotencyTracker.IdempotencyTracker)
  return yield* Layer.build(
    Layer.succeed(IdempotencyTracker.IdempotencyTracker, Recall.attach(tracker, storage.recall))
  )
})

/** The context of every service that stores ticks: a storage with its compression and ledgers, and a tracker. */
const storing = Effect.fnUntraced(function* (resources: Resources, storage: string, tracker: string | undefined) {
  const built = yield* named(resources.storages, storage)
  return Context.merge(built.context, yield* trackerOf(resources, tracker, built))
})

const persistenceService = Effect.fnUntraced(function* (
  resources: Resources,
  { make, resources: names }: ConfiguredPersistence
) {
  const letters =
    names.dlq === undefined
      ? yield* Layer.build(Layer.effect(DeadLetterQueue.DeadLetterQueue, DeadLetterQueue.makeDiscard("none")))
      : yield* named(resources.deadLetterQueues, names.dlq)
  const context = Context.mergeAll(
    yield* named(resources.queues, names.input),
    yield* storing(resources, names.storage, names.idempotencyTracker),
    letters
  )
  return yield* Effect.provideContext(make, context)
})

const engineService = Effect.fnUntraced(function* (
  resources: Resources,
  { make, resources: names }: ConfiguredEngine,
  resumption: Resumption | undefined
) {
  const storage =
    names.storage === undefined
      ? yield* Layer.build(Layer.effect(Storage.Storage, Storage.makeMemory("none")))
      : (yield* named(resources.storages, names.storage)).context
  const context = Context.merge(yield* named(resources.queues, names.tickData), storage)
  return yield* Effect.provideContext(make(resumption), context)
})

const recoveryService = Effect.fnUntraced(function* (
  resources: Resources,
  { make, resources: names }: ConfiguredRecovery
) {
  const context = Context.merge(
    yield* storing(resources, names.storage, names.idempotencyTracker),
    yield* named(resources.deadLetterQueues, names.dlq)
  )
  return yield* Effect.provideContext(make, context)
})

/** The services of `config`, built and stopped, in its order and by their roles. */
const buildServices = Effect.fnUntraced(function* (
  config: PipelineConfig,
  resources: Resources,
  resume: ReadonlyMap<string, Resumption>
) {
  const services = new Map<string, Service.Service<unknown>>()
  const engines = new Map<string, SimulationEngine.Instance>()
  const persistence = new Map<string, PersistenceService.Instance>()
  const recovery = new Map<string, RecoveryService.Instance>()
  /** Adds a service to all services, and to those of its role. */
  const add = <A extends Service.Service<unknown>>(ofRole: Map<string, A>, service: A): void => {
    ofRole.set(service.name, service)
    services.set(service.name, service)
  }
  for (const service of Object.values(config.services)) {
    switch (service.role) {
      case "engine":
        add(engines, yield* engineService(resources, service, resume.get(service.name)))
        break
      case "persistence":
        add(persistence, yield* persistenceService(resources, service))
        break
      case "recovery":
        add(recovery, yield* recoveryService(resources, service))
        break
    }
  }
  return { services, engines, persistence, recovery }
})

/** The one service of each context. */
const servicesIn = <Id, Service>(
  contexts: ReadonlyMap<string, Context.Context<Id>>,
  tag: Context.Key<Id, Service>
): ReadonlyMap<string, Service> => new Map([...contexts].map(([name, context]) => [name, Context.get(context, tag)]))

/** Builds all of `config`, the services stopped, in the scope. */
export const pipeline = Effect.fnUntraced(function* (config: PipelineConfig, resume: ReadonlyMap<string, Resumption>) {
  const resources = new Resources()
  yield* Effect.forEach(Object.values(config.resources), (resource) => buildResource(resources, resource))
  const built: Pipeline = {
    ...(yield* buildServices(config, resources, resume)),
    queues: servicesIn(resources.queues, TickQueue),
    deadLetterQueues: servicesIn(resources.deadLetterQueues, DeadLetterQueue.DeadLetterQueue),
    storages: servicesIn(
      new Map([...resources.storages].map(([name, { context }]) => [name, context])),
      Storage.Storage
    )
  }
  return built
})
