/** The components of a resolved configuration: what a `ServiceManager` builds and connects. */
import type * as DeadLetterQueue from "../../deadletter/DeadLetterQueue.ts"
import type * as FileDeadLetterQueue from "../../deadletter/FileDeadLetterQueue.ts"
import type * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import type * as PersistenceService from "../../persistence/PersistenceService.ts"
import type * as TickQueue from "../../queue/TickQueue.ts"
import type * as RecoveryService from "../../replay/RecoveryService.ts"
import type * as SimulationEngine from "../../simulation/SimulationEngine.ts"
import type * as World from "../../simulation/World.ts"
import type * as FileStorage from "../../storage/FileStorage.ts"
import type * as Storage from "../../storage/Storage.ts"

/** What a module's `Options` schema is to a configuration: decoded for readers, encoded for the module's `make`. */
interface OptionsSchema {
  readonly Type: unknown
  readonly Encoded: unknown
}

/** The options of a kind that has none. */
interface NoOptions {
  readonly Type: Readonly<Record<string, never>>
  readonly Encoded: Readonly<Record<string, never>>
}

/** One configured thing: `_tag` says which kind. */
export interface Component<Tag extends string, S extends OptionsSchema> {
  readonly _tag: Tag
  readonly name: string
  /** Decoded, defaults included. */
  readonly options: S["Type"]
  /** The same as `options`, as the module's `make` and `layer` take them. */
  readonly encoded: S["Encoded"]
}

export type QueueResource = Component<"TickQueue", typeof TickQueue.Options>

export type StorageResource =
  | Component<"FileStorage", typeof FileStorage.Options>
  | Component<"InMemoryStorage", typeof Storage.MemoryOptions>

export type DeadLetterResource =
  | Component<"InMemoryDeadLetterQueue", typeof DeadLetterQueue.Options>
  | Component<"FileDeadLetterQueue", typeof FileDeadLetterQueue.Options>
  | Component<"DiscardDeadLetterQueue", NoOptions>

export type IdempotencyTrackerResource = Component<"IdempotencyTracker", typeof IdempotencyTracker.Options>

export type IdempotencyResource = IdempotencyTrackerResource | Component<"DiscardIdempotencyTracker", NoOptions>

export type Resource = QueueResource | StorageResource | DeadLetterResource | IdempotencyResource

/** `resources` hold names of resources that exist and are of the right kind. */
export interface SimulationEngineService extends Component<"SimulationEngine", typeof SimulationEngine.Options> {
  /** Settings of the built-in world. */
  readonly world: typeof World.Options.Type
  readonly resources: {
    readonly tickData: string
    /** Where the run's metadata goes; absent when no persistence service stores the engine's ticks. */
    readonly storage: string | undefined
  }
}

/** `resources` hold names of resources that exist and are of the right kind. */
export interface PersistenceServiceService extends Component<"PersistenceService", typeof PersistenceService.Options> {
  readonly resources: {
    readonly input: string
    readonly storage: string
    /** Absent: a batch that can't be stored is lost. */
    readonly dlq: string | undefined
    readonly idempotencyTracker: string | undefined
  }
}

/** `resources` hold names of resources that exist and are of the right kind. */
export interface RecoveryServiceService extends Component<"RecoveryService", typeof RecoveryService.Options> {
  readonly resources: {
    readonly dlq: string
    readonly storage: string
    readonly idempotencyTracker: string | undefined
  }
}

export type Service = SimulationEngineService | PersistenceServiceService | RecoveryServiceService
