/**
 * The status of a persistence service while the storage and the dead-letter queue both refuse a batch.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import type * as PersistenceService from "tickvault/persistence/PersistenceService"
 *
 * // The start of the degradation. `undefined` while the service is not degraded.
 * export const since = ({ degraded }: PersistenceService.Instance) => Effect.map(degraded, (status) => status?.sinceMs)
 * ```
 */

/**
 * The service keeps the batch, tries both again, and takes no other batch. The queue fills, and its producers wait. Nothing
 * is lost.
 */
export interface Degraded {
  /** Start of the degradation, in milliseconds since 1970. */
  readonly sinceMs: number
  /** The last errors of the storage and of the dead-letter queue, for people. */
  readonly cause: string
  /** Time of the next try, in milliseconds since 1970. `undefined` during a try. */
  readonly nextTryMs: number | undefined
}
