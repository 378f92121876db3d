/**
 * The batches of a run at the time of its listing, found by the ticks that they may have.
 */
import * as BigInts from "effect/BigInt"
import * as Order from "effect/Order"
import type * as TickSet from "../../domain/TickSet.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../../ledger/LedgerFacts.ts"
import type { BatchKey } from "../../runs/RunFiles.ts"

/** A batch, and what is known about it since the listing. */
export interface EarlierBatch extends BatchKey {
  /** The ticks in it. `undefined` while they are not known. */
  ticks: ReadonlyArray<TickSet.Stretch> | undefined
  /** Whether it survives a crash. */
  isSecured: boolean
}

const byFirst = Order.mapInput(Order.BigInt, ({ first }: BatchKey) => first)

/** It has state: don't share it. */
export class EarlierBatches {
  /** Ordered by their first tick. `reach` is the greatest tick of a batch and those before it. */
  private readonly batches: ReadonlyArray<EarlierBatch & { readonly reach: bigint }>
  /** The number of batches that were read without a match. */
  readInVain = 0
  /** Whether the ledger was read for their ticks. */
  isLedgerRead = false

  constructor(keys: ReadonlyArray<BatchKey>) {
    let reach = -1n
    this.batches = keys.toSorted(byFirst).map((key) => {
      reach = BigInts.max(reach, key.last)
      return { ...key, ticks: undefined, isSecured: false, reach }
    })
  }

  get count(): number {
    return this.batches.length
  }

  /** The batches that may have ticks from `first` to `last`, both included, judged by their names. */
  overlapping(first: bigint, last: bigint): ReadonlyArray<EarlierBatch> {
    const found: Array<EarlierBatch> = []
    for (let at = this.lastUpTo(last); at >= 0; at--) {
      const batch = this.batches[at]
      if (batch === undefined || batch.reach < first) break
      if (batch.last >= first) found.push(batch)
    }
    return found
  }

  /** Sets the ticks of batches that are not known yet, from the ledger. */
  addFacts(facts: LedgerFacts.LedgerFacts): void {
    const known = facts.batches
    for (const batch of this.batches) {
      const commits = known.get(batch.key)
      if (commits !== undefined) batch.ticks ??= LedgerEntry.toStretches(LedgerFacts.newest(commits).stretches)
    }
  }

  /** The index of the last batch that begins at `tick` or before. -1 when there is none. */
  private lastUpTo(tick: bigint): number {
    let [low, high] = [0, this.batches.length - 1]
    while (low <= high) {
      const middle = (low + high) >> 1
      const batch = this.batches[middle]
      if (batch !== undefined && batch.first <= tick) low = middle + 1
      else high = middle - 1
    }
    return high
  }
}
