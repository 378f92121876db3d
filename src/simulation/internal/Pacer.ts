/**
 * Computes when the next step of an engine is due, from its ticks per second.
 */

/** After a delay, an engine catches up on at most this much time. A longer delay is not made up. */
const maxBehindMs = 1000

export class Pacer {
  private readonly intervalMs: number
  private dueMs: number | undefined

  /** Without `ticksPerSecond` the next step is always due. */
  constructor(ticksPerSecond: number | undefined) {
    this.intervalMs = ticksPerSecond === undefined ? 0 : 1000 / ticksPerSecond
  }

  /** Milliseconds from `nowMs` until the next step is due. 0 when it is due. */
  leftMs(nowMs: number): number {
    if (this.intervalMs === 0) return 0
    this.dueMs = this.dueMs === undefined ? nowMs : Math.max(this.dueMs, nowMs - maxBehindMs)
    return Math.max(0, this.dueMs - nowMs)
  }

  /** Counts a step. Call `leftMs` before. */
  step(): void {
    if (this.dueMs !== undefined) this.dueMs += this.intervalMs
  }
}
