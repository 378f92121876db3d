/**
 * What one persistence service has in hand, and its books.
 *
 * A tick is in hand from the step in which it leaves the queue to the step in which it is settled. Counters change in
 * that same step, so that at any moment `received = written + duplicate + dead-lettered + returned + lost + in flight`,
 * where what is in flight is counted from the hand and not computed from the rest. The counters only go up and live as
 * long as the service, restarts included.
 */
import type { TakenBatch } from "../../queue/BatchPolicy.ts"
import type { Degraded } from "../Degraded.ts"
import { divide, type Portion } from "./Portion.ts"

/** Where settled ticks are counted. */
export type Settled = "written" | "duplicate" | "deadLettered" | "returned" | "lost"

export class Hand {
  readonly counts = { received: 0, written: 0, duplicate: 0, deadLettered: 0, returned: 0, lost: 0 }
  batchesWritten = 0
  bytesWritten = 0
  bytesStored = 0
  batchesFailed = 0
  writeRetries = 0
  /** There while neither the storage nor the dead-letter queue takes what is held. */
  degraded: Degraded | undefined
  private held: Array<Portion> = []

  /** What is not settled yet. */
  get portions(): ReadonlyArray<Portion> {
    return this.held
  }

  get ticks(): number {
    return this.held.reduce((total, portion) => total + portion.ticks.length, 0)
  }

  /** Takes a batch into hand, divided into its portions. */
  receive(batch: TakenBatch, mixedRuns: "dead-letter" | "split", nowMs: number): void {
    this.counts.received += batch.ticks.length
    this.held.push(...divide(batch, mixedRuns, nowMs))
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
