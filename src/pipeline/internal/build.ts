/**
 * Builds the resources of a pipeline from their layers, once each, and the services on them.
 *
 * A service gets what its resources are: the context of each that it is connected to.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type {
  ConfiguredDeadLetterQueue,
  ConfiguredEngine,
  ConfiguredPersistence,
  ConfiguredQueue,
  ConfiguredRecovery,
  ConfiguredResource,
  ConfiguredStorage,
  ConfiguredTracker,
  Resumption
} from "../../config/Configured.ts"
import * as DeadLetterQueue from "../../deadletter/DeadLetterQueue.ts"
import * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../ledger/RunLedger.ts"
import type { TickQueue } from "../../queue/TickQueue.ts"
import * as Recall from "../../recall/Recall.ts"
import * as Storage from "../../storage/Storage.ts"

/** A storage with the ledgers that are kept in it, and what it had before. */
interface BuiltStorage {
  readonly context: Context.Context<Storage.Storage | RunLedger.RunLedger>
  readonly recall: Recall.Recall
}

interface BuiltTracker {
  readonly context: Context.Context<IdempotencyTracker.IdempotencyTracker>
  readonly recalls: boolean
}

/** The resources of a pipeline by role and name. */
export class Resources {
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
export const resource = (into: Resources, configured: ConfiguredResource) => {
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

/** What a configuration names and promises to be there; its absence is a fault of `PipelineConfig.resolve`. */
const named = <A>(resources: ReadonlyMap<string, A>, name: string): Effect.Effect<A> => {
  const found = resources.get(name)
  return found === undefined
    ? Effect.die(new Error(`resource "${name}" is referred to but was not built`))
    : Effect.succeed(found)
}

/** The tracker, which recalls what the storage had before if it is one that recalls; without a name one that finds nothing. */
const trackerOf = Effect.fnUntraced(function* (resources: Resources, name: string | undefined, storage: BuiltStorage) {
  if (name === undefined) return yield* Layer.build(IdempotencyTracker.layerDiscard)
  const { context, recalls } = yield* named(resources.trackers, name)
  if (!recalls) return context
  const tracker = Context.get(context, IdempotencyTracker.IdempotencyTracker)
  return yield* Layer.build(
    Layer.succeed(IdempotencyTracker.IdempotencyTracker, Recall.attach(tracker, storage.recall))
  )
})

/** What every service that stores ticks works on: a storage with its ledgers, and a tracker. */
const storing = Effect.fnUntraced(function* (resources: Resources, storage: string, tracker: string | undefined) {
  const built = yield* named(resources.storages, storage)
  return Context.merge(built.context, yield* trackerOf(resources, tracker, built))
})

export const persistence = Effect.fnUntraced(function* (
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

export const engine = Effect.fnUntraced(function* (
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

export const recovery = Effect.fnUntraced(function* (
  resources: Resources,
  { make, resources: names }: ConfiguredRecovery
) {
  const context = Context.merge(
    yield* storing(resources, names.storage, names.idempotencyTracker),
    yield* named(resources.deadLetterQueues, names.dlq)
  )
  return yield* Effect.provideContext(make, context)
})
