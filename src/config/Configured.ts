/**
 * The resources and services of a resolved configuration: the options of each, its connections, and how it is made.
 *
 * A kind (`Kind`) makes these from the configuration. Code that builds or inspects a pipeline uses roles, never kinds:
 * all storages can do the same.
 *
 * ```ts
 * import { Configured, type PipelineConfig } from "tickvault"
 *
 * export const queueNames = (config: PipelineConfig.PipelineConfig) =>
 *   Configured.resourcesOf(config, "queue").map(({ name }) => name)
 * ```
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Compression } from "../batch/Compression.ts"
import type { DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import type * as RunId from "../domain/RunId.ts"
import type { IdempotencyTracker } from "../idempotency/IdempotencyTracker.ts"
import type { RunLedger } from "../ledger/RunLedger.ts"
import type * as PersistenceService from "../persistence/PersistenceService.ts"
import type { TickQueue } from "../queue/TickQueue.ts"
import type * as RecoveryService from "../replay/RecoveryService.ts"
import type { RunSettings } from "../simulation/RunSettings.ts"
import type { RestoreError } from "../simulation/Simulation.ts"
import type * as SimulationEngine from "../simulation/SimulationEngine.ts"
import type * as FolderChecks from "../storage/FolderChecks.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"

/** Options by their names. */
export type Settings = Readonly<Record<string, unknown>>

/** The common part of all configured resources and services. */
export interface Configured<Options extends Settings = Settings> {
  /** The name of its kind. */
  readonly kind: string
  readonly name: string
  /** Decoded, defaults included. */
  readonly options: Options
}

/** The services for making resources. */
export type Platform = FileSystem.FileSystem | Path.Path

type ResourceLayer<Service> = Layer.Layer<Service, Schema.SchemaError | StorageError, Platform>

/** The location of data that stays when the process ends, for later readers. */
export interface Lasting<Service> {
  /** The location as text for people. Two resources with the same location are the same. */
  readonly location: Effect.Effect<string, never, Path.Path>
  /** Whether the location exists. */
  readonly exists: Effect.Effect<boolean, PlatformError, Platform>
  /** Opens it read-only. Creates nothing. */
  readonly read: Effect.Effect<Service, Schema.SchemaError | StorageError, Platform>
}

/** Checks whether a resource can work, without disturbing other processes. Never fails. */
export type StartCheck = (
  depth: FolderChecks.Depth,
  planned: FolderChecks.Planned | undefined
) => Effect.Effect<FolderChecks.Checked, never, Platform>

export interface ConfiguredQueue<Options extends Settings = Settings> extends Configured<Options> {
  readonly role: "queue"
  readonly layer: ResourceLayer<TickQueue>
}

export interface ConfiguredStorage<Options extends Settings = Settings> extends Configured<Options> {
  readonly role: "storage"
  /** The storage, and the compression of the batches that are written to it. */
  readonly layer: ResourceLayer<Storage | Compression>
  /** Absent: the stored objects end with the process. */
  readonly lasting?: Lasting<Storage["Service"]>
  /** Absent: there is nothing to check. */
  readonly check?: StartCheck
  /** The space for ticks in this storage. `madeBy` says whether an engine makes them. */
  readonly planned: (ticks: FolderChecks.Planned, madeBy: "engine" | "unknown") => FolderChecks.Planned
}

export interface ConfiguredDeadLetterQueue<Options extends Settings = Settings> extends Configured<Options> {
  readonly role: "dead-letter queue"
  readonly layer: ResourceLayer<DeadLetterQueue>
  /** Absent: letters end with the process. */
  readonly lasting?: Lasting<DeadLetterQueue["Service"]>
  /** Absent: there is nothing to check. */
  readonly check?: StartCheck
}

export interface ConfiguredTracker<Options extends Settings = Settings> extends Configured<Options> {
  readonly role: "idempotency tracker"
  /** `onForgotten` is called with each run whose ticks are forgotten. */
  readonly layer: (onForgotten: (runId: RunId.RunId) => void) => ResourceLayer<IdempotencyTracker>
  /** Whether it recalls the ticks of earlier processes (`Recall`). */
  readonly recalls: boolean
}

export type ConfiguredResource = ConfiguredQueue | ConfiguredStorage | ConfiguredDeadLetterQueue | ConfiguredTracker

/** A run that an engine resumes. */
export interface Resumption {
  readonly resume: SimulationEngine.Resume
  /** The settings that the run began with. They replace the configured settings of the world and the sampling interval. */
  readonly settings: RunSettings
}

/** Something that is allowed but that an operator should know. */
export interface Note {
  readonly path: string
  readonly message: string
}

interface ConfiguredServiceBase<Options extends Settings> extends Configured<Options> {
  /** Notes about the service in this pipeline. Paths are relative to the service. */
  readonly notes: (config: PipelineConfig) => ReadonlyArray<Note>
}

/** `resources` hold names of resources that exist and have the right role. */
export interface ConfiguredEngine<Options extends Settings = Settings> extends ConfiguredServiceBase<Options> {
  readonly role: "engine"
  readonly resources: {
    readonly tickData: string
    /** The storage of the run's metadata. `undefined` when no persistence service stores the engine's ticks. */
    readonly storage: string | undefined
  }
  /** The settings of a new run. */
  readonly settings: RunSettings
  /** The last tick. `undefined` when the engine runs until it is stopped. */
  readonly maxTicks: number | undefined
  /** Makes the engine, stopped. */
  readonly make: (
    resumption: Resumption | undefined
  ) => Effect.Effect<
    SimulationEngine.Instance,
    Schema.SchemaError | RestoreError | SimulationEngine.SettingsMismatch,
    TickQueue | Storage | Scope.Scope
  >
  /** The size of the ticks that it will make after tick `done`. */
  readonly planned: (done: number) => Effect.Effect<FolderChecks.Planned>
}

/** `resources` hold names of resources that exist and have the right role. */
export interface ConfiguredPersistence<Options extends Settings = Settings> extends ConfiguredServiceBase<Options> {
  readonly role: "persistence"
  readonly resources: {
    readonly input: string
    readonly storage: string
    /** Absent: a batch that can't be stored is lost. */
    readonly dlq: string | undefined
    readonly idempotencyTracker: string | undefined
  }
  /** The options for a replay of its dead letters. */
  readonly replay: typeof PersistenceService.Options.Type
  /** Makes the service, stopped. */
  readonly make: Effect.Effect<
    PersistenceService.Instance,
    Schema.SchemaError,
    TickQueue | Storage | Compression | RunLedger | IdempotencyTracker | DeadLetterQueue | Scope.Scope
  >
}

/** `resources` hold names of resources that exist and have the right role. */
export interface ConfiguredRecovery<Options extends Settings = Settings> extends ConfiguredServiceBase<Options> {
  readonly role: "recovery"
  readonly resources: {
    readonly dlq: string
    readonly storage: string
    readonly idempotencyTracker: string | undefined
  }
  /** Makes the service, stopped. */
  readonly make: Effect.Effect<
    RecoveryService.Instance,
    Schema.SchemaError,
    Storage | Compression | RunLedger | IdempotencyTracker | DeadLetterQueue | Scope.Scope
  >
}

export type ConfiguredService = ConfiguredEngine | ConfiguredPersistence | ConfiguredRecovery

/** A pipeline ready to be built. Every name that a service refers to is a key of `resources`. */
export interface PipelineConfig {
  /** The time for a clean shutdown of the whole pipeline. */
  readonly shutdownTimeout: Duration.Duration
  readonly resources: Readonly<Record<string, ConfiguredResource>>
  readonly services: Readonly<Record<string, ConfiguredService>>
  /** Services to start, in order. Other services are started only on request. */
  readonly startupSequence: ReadonlyArray<string>
}

type Resource<R extends ConfiguredResource["role"]> = Extract<ConfiguredResource, { readonly role: R }>

type Service<R extends ConfiguredService["role"]> = Extract<ConfiguredService, { readonly role: R }>

/** The resources that have the role, in the order of the configuration. */
export const resourcesOf = <R extends ConfiguredResource["role"]>(
  { resources }: Pick<PipelineConfig, "resources">,
  role: R
): ReadonlyArray<Resource<R>> => Object.values(resources).filter((one): one is Resource<R> => one.role === role)

/** The services that have the role, in the order of the configuration. */
export const servicesOf = <R extends ConfiguredService["role"]>(
  { services }: Pick<PipelineConfig, "services">,
  role: R
): ReadonlyArray<Service<R>> => Object.values(services).filter((one): one is Service<R> => one.role === role)

/** The services that have the role and start with the pipeline, in the order in which they start. */
export const startedOf = <R extends ConfiguredService["role"]>(
  { services, startupSequence }: Pick<PipelineConfig, "services" | "startupSequence">,
  role: R
): ReadonlyArray<Service<R>> =>
  startupSequence.flatMap((name) => services[name] ?? []).filter((one): one is Service<R> => one.role === role)
