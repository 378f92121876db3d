/**
 * What one persistence service has in hand, and its books.
 *
 * A few batches are in hand at a time, so that one is made ready while others are being written. A tick is in hand from
 * the step in which it leaves the queue to the step in which it is settled. Counters change in that same step, so that at
 * any moment `received = written + duplicate + dead-lettered + returned + lost + in flight`, where what is in flight is
 * counted from the hand and not computed from the rest. The counters only go up and live as long as the service, restarts
 * included.
 */
import * as Latch from "effect/Latch"
import type { TakenBatch } from "../../queue/BatchPolicy.ts"
import type { Degraded } from "../Degraded.ts"
import { divide, type Portion } from "./Portion.ts"

/**
 * Most batches that one service has in hand: one is made ready, one written and one synced, each at its own pace. With more
 * the disk gains little, and more is to be settled at a stop.
 */
export const maxBatches = 3

/** Where settled ticks are counted. */
export type Settled = "written" | "duplicate" | "deadLettered" | "returned" | "lost"

export class Hand {
  readonly counts = { received: 0, written: 0, duplicate: 0, deadLettered: 0, returned: 0, lost: 0 }
  batchesWritten = 0
  bytesWritten = 0
  bytesStored = 0
  batchesFailed = 0
  writeRetries = 0
  private held: Array<Portion> = []
  /** What neither the storage nor the dead-letter queue takes, in the order in which that began. */
  private readonly refused = new Map<Portion, Degraded>()
  /** Open while there is none of that. */
  readonly accepting = Latch.makeUnsafe(true)
  /** Open while there is some. */
  readonly refusing = Latch.makeUnsafe(false)

  /** What is not settled yet. */
  get portions(): ReadonlyArray<Portion> {
    return this.held
  }

  get ticks(): number {
    return this.held.reduce((total, portion) => total + portion.ticks.length, 0)
  }

  /** There while neither the storage nor the dead-letter queue takes one of the portions: as it is with the first of them. */
  get degraded(): Degraded | undefined {
    const [first, ...others] = this.refused.values()
    if (first === undefined) return undefined
    const nextTryMs = others.reduce<number | undefined>(
      (next, other) =>
        next === undefined || other.nextTryMs === undefined ? undefined : Math.min(next, other.nextTryMs),
      first.nextTryMs
    )
    return { ...first, nextTryMs }
  }

  /** The first of the portions that neither takes. */
  get firstRefused(): Portion | undefined {
    const [first] = this.refused.keys()
    return first
  }

  degradedOf(portion: Portion): Degraded | undefined {
    return this.refused.get(portion)
  }

  /** Says how it is with a portion; `undefined`: one of the two has taken it, or nobody asks them any more. */
  degrade(portion: Portion, degraded: Degraded | undefined): void {
    if (degraded === undefined) this.refused.delete(portion)
    else this.refused.set(portion, degraded)
    const [from, to] = this.refused.size > 0 ? [this.accepting, this.refusing] : [this.refusing, this.accepting]
    from.closeUnsafe()
    to.openUnsafe()
  }

  /** Takes a batch into hand, divided into its portions, which it gives. */
  receive(batch: TakenBatch, mixedRuns: "dead-letter" | "split", nowMs: number): ReadonlyArray<Portion> {
    this.counts.received += batch.ticks.length
    const portions = divide(batch, mixedRuns, nowMs)
    this.held.push(...portions)
    return portions
  }

  /** Keeps only `ticks` of `portion` in hand; the others have become `settled`. */
  keep(portion: Portion, ticks: ReadonlyArray<Portion["ticks"][number]>, settled: Settled): void {
    this.counts[settled] += portion.ticks.length - ticks.length
    const [first, ...others] = ticks
    if (first === undefined) this.held = this.held.filter((other) => other !== portion)
    else portion.ticks = [first, ...others]
  }

  /** All of `portion` has become `settled`. */
  settle(portion: Portion, settled: Settled): void {
    this.keep(portion, [], settled)
  }
}
