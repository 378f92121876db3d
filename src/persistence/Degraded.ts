/**
 * What a persistence service says of itself while neither the storage nor the dead-letter queue takes a batch.
 */

/**
 * The service keeps the batch, tries both again and takes nothing more; its queue fills and the producers wait. Nothing is
 * lost by that.
 */
export interface Degraded {
  /** Since when, in milliseconds since 1970. */
  readonly sinceMs: number
  /** What the storage and the dead-letter queue said last, in words for people. */
  readonly cause: string
  /** When it tries them next, in milliseconds since 1970; `undefined` while it does. */
  readonly nextTryMs: number | undefined
}
