/**
 * What one persistence service has in flight, and what it has counted.
 *
 * A few batches are in flight at a time, so that one is made ready while others are being written. A tick is in flight from
 * the step in which it leaves the queue to the step in which it is settled. Counts change in that same step, so that at any
 * moment `received = written + duplicate + dead-lettered + returned + lost + in flight`, where what is in flight is counted
 * from the portions and not computed from the rest. The counts only go up and live as long as the service, restarts
 * included.
 */
import * as Match from "effect/Match"
import type { TakenBatch } from "../../queue/BatchPolicy.ts"
import type * as Outcome from "../Outcome.ts"
import { divide, type Portion } from "../Portion.ts"

/**
 * Most batches that one service has in flight: one is made ready, one written and one synced, each at its own pace. With
 * more the disk gains little, and more is to be settled at a stop.
 */
export const maxBatches = 3

export class InFlight {
  /** What has become of all ticks so far. */
  readonly counts = { received: 0, written: 0, duplicate: 0, deadLettered: 0, returned: 0, lost: 0 }
  batchesWritten = 0
  bytesWritten = 0
  bytesStored = 0
  batchesFailed = 0
  writeRetries = 0
  private unsettled: Array<Portion> = []

  /** What is not settled yet. A copy: it stays the same while portions are settled. */
  get portions(): ReadonlyArray<Portion> {
    return this.unsettled.slice()
  }

  get ticks(): number {
    return this.unsettled.reduce((total, portion) => total + portion.ticks.length, 0)
  }

  /** Takes in a batch, divided into its portions, which it gives. */
  receive(batch: TakenBatch, mixedRuns: "dead-letter" | "split", nowMs: number): ReadonlyArray<Portion> {
    this.counts.received += batch.ticks.length
    const portions = divide(batch, mixedRuns, nowMs)
    this.unsettled.push(...portions)
    return portions
  }

  /** This has become of so many ticks of `portion`, which have left it. */
  settled(portion: Portion, ticks: number, outcome: Outcome.OfService): void {
    if (portion.settled) this.unsettled = this.unsettled.filter((other) => other !== portion)
    Match.valueTags(outcome, {
      Stored: ({ written }) => {
        this.counts.written += ticks
        this.batchesWritten++
        this.bytesWritten += written.bytes
        this.bytesStored += written.storedBytes
      },
      Duplicate: () => void (this.counts.duplicate += ticks),
      DeadLettered: () => {
        this.counts.deadLettered += ticks
        this.batchesFailed++
      },
      Lost: () => {
        this.counts.lost += ticks
        this.batchesFailed++
      },
      Returned: () => void (this.counts.returned += ticks)
    })
  }
}
