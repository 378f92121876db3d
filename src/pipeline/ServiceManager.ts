/**
 * Builds the resources and services of a configuration and runs them by name.
 *
 * Resources are made first and shared by reference; services are made stopped and start in the order of
 * `startupSequence`. One failing service takes no other down. Closing the scope stops all services, then closes the
 * resources; `shutdown` before it lets them end in good order.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as DeadLetterQueue from "../deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "../deadletter/FileDeadLetterQueue.ts"
import * as IdempotencyTracker from "../idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../ledger/RunLedger.ts"
import type { Degraded } from "../persistence/Degraded.ts"
import * as PersistenceService from "../persistence/PersistenceService.ts"
import * as TickQueue from "../queue/TickQueue.ts"
import type * as Service from "../service/Service.ts"
import type { RunSettings } from "../simulation/RunSettings.ts"
import { Simulation, type RestoreError } from "../simulation/Simulation.ts"
import * as SimulationEngine from "../simulation/SimulationEngine.ts"
import * as World from "../simulation/World.ts"
import * as FileStorage from "../storage/FileStorage.ts"
import * as Storage from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import type * as Config from "./PipelineConfig.ts"

/** No service has this name. */
export class UnknownService extends Schema.TaggedError<UnknownService>()("UnknownService", {
  name: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message() {
    return `there is no service "${this.name}"; there are ${this.known.join(", ")}`
  }
}

/** How a service is. */
export interface ServiceStatus {
  readonly name: string
  readonly state: Service.State
  /** Why it is in `ERROR`. */
  readonly error: string | undefined
  /** There while a persistence service keeps a batch that storage and dead-letter queue both refuse. */
  readonly degraded: Degraded | undefined
  readonly metrics: Readonly<Record<string, number>>
}

/** How a resource is. */
export interface ResourceStatus {
  readonly name: string
  readonly kind: Config.Resource["_tag"]
  readonly metrics: Readonly<Record<string, number>>
}

export class ServiceManager extends Context.Service<
  ServiceManager,
  {
    /** The services by name, in the order of the configuration. */
    readonly services: ReadonlyMap<string, Service.Service>
    readonly engines: ReadonlyMap<string, SimulationEngine.Instance>
    readonly persistence: ReadonlyMap<string, PersistenceService.Instance>
    readonly queues: ReadonlyMap<string, TickQueue.TickQueue["Service"]>
    readonly storages: ReadonlyMap<string, Storage.Storage["Service"]>
    readonly deadLetterQueues: ReadonlyMap<string, DeadLetterQueue.DeadLetterQueue["Service"]>

    readonly start: (name: string) => Effect.Effect<void, UnknownService>
    readonly stop: (name: string) => Effect.Effect<void, UnknownService>
    readonly pause: (name: string) => Effect.Effect<void, UnknownService>
    readonly resume: (name: string) => Effect.Effect<void, UnknownService>
    readonly restart: (name: string) => Effect.Effect<void, UnknownService>

    /** Starts the services of `startupSequence` in its order. */
    readonly startAll: Effect.Effect<void>
    /** Stops all services: engines first, then the others at the same time. */
    readonly stopAll: Effect.Effect<void>
    readonly pauseAll: Effect.Effect<void>
    readonly resumeAll: Effect.Effect<void>
    readonly restartAll: Effect.Effect<void>

    readonly serviceStatus: Effect.Effect<ReadonlyArray<ServiceStatus>>
    readonly resourceStatus: Effect.Effect<ReadonlyArray<ResourceStatus>>

    /**
     * Ends in good order: stops the engines, ends the queues and waits until the running persistence services have
     * settled everything. Takes as long as it takes; bound it with the configuration's `shutdownTimeout`.
     */
    readonly shutdown: Effect.Effect<void>
  }
>()("tickvault/pipeline/ServiceManager") {}

/** A run that an engine goes on with. */
export interface Resumption {
  readonly resume: SimulationEngine.Resume
  /** What the run began with. Counts instead of the configured settings of the world and sampling interval. */
  readonly settings: RunSettings
}

/** The resources of a pipeline by name, kind by kind. */
class Resources {
  readonly queues = new Map<string, TickQueue.TickQueue["Service"]>()
  readonly storages = new Map<string, Storage.Storage["Service"]>()
  /** By the name of their storage. */
  readonly ledgers = new Map<string, RunLedger.RunLedger["Service"]>()
  readonly deadLetterQueues = new Map<string, DeadLetterQueue.DeadLetterQueue["Service"]>()
  readonly trackers = new Map<string, IdempotencyTracker.IdempotencyTracker["Service"]>()
}

/** A storage, and the ledgers that are kept in it. */
const addStorage = Effect.fnUntraced(function* (into: Resources, name: string, storage: Storage.Storage["Service"]) {
  into.storages.set(name, storage)
  into.ledgers.set(name, yield* Effect.provideService(RunLedger.make, Storage.Storage, storage))
})

const buildResource = Effect.fnUntraced(function* (into: Resources, name: string, resource: Config.Resource) {
  switch (resource._tag) {
    case "TickQueue":
      return void into.queues.set(name, yield* TickQueue.make(name, resource.encoded))
    case "FileStorage":
      return yield* addStorage(into, name, yield* FileStorage.make(name, resource.encoded))
    case "InMemoryStorage":
      return yield* addStorage(into, name, yield* Storage.makeMemory(name))
    case "InMemoryDeadLetterQueue":
      return void into.deadLetterQueues.set(name, yield* DeadLetterQueue.makeMemory(name, resource.encoded))
    case "FileDeadLetterQueue":
      return void into.deadLetterQueues.set(name, yield* FileDeadLetterQueue.make(name, resource.encoded))
    case "DiscardDeadLetterQueue":
      return void into.deadLetterQueues.set(name, yield* DeadLetterQueue.makeDiscard(name))
    case "IdempotencyTracker":
      return void into.trackers.set(name, yield* IdempotencyTracker.makeMemory(name, resource.encoded))
    case "DiscardIdempotencyTracker":
      return void into.trackers.set(name, IdempotencyTracker.discard)
  }
})

/** What a configuration names and promises to be there; its absence is a fault of `PipelineConfig.resolve`. */
const named = <A>(resources: ReadonlyMap<string, A>, name: string): Effect.Effect<A> => {
  const resource = resources.get(name)
  return resource === undefined
    ? Effect.die(new Error(`resource "${name}" is referred to but was not built`))
    : Effect.succeed(resource)
}

const buildPersistence = Effect.fnUntraced(function* (resources: Resources, config: Config.PersistenceServiceService) {
  const { dlq, idempotencyTracker, input, storage } = config.resources
  const context = Context.mergeAll(
    Context.make(TickQueue.TickQueue, yield* named(resources.queues, input)),
    Context.make(Storage.Storage, yield* named(resources.storages, storage)),
    Context.make(RunLedger.RunLedger, yield* named(resources.ledgers, storage)),
    Context.make(
      DeadLetterQueue.DeadLetterQueue,
      dlq === undefined ? yield* DeadLetterQueue.makeDiscard("none") : yield* named(resources.deadLetterQueues, dlq)
    ),
    Context.make(
      IdempotencyTracker.IdempotencyTracker,
      idempotencyTracker === undefined
        ? IdempotencyTracker.discard
        : yield* named(resources.trackers, idempotencyTracker)
    )
  )
  return yield* Effect.provideContext(PersistenceService.make(config.name, config.encoded), context)
})

const buildEngine = Effect.fnUntraced(function* (
  resources: Resources,
  config: Config.SimulationEngineService,
  resumption: Resumption | undefined
) {
  const { storage, tickData } = config.resources
  const context = Context.mergeAll(
    Context.make(TickQueue.TickQueue, yield* named(resources.queues, tickData)),
    Context.make(
      Storage.Storage,
      storage === undefined ? yield* Storage.makeMemory("none") : yield* named(resources.storages, storage)
    ),
    Context.make(Simulation, yield* World.make(resumption?.settings.world ?? config.world))
  )
  const engine =
    resumption === undefined
      ? SimulationEngine.make(config.name, config.encoded)
      : SimulationEngine.make(
          config.name,
          { ...config.encoded, samplingInterval: resumption.settings.samplingInterval },
          resumption.resume
        )
  return yield* Effect.provideContext(engine, context)
})

const statusOf = Effect.fnUntraced(function* (
  service: Service.Service,
  persistence: ReadonlyMap<string, PersistenceService.Instance>
): Effect.fn.Return<ServiceStatus> {
  const error = yield* service.error
  return {
    name: service.name,
    state: yield* service.state,
    error: error === undefined ? undefined : Cause.pretty(error),
    degraded: yield* persistence.get(service.name)?.degraded ?? Effect.undefined,
    metrics: yield* service.metrics
  }
})

const resourceStatus = (resources: Resources, config: Config.PipelineConfig) =>
  Effect.forEach(Object.entries(config.resources), ([name, { _tag }]) =>
    Effect.gen(function* (): Effect.fn.Return<ResourceStatus> {
      const queue = resources.queues.get(name)
      const letters = resources.deadLetterQueues.get(name)
      if (queue !== undefined) {
        return { name, kind: _tag, metrics: { ...(yield* queue.account), waitingBytes: yield* queue.waitingBytes } }
      }
      return { name, kind: _tag, metrics: letters === undefined ? {} : { current_size: yield* letters.size } }
    })
  )

const each = (of: ReadonlyArray<Service.Service>, operation: "start" | "stop" | "pause" | "resume") =>
  Effect.forEach(of, (service) => service[operation], { concurrency: "unbounded", discard: true })

/** What a pipeline is built with beside its configuration. */
export interface BuildOptions {
  /** Runs to go on with, by the names of their engines; the other engines begin new ones. Default none. */
  readonly resume?: ReadonlyMap<string, Resumption>
}

/** A run whose engine isn't there would begin anew under another name instead of going on. */
const checkEngines = (config: Config.PipelineConfig, resume: ReadonlyMap<string, Resumption>): Effect.Effect<void> => {
  const stray = [...resume.keys()].find((name) => config.services[name]?._tag !== "SimulationEngine")
  return stray === undefined ? Effect.void : Effect.die(new Error(`"${stray}" is to resume a run and is no engine`))
}

/**
 * Builds all of `config`, stopped, in the scope. Fails with `StorageError` when a folder can't be used, with `SchemaError`
 * on an option that `config` should not have, and with `RestoreError` when a run can't go on from the tick that it is to.
 * A name in `resume` that is no engine's is a defect.
 */
export const make = Effect.fnUntraced(function* (config: Config.PipelineConfig, options: BuildOptions = {}) {
  const resume = options.resume ?? new Map<string, Resumption>()
  yield* checkEngines(config, resume)
  const resources = new Resources()
  for (const [name, resource] of Object.entries(config.resources)) yield* buildResource(resources, name, resource)
  const services = new Map<string, Service.Service>()
  const engines = new Map<string, SimulationEngine.Instance>()
  const persistence = new Map<string, PersistenceService.Instance>()
  for (const [name, service] of Object.entries(config.services)) {
    if (service._tag === "SimulationEngine") engines.set(name, yield* buildEngine(resources, service, resume.get(name)))
    else persistence.set(name, yield* buildPersistence(resources, service))
    services.set(name, engines.get(name) ?? (yield* named(persistence, name)))
  }

  const [allEngines, allPersistence, all] = [[...engines.values()], [...persistence.values()], [...services.values()]]

  const withService = (operation: "start" | "stop" | "pause" | "resume" | "restart") => (name: string) => {
    const service = services.get(name)
    return service === undefined
      ? Effect.fail(new UnknownService({ name, known: [...services.keys()] }))
      : service[operation]
  }
  const startAll = Effect.forEach(config.startupSequence, (name) => services.get(name)?.start ?? Effect.void, {
    discard: true
  })
  const stopAll = Effect.andThen(each(allEngines, "stop"), each(allPersistence, "stop"))

  return ServiceManager.of({
    services,
    engines,
    persistence,
    queues: resources.queues,
    storages: resources.storages,
    deadLetterQueues: resources.deadLetterQueues,
    start: withService("start"),
    stop: withService("stop"),
    pause: withService("pause"),
    resume: withService("resume"),
    restart: withService("restart"),
    startAll,
    stopAll,
    pauseAll: each(all, "pause"),
    resumeAll: each(all, "resume"),
    restartAll: Effect.andThen(stopAll, startAll),
    serviceStatus: Effect.forEach(all, (service) => statusOf(service, persistence)),
    resourceStatus: resourceStatus(resources, config),
    shutdown: Effect.gen(function* () {
      yield* each(allEngines, "stop")
      yield* Effect.forEach([...resources.queues.values()], (queue) => queue.end, { discard: true })
      yield* each(allPersistence, "resume")
      yield* Effect.forEach(allPersistence, (service) => service.await, {
        concurrency: "unbounded",
        discard: true
      })
    })
  })
})

/** The services of `config`, built and stopped. */
export const layer = (
  config: Config.PipelineConfig,
  options: BuildOptions = {}
): Layer.Layer<ServiceManager, Schema.SchemaError | StorageError | RestoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(ServiceManager, make(config, options))
