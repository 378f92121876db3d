/**
 * The portions that one persistence service has in flight, and its counters.
 *
 * A tick is in flight from the step in which it leaves the queue to the step in which it is settled. The counts change in
 * the same steps. So at any moment `received = written + duplicate + dead-lettered + returned + lost + in flight`. What is
 * in flight is counted from the portions, not computed from the rest. The counts survive a restart of the service.
 */
import * as Match from "effect/Match"
import type { TakenBatch } from "../../queue/BatchPolicy.ts"
import type * as Outcome from "../Outcome.ts"
import { divide, type Portion } from "../Portion.ts"

/**
 * Most batches that one service has in flight: one is made ready, one written, one synced. More of them would hardly be
 * faster, and there would be more to settle at a stop.
 */
export const maxBatches = 3

export class InFlight {
  /** Ticks so far, by their outcome. */
  readonly counts = { received: 0, written: 0, duplicate: 0, deadLettered: 0, returned: 0, lost: 0 }
  batchesWritten = 0
  bytesWritten = 0
  bytesStored = 0
  batchesFailed = 0
  writeRetries = 0
  private unsettled: Array<Portion> = []

  /** The portions that are not settled. The array is a copy and doesn't change. */
  get portions(): ReadonlyArray<Portion> {
    return this.unsettled.slice()
  }

  get ticks(): number {
    return this.unsettled.reduce((total, portion) => total + portion.ticks.length, 0)
  }

  /** A batch has left the queue. Divides it into portions. */
  receive(batch: TakenBatch, mixedRuns: "dead-letter" | "split", nowMs: number): ReadonlyArray<Portion> {
    this.counts.received += batch.ticks.length
    const portions = divide(batch, mixedRuns, nowMs)
    this.unsettled.push(...portions)
    return portions
  }

  /** Counts `ticks` settled ticks of `portion`. */
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
