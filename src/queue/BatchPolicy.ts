/**
 * When waiting ticks become a batch: at a number of ticks, at a number of bytes, or after a time.
 *
 * ```ts
 * import * as Duration from "effect/Duration"
 * import type { BatchPolicy } from "tickvault/queue/BatchPolicy"
 *
 * export const policy: BatchPolicy = { maxTicks: 1000, maxBytes: 64 * 1024 * 1024, timeout: Duration.seconds(5) }
 * ```
 */
import type * as Duration from "effect/Duration"
import type * as Tick from "../domain/Tick.ts"

/** The limits of a batch. The first one that is reached closes it. */
export interface BatchPolicy {
  /** The largest number of ticks in a batch, at least 1. */
  readonly maxTicks: number
  /** The largest number of payload bytes in a batch. Only a single tick may be larger. */
  readonly maxBytes: number
  /** The longest time from the arrival of the first tick. */
  readonly timeout: Duration.Duration
}

/**
 * Why a batch was closed: it reached its ticks (`size`) or bytes (`bytes`), its time was over (`timeout`), the queue could
 * not hold a whole one (`memory`), the run changed (`run_change`), no more ticks will come (`shutdown`), or it was not closed
 * by a queue but comes from a dead letter (`replay`).
 */
export type FlushReason = (typeof flushReasons)[number]

/** The reasons for which a queue closes a batch. */
export const queueFlushReasons = ["size", "bytes", "timeout", "memory", "run_change", "shutdown"] as const

/** All reasons. */
export const flushReasons = [...queueFlushReasons, "replay"] as const

/** A batch that has left the queue. */
export interface TakenBatch {
  readonly ticks: Tick.Batch
  readonly reason: FlushReason
  /** The time when its oldest tick entered the queue, in milliseconds since 1970. */
  readonly enqueuedAtMs: number
  /** Whether a consumer had it before and returned it without knowing whether it was stored. */
  readonly returned: boolean
}
