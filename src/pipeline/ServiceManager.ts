/**
 * Builds the resources and services of a configuration and runs them by name.
 *
 * Resources are made first and shared. Services are made stopped and start in the order of `startupSequence`. A failing
 * service does not stop others. Closing the scope stops all services, then closes the resources. Call `shutdown` before
 * that for a clean end.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import type { PipelineConfig } from "tickvault/config/PipelineConfig"
 * import * as ServiceManager from "tickvault/pipeline/ServiceManager"
 *
 * // Runs the pipeline of a configuration for a minute.
 * export const run = (config: PipelineConfig) =>
 *   Effect.gen(function* () {
 *     const manager = yield* ServiceManager.ServiceManager
 *     yield* manager.startAll
 *     yield* Effect.sleep("1 minute")
 *     yield* manager.shutdown
 *     return yield* manager.serviceStatus
 *   }).pipe(Effect.provide(ServiceManager.layer(config)))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import type { Degraded } from "../persistence/Degraded.ts"
import type * as PersistenceService from "../persistence/PersistenceService.ts"
import type { TickQueue } from "../queue/TickQueue.ts"
import type * as RecoveryService from "../replay/RecoveryService.ts"
import * as Service from "../service/Service.ts"
import type { RestoreError } from "../simulation/Simulation.ts"
import type * as SimulationEngine from "../simulation/SimulationEngine.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import type * as Configured from "../config/Configured.ts"
import * as Balance from "./Balance.ts"
import * as Build from "./internal/build.ts"

/** No service has this name. */
export class UnknownService extends Schema.TaggedError<UnknownService>()("UnknownService", {
  name: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message() {
    return `there is no service "${this.name}"; known: ${this.known.join(", ")}`
  }
}

/** The state of a service. */
export interface ServiceStatus {
  readonly name: string
  readonly state: Service.State
  /** Why it is in `ERROR`. */
  readonly error: string | undefined
  /** Set while a persistence service keeps a batch that the storage and the dead-letter queue both refuse. */
  readonly degraded: Degraded | undefined
  readonly metrics: Readonly<Record<string, number>>
}

/** The state of a resource. */
export interface ResourceStatus {
  readonly name: string
  /** The name of its kind. */
  readonly kind: string
  readonly metrics: Readonly<Record<string, number>>
}

export class ServiceManager extends Context.Service<
  ServiceManager,
  {
    /** The services by name, in the order of the configuration. */
    readonly services: ReadonlyMap<string, Service.Service<unknown>>
    readonly engines: ReadonlyMap<string, SimulationEngine.Instance>
    readonly persistence: ReadonlyMap<string, PersistenceService.Instance>
    readonly recovery: ReadonlyMap<string, RecoveryService.Instance>
    readonly queues: ReadonlyMap<string, TickQueue["Service"]>
    readonly storages: ReadonlyMap<string, Storage["Service"]>
    readonly deadLetterQueues: ReadonlyMap<string, DeadLetterQueue["Service"]>

    readonly start: (name: string) => Effect.Effect<void, UnknownService>
    readonly stop: (name: string) => Effect.Effect<void, UnknownService>
    readonly pause: (name: string) => Effect.Effect<void, UnknownService>
    readonly resume: (name: string) => Effect.Effect<void, UnknownService>
    readonly restart: (name: string) => Effect.Effect<void, UnknownService>

    /** Starts the services of `startupSequence` in its order. */
    readonly startAll: Effect.Effect<void>
    /** Stops all services: engines and replays first, then the persistence services at the same time. */
    readonly stopAll: Effect.Effect<void>
    readonly pauseAll: Effect.Effect<void>
    readonly resumeAll: Effect.Effect<void>
    readonly restartAll: Effect.Effect<void>

    /** The outcomes of all ticks so far. */
    readonly balance: Effect.Effect<Balance.Balance>

    readonly serviceStatus: Effect.Effect<ReadonlyArray<ServiceStatus>>
    readonly resourceStatus: Effect.Effect<ReadonlyArray<ResourceStatus>>

    /**
     * Shuts down cleanly. Stops the engines and replays, ends the queues, and waits until the running persistence services
     * have settled everything. Then it waits for a replay, at most for the configuration's `shutdownTimeout`. Settling has
     * no time limit: bound it with `shutdownTimeout` too. Succeeds even when services have failed: see their statuses.
     */
    readonly shutdown: Effect.Effect<void>
  }
>()("tickvault/pipeline/ServiceManager") {}

/** A run that an engine resumes. */
export type Resumption = Configured.Resumption

const statusOf = Effect.fnUntraced(function* (
  service: Service.Service<unknown>,
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

const resourceStatus = ({ deadLetterQueues, queues }: Build.Pipeline, config: Configured.PipelineConfig) =>
  Effect.forEach(Object.values(config.resources), ({ kind, name }) =>
    Effect.gen(function* (): Effect.fn.Return<ResourceStatus> {
      const queue = queues.get(name)
      const letters = deadLetterQueues.get(name)
      if (queue !== undefined) {
        return { name, kind, metrics: { ...(yield* queue.account), waitingBytes: yield* queue.waitingBytes } }
      }
      return { name, kind, metrics: letters === undefined ? {} : { current_size: yield* letters.size } }
    })
  )

const each = (of: ReadonlyMap<string, Service.Service<unknown>>, operation: "start" | "stop" | "pause" | "resume") =>
  Effect.forEach([...of.values()], (service) => service[operation], { concurrency: "unbounded", discard: true })

/** Options for building a pipeline. */
export interface BuildOptions {
  /** Runs to resume, by the names of their engines. The other engines begin new runs. Default none. */
  readonly resume?: ReadonlyMap<string, Resumption>
}

/** Dies when a run to resume names no engine: otherwise a new run would begin instead. */
const checkEngines = (
  config: Configured.PipelineConfig,
  resume: ReadonlyMap<string, Resumption>
): Effect.Effect<void> => {
  const stray = [...resume.keys()].find((name) => config.services[name]?.role !== "engine")
  return stray === undefined
    ? Effect.void
    : Effect.die(new Error(`"${stray}" should resume a run but is not an engine`))
}

/** Operations on one service by its name. */
const operationsByName = ({ services }: Build.Pipeline) => {
  const operation = (name: "start" | "stop" | "pause" | "resume" | "restart") => (service: string) => {
    const found = services.get(service)
    return found === undefined
      ? Effect.fail(new UnknownService({ name: service, known: [...services.keys()] }))
      : found[name]
  }
  return {
    start: operation("start"),
    stop: operation("stop"),
    pause: operation("pause"),
    resume: operation("resume"),
    restart: operation("restart")
  }
}

/** Operations on all services. */
const operationsOnAll = (
  { engines, persistence, recovery, services }: Build.Pipeline,
  { startupSequence }: Configured.PipelineConfig
) => {
  const startAll = Effect.forEach(startupSequence, (name) => services.get(name)?.start ?? Effect.void, {
    discard: true
  })
  const stopAll = Effect.andThen(
    each(new Map<string, Service.Service<unknown>>([...engines, ...recovery]), "stop"),
    each(persistence, "stop")
  )
  return {
    startAll,
    stopAll,
    pauseAll: each(services, "pause"),
    resumeAll: each(services, "resume"),
    restartAll: Effect.andThen(stopAll, startAll)
  }
}

/** Shuts the pipeline down cleanly. A hanging replay continues in `scope`. */
const shutdown = Effect.fnUntraced(function* (
  { engines, persistence, queues, recovery }: Build.Pipeline,
  { shutdownTimeout }: Configured.PipelineConfig,
  scope: Scope.Scope
) {
  // Waits for replays only after the ticks are settled: a hanging replay must not block the end of the run.
  const replays = yield* Effect.forkIn(each(recovery, "stop"), scope, { startImmediately: true })
  yield* each(engines, "stop")
  yield* Effect.forEach(queues.values(), (queue) => queue.end, { discard: true })
  yield* each(persistence, "resume")
  yield* Service.awaitAll(persistence.values())
  yield* Effect.timeoutOrElse(Fiber.join(replays), {
    duration: shutdownTimeout,
    orElse: () => Effect.logWarning("A replay of dead letters hangs and is left behind: its letter stays")
  })
})

/**
 * Builds all of `config`, stopped, in the scope. Fails with `StorageError` when a folder can't be used, with `SchemaError`
 * on a bad option, and with `RestoreError` or `SettingsMismatch` when a run can't be resumed. A name in `resume` that is
 * not an engine is a defect.
 */
export const make = Effect.fnUntraced(function* (config: Configured.PipelineConfig, options: BuildOptions = {}) {
  const resume = options.resume ?? new Map<string, Resumption>()
  yield* checkEngines(config, resume)
  const scope = yield* Effect.scope
  const pipeline = yield* Build.pipeline(config, resume)
  const { persistence, queues, services } = pipeline
  return ServiceManager.of({
    ...pipeline,
    ...operationsByName(pipeline),
    ...operationsOnAll(pipeline, config),
    balance: Balance.of([...queues.values()], [...persistence.values()]),
    serviceStatus: Effect.forEach([...services.values()], (service) => statusOf(service, persistence)),
    resourceStatus: resourceStatus(pipeline, config),
    shutdown: shutdown(pipeline, config, scope)
  })
})

/** The services of `config`, built and stopped. */
export const layer = (
  config: Configured.PipelineConfig,
  options: BuildOptions = {}
): Layer.Layer<
  ServiceManager,
  Schema.SchemaError | StorageError | RestoreError | SimulationEngine.SettingsMismatch,
  FileSystem.FileSystem | Path.Path
> => Layer.effect(ServiceManager, make(config, options))
