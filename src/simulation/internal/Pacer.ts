/**
 * When the next step of an engine is due, at so many ticks a second.
 */

/** After being held back, an engine catches up on at most this much time. Time lost beyond it stays lost. */
const maxBehindMs = 1000

export class Pacer {
  private readonly intervalMs: number
  private dueMs: number | undefined

  /** Without `ticksPerSecond` the next step is always due. */
  constructor(ticksPerSecond: number | undefined) {
    this.intervalMs = ticksPerSecond === undefined ? 0 : 1000 / ticksPerSecond
  }

  /** Milliseconds from `nowMs` until the next step is due; 0 when it is. */
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
