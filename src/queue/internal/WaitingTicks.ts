/**
 * The waiting ticks of a queue: an Effect `Queue`, their bytes, and their times of arrival.
 *
 * Plain loops do the work per tick: a waiting tick needs no object and no effect of its own.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Tick from "../../domain/Tick.ts"

/** The limits of the queue: ticks, and bytes of payload. A single tick may be larger. */
export interface Budget {
  readonly capacity: number
  readonly maxBytes: number
}

/** Ticks that leave the queue, and the arrival of the first one, in milliseconds since 1970. */
export interface Leaving {
  readonly ticks: Tick.Batch
  readonly enqueuedAtMs: number
}

export class WaitingTicks {
  /** The number of waiting ticks. */
  count = 0
  /** The bytes of their payloads. */
  bytes = 0
  private readonly queue: Queue.Queue<Tick.Tick, Cause.Done>
  private readonly budget: Budget
  /** The first waiting ticks. They left `queue` with a batch that had no room for their bytes. */
  private over: ReadonlyArray<Tick.Tick> = []
  /** The times of arrival, in order, with the number of ticks that arrived then and still wait. */
  private readonly arrivals: Array<{ readonly atMs: number; count: number }> = []

  constructor(queue: Queue.Queue<Tick.Tick, Cause.Done>, budget: Budget) {
    this.queue = queue
    this.budget = budget
  }

  get isFull(): boolean {
    return this.count >= this.budget.capacity
  }

  /** The arrival of the first waiting tick. `undefined` when none waits. */
  get firstAtMs(): number | undefined {
    return this.arrivals[0]?.atMs
  }

  /** Adds ticks from index `from` on while there is room. Returns the index of the first tick not added. */
  add(ticks: ReadonlyArray<Tick.Tick>, from: number, atMs: number): number {
    let until = from
    for (let tick = ticks[until]; tick !== undefined && !this.isFull; tick = ticks[++until]) {
      const size = tick.payload.length
      if (this.bytes > 0 && this.bytes + size > this.budget.maxBytes) break
      this.count++
      this.bytes += size
    }
    const added = until - from
    if (added === 0) return until
    Queue.offerAllUnsafe(this.queue, added === ticks.length ? ticks : ticks.slice(from, until))
    const latest = this.arrivals.at(-1)
    if (latest?.atMs === atMs) latest.count += added
    else this.arrivals.push({ atMs, count: added })
    return until
  }

  /**
   * Takes the next ticks: at most `most`, and at most `maxBytes` of payload, but at least one. `leave` gets them in the step
   * in which they stop waiting. There must be ticks: then this doesn't wait.
   */
  take(most: number, maxBytes: number, leave: (leaving: Leaving) => void): Effect.Effect<void, Cause.Done> {
    const missing = Math.min(most, this.count) - this.over.length
    const taken = missing > 0 ? Queue.takeBetween(this.queue, missing, missing) : Effect.succeed([])
    return Effect.map(taken, (ticks) => {
      const next = this.over.length > 0 ? [...this.over, ...ticks] : ticks
      const enqueuedAtMs = this.firstAtMs
      const fit = this.remove(next, most, maxBytes)
      this.over = next.slice(fit)
      const batch = fit === next.length ? next : next.slice(0, fit)
      if (Tick.isBatch(batch) && enqueuedAtMs !== undefined) leave({ ticks: batch, enqueuedAtMs })
    })
  }

  /** Removes as many of the first ticks, `next`, as are within the limits. Returns their number. */
  private remove(next: ReadonlyArray<Tick.Tick>, most: number, maxBytes: number): number {
    let fit = 0
    let bytes = 0
    for (const { payload } of next) {
      if (fit === most || (fit > 0 && bytes + payload.length > maxBytes)) break
      fit++
      bytes += payload.length
    }
    this.count -= fit
    this.bytes -= bytes
    let left = fit
    for (let first = this.arrivals[0]; first !== undefined && left > 0; first = this.arrivals[0]) {
      const gone = Math.min(left, first.count)
      left -= gone
      first.count -= gone
      if (first.count === 0) this.arrivals.shift()
    }
    return fit
  }
}
