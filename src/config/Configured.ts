/**
 * The resources and services of a resolved configuration: the options of each, what it connects to, and how it is made.
 *
 * A kind (`Kind`) makes these of what a configuration says. Who builds or inspects a pipeline asks for a role and never
 * for a kind: what a storage can do is the same for all storages.
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

/** What every configured resource and service has. */
export interface Configured<Options extends Settings = Settings> {
  /** The name of its kind. */
  readonly kind: string
  readonly name: string
  /** Decoded, defaults included. */
  readonly options: Options
}

/** What resources are made with. */
export type Platform = FileSystem.FileSystem | Path.Path

type ResourceLayer<Service> = Layer.Layer<Service, Schema.SchemaError | StorageError, Platform>

/** Where something stays when the process ends, for those who look at it later. */
export interface Lasting<Service> {
  /** Where it is, in words for people. Two resources with the same location are the same. */
  readonly location: Effect.Effect<string, never, Path.Path>
  /** Whether the location is there. */
  readonly exists: Effect.Effect<boolean, PlatformError, Platform>
  /** Opens what is there to be read. Makes nothing. */
  readonly read: Effect.Effect<Service, Schema.SchemaError | StorageError, Platform>
}

/** Looks whether a resource can work, without disturbing anybody. Never fails. */
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
  /** Absent: what is stored ends with the process. */
  readonly lasting?: Lasting<Storage["Service"]>
  /** Absent: there is nothing to check. */
  readonly check?: StartCheck
  /** The space that ticks take here. `madeBy` says whether they are known to be those of an engine. */
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
  /** Whether it is to recall what a storage had before (`Recall`). */
  readonly recalls: boolean
}

export type ConfiguredResource = ConfiguredQueue | ConfiguredStorage | ConfiguredDeadLetterQueue | ConfiguredTracker

/** A run that an engine goes on with. */
export interface Resumption {
  readonly resume: SimulationEngine.Resume
  /** What the run began with. Counts instead of the configured settings of the world and sampling interval. */
  readonly settings: RunSettings
}

/** Something that is allowed and that whoever runs the pipeline should know. */
export interface Note {
  readonly path: string
  readonly message: string
}

interface ConfiguredServiceBase<Options extends Settings> extends Configured<Options> {
  /** What to know about the service in this pipeline. Paths are relative to the service. */
  readonly notes: (config: PipelineConfig) => ReadonlyArray<Note>
}

/** `resources` hold names of resources that exist and have the right role. */
export interface ConfiguredEngine<Options extends Settings = Settings> extends ConfiguredServiceBase<Options> {
  readonly role: "engine"
  readonly resources: {
    readonly tickData: string
    /** Where the run's metadata goes; absent when no persistence service stores the engine's ticks. */
    readonly storage: string | undefined
  }
  /** What a new run is made with. */
  readonly settings: RunSettings
  /** The last tick; absent when the engine goes on until it is stopped. */
  readonly maxTicks: number | undefined
  /** Makes the engine, stopped. */
  readonly make: (
    resumption: Resumption | undefined
  ) => Effect.Effect<
    SimulationEngine.Instance,
    Schema.SchemaError | RestoreError | SimulationEngine.SettingsMismatch,
    TickQueue | Storage | Scope.Scope
  >
  /** The size of the ticks that it is going to make after tick `done`. */
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
  /** What a replay of its dead letters takes from its options. */
  readonly replay: typeof PersistenceService.Options.Encoded
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
  /** The whole pipeline's time to end in good order. */
  readonly shutdownTimeout: Duration.Duration
  readonly resources: Readonly<Record<string, ConfiguredResource>>
  readonly services: Readonly<Record<string, ConfiguredService>>
  /** Services to start, in order; those not named here are started by hand. */
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
