/** The components of a resolved configuration: what a `ServiceManager` builds and connects. */
import type * as DeadLetterQueue from "../../deadletter/DeadLetterQueue.ts"
import type * as FileDeadLetterQueue from "../../deadletter/FileDeadLetterQueue.ts"
import type * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import type * as PersistenceService from "../../persistence/PersistenceService.ts"
import type * as TickQueue from "../../queue/TickQueue.ts"
import type * as SimulationEngine from "../../simulation/SimulationEngine.ts"
import type * as FileStorage from "../../storage/FileStorage.ts"
import type { WorldOptions } from "./WorldOptions.ts"

/** One configured thing: `_tag` says which kind, `options` are decoded, defaults included. */
export interface Component<Tag extends string, Options> {
  readonly _tag: Tag
  readonly name: string
  readonly options: Options
}

/** The options of a kind that has none. */
export type NoOptions = Readonly<Record<string, never>>

export type QueueResource = Component<"TickQueue", typeof TickQueue.Options.Type>

export type StorageResource =
  | Component<"FileStorage", typeof FileStorage.Options.Type>
  | Component<"InMemoryStorage", NoOptions>

export type DeadLetterResource =
  | Component<"InMemoryDeadLetterQueue", typeof DeadLetterQueue.Options.Type>
  | Component<"FileDeadLetterQueue", typeof FileDeadLetterQueue.Options.Type>
  | Component<"DiscardDeadLetterQueue", NoOptions>

export type IdempotencyResource =
  | Component<"IdempotencyTracker", typeof IdempotencyTracker.Options.Type>
  | Component<"DiscardIdempotencyTracker", NoOptions>

export type Resource = QueueResource | StorageResource | DeadLetterResource | IdempotencyResource

/** `resources` hold names of resources that exist and are of the right kind. */
export interface SimulationEngineService extends Component<"SimulationEngine", typeof SimulationEngine.Options.Type> {
  readonly world: typeof WorldOptions.Type
  readonly resources: {
    readonly tickData: string
    /** Where the run's metadata goes; absent when no persistence service stores the engine's ticks. */
    readonly storage: string | undefined
  }
}

/** `resources` hold names of resources that exist and are of the right kind. */
export interface PersistenceServiceService extends Component<
  "PersistenceService",
  typeof PersistenceService.Options.Type
> {
  readonly resources: {
    readonly input: string
    readonly storage: string
    /** Absent: a batch that can't be stored is lost. */
    readonly dlq: string | undefined
    readonly idempotencyTracker: string | undefined
  }
}

export type Service = SimulationEngineService | PersistenceServiceService
