/**
 * The resources of a pipeline, made once and shared by reference.
 */
import * as Effect from "effect/Effect"
import * as DeadLetterQueue from "../../deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "../../deadletter/FileDeadLetterQueue.ts"
import * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../ledger/RunLedger.ts"
import * as TickQueue from "../../queue/TickQueue.ts"
import * as Recall from "../../recall/Recall.ts"
import * as FileStorage from "../../storage/FileStorage.ts"
import * as Storage from "../../storage/Storage.ts"
import type * as Config from "../../config/PipelineConfig.ts"

/** The resources of a pipeline by name, kind by kind. */
export class Resources {
  readonly queues = new Map<string, TickQueue.TickQueue["Service"]>()
  readonly storages = new Map<string, Storage.Storage["Service"]>()
  /** By the name of their storage. */
  readonly ledgers = new Map<string, RunLedger.RunLedger["Service"]>()
  readonly deadLetterQueues = new Map<string, DeadLetterQueue.DeadLetterQueue["Service"]>()
  /** What each storage had before, by its name. */
  readonly recalls = new Map<string, Recall.Recall>()
  /** Names of the trackers that also know that. */
  readonly recalling = new Set<string>()
  readonly trackers = new Map<string, IdempotencyTracker.IdempotencyTracker["Service"]>()
}

/** A storage, and the ledgers that are kept in it. */
const addStorage = Effect.fnUntraced(function* (into: Resources, name: string, storage: Storage.Storage["Service"]) {
  into.storages.set(name, storage)
  into.recalls.set(name, yield* Recall.make(storage))
  into.ledgers.set(name, yield* Effect.provideService(RunLedger.make, Storage.Storage, storage))
})

/** A tracker; one of ranges also knows what the storages had before. */
const addTracker = Effect.fnUntraced(function* (
  into: Resources,
  name: string,
  config: Config.IdempotencyTrackerResource
) {
  if (config.options.memory === "keys") {
    return void into.trackers.set(name, yield* IdempotencyTracker.makeMemory(name, config.encoded))
  }
  const tracker = yield* IdempotencyTracker.makeRanges(name, config.encoded, (runId) => {
    for (const recall of into.recalls.values()) recall.forget(runId)
  })
  into.trackers.set(name, tracker)
  into.recalling.add(name)
})

/** Makes the resource `name` in the scope, and puts it where it belongs. */
export const build = Effect.fnUntraced(function* (into: Resources, name: string, resource: Config.Resource) {
  switch (resource._tag) {
    case "TickQueue":
      return void into.queues.set(name, yield* TickQueue.make(name, resource.encoded))
    case "FileStorage":
      return yield* addStorage(into, name, yield* FileStorage.make(name, resource.encoded))
    case "InMemoryStorage":
      return yield* addStorage(into, name, yield* Storage.makeMemory(name, resource.encoded))
    case "InMemoryDeadLetterQueue":
      return void into.deadLetterQueues.set(name, yield* DeadLetterQueue.makeMemory(name, resource.encoded))
    case "FileDeadLetterQueue":
      return void into.deadLetterQueues.set(name, yield* FileDeadLetterQueue.make(name, resource.encoded))
    case "DiscardDeadLetterQueue":
      return void into.deadLetterQueues.set(name, yield* DeadLetterQueue.makeDiscard(name))
    case "IdempotencyTracker":
      return yield* addTracker(into, name, resource)
    case "DiscardIdempotencyTracker":
      return void into.trackers.set(name, IdempotencyTracker.discard)
  }
})

/** What a configuration names and promises to be there; its absence is a fault of `PipelineConfig.resolve`. */
export const named = <A>(resources: ReadonlyMap<string, A>, name: string): Effect.Effect<A> => {
  const resource = resources.get(name)
  return resource === undefined
    ? Effect.die(new Error(`resource "${name}" is referred to but was not built`))
    : Effect.succeed(resource)
}
