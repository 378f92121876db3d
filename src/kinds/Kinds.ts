/**
 * The kinds of resources and services that come with tickvault.
 *
 * A new kind is a module in this folder and a line here. `Kind` shows how to add your own. Only the kind of an engine needs
 * more: what the commands ask of an engine are the options of the built-in world.
 *
 * ```ts
 * import { EmbeddedPipeline, Kinds, PipelineConfig } from "tickvault"
 *
 * export const resolved = PipelineConfig.resolve({
 *   kinds: Kinds.all,
 *   pipeline: EmbeddedPipeline.document(EmbeddedPipeline.run),
 *   env: {},
 *   overrides: []
 * })
 * ```
 */
import type * as Kind from "../config/Kind.ts"
import * as DiscardDeadLetterQueue from "./DiscardDeadLetterQueueKind.ts"
import * as DiscardIdempotencyTracker from "./DiscardIdempotencyTrackerKind.ts"
import * as FileDeadLetterQueue from "./FileDeadLetterQueueKind.ts"
import * as FileStorage from "./FileStorageKind.ts"
import * as IdempotencyTracker from "./IdempotencyTrackerKind.ts"
import * as InMemoryDeadLetterQueue from "./InMemoryDeadLetterQueueKind.ts"
import * as InMemoryStorage from "./InMemoryStorageKind.ts"
import * as PersistenceService from "./PersistenceServiceKind.ts"
import * as RecoveryService from "./RecoveryServiceKind.ts"
import * as SimulationEngine from "./SimulationEngineKind.ts"
import * as TickQueue from "./TickQueueKind.ts"

export const all: Kind.Kinds = {
  resources: [
    TickQueue.kind,
    FileStorage.kind,
    InMemoryStorage.kind,
    FileDeadLetterQueue.kind,
    InMemoryDeadLetterQueue.kind,
    DiscardDeadLetterQueue.kind,
    IdempotencyTracker.kind,
    DiscardIdempotencyTracker.kind
  ],
  services: [SimulationEngine.kind, PersistenceService.kind, RecoveryService.kind]
}

/** The names of the lasting kinds of resources with the role, for messages. */
export const lasting = (role: Kind.ResourceRole): string =>
  all.resources
    .filter((kind) => kind.role === role && kind.lasts)
    .map(({ name }) => name)
    .join(" or ")

/** The names of the kinds of services with the role, for messages. */
export const withRole = (role: Kind.ServiceRole): string =>
  all.services
    .filter((kind) => kind.role === role)
    .map(({ name }) => name)
    .join(" or ")
