/** Shared by the producers and consumers of a queue: the waiting ticks, the account, and the demands of both sides. */
import * as Latch from "effect/Latch"
import * as MutableList from "effect/MutableList"
import type * as Tick from "../../domain/Tick.ts"
import type { BatchPolicy, FlushReason, TakenBatch } from "../BatchPolicy.ts"
import type { WaitingTicks } from "./WaitingTicks.ts"

/** Opening a latch may run waiting fibers at once, so each step changes everything else first. */
export class Handover {
  readonly waiting: WaitingTicks
  readonly counts = { accepted: 0, inHand: 0, stored: 0, duplicate: 0, deadLettered: 0, lost: 0 }
  readonly returned = MutableList.make<TakenBatch>()
  ended = false
  /** A producer waits for room: the queue will hold no more than it does now. */
  producerWaits = false
  /** The policy of the consumer that waits now. */
  demand: BatchPolicy | undefined

  readonly room = Latch.makeUnsafe(false)
  readonly arrival = Latch.makeUnsafe(false)

  constructor(waiting: WaitingTicks) {
    this.waiting = waiting
  }

  /**
   * Adds ticks from `from` on while there is room. Returns the index of the first tick not added. After `end` it adds
   * none.
   */
  add(ticks: ReadonlyArray<Tick.Tick>, from: number, nowMs: number, accepted: (count: number) => void): number {
    if (this.ended) return from
    const wasEmpty = this.waiting.count === 0
    const next = this.waiting.add(ticks, from, nowMs)
    this.counts.accepted += next - from
    this.producerWaits = next < ticks.length
    if (this.producerWaits) this.room.closeUnsafe()
    if (next > from) accepted(next - from)
    if (this.demand !== undefined && (wasEmpty || this.closes(this.demand) !== undefined)) this.arrival.openUnsafe()
    return next
  }

  /** Why a batch can be taken now. `undefined` while it is worth waiting for more. */
  closes(policy: BatchPolicy): FlushReason | undefined {
    const { bytes, count, isFull } = this.waiting
    if (count === 0) return undefined
    if (count >= policy.maxTicks) return "size"
    if (bytes >= policy.maxBytes) return "bytes"
    if (this.ended) return "shutdown"
    return this.producerWaits || isFull ? "memory" : undefined
  }

  returnedTicks(): number {
    return MutableList.toArray(this.returned).reduce((total, batch) => total + batch.ticks.length, 0)
  }
}
