/**
 * The portions that one persistence service has in flight, and its counters.
 *
 * A tick is in flight from the step in which it leaves the queue to the step in which it is settled. The counts change in
 * the same steps. So at any moment `received = written + duplicate + dead-lettered + returned + lost + in flight`. What is
 * in flight is counted from the portions, not computed from the rest. The counts survive a restart of the service.
 */
import * as Match from "effect/Match"
import type * as Tracer from "effect/Tracer"
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
  /** The portions that are not settled, each with the span of its batch. */
  private readonly unsettled = new Map<Portion, Tracer.AnySpan>()

  /** The portions that are not settled. The array is a copy and doesn't change. */
  get portions(): ReadonlyArray<Portion> {
    return [...this.unsettled.keys()]
  }

  get ticks(): number {
    return this.portions.reduce((total, portion) => total + portion.ticks.length, 0)
  }

  /** A batch has left the queue, in the span `span`. Divides it into portions. */
  receive(
    batch: TakenBatch,
    mixedRuns: "dead-letter" | "split",
    nowMs: number,
    span: Tracer.AnySpan
  ): ReadonlyArray<Portion> {
    this.counts.received += batch.ticks.length
    const portions = divide(batch, mixedRuns, nowMs)
    for (const portion of portions) this.unsettled.set(portion, span)
    return portions
  }

  /** The span of the batch of `portion`, until all of the portion is settled. */
  spanOf(portion: Portion): Tracer.AnySpan | undefined {
    return this.unsettled.get(portion)
  }

  /** Counts `ticks` settled ticks of `portion`. */
  settled(portion: Portion, ticks: number, outcome: Outcome.OfService): void {
    if (portion.settled) this.unsettled.delete(portion)
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
