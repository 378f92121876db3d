/**
 * The batches of a run that were stored when it was listed, found by the ticks that they may hold.
 */
import * as BigInts from "effect/BigInt"
import * as Order from "effect/Order"
import type * as TickSet from "../../domain/TickSet.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../../ledger/LedgerFacts.ts"
import type { BatchKey } from "../../runs/RunFiles.ts"

/** A batch, and what has been found out about it since it was listed. */
export interface EarlierBatch extends BatchKey {
  /** The ticks in it; `undefined` while they are not known. */
  ticks: ReadonlyArray<TickSet.Stretch> | undefined
  /** Whether it was made to survive a crash. */
  isSecured: boolean
}

const byFirst = Order.mapInput(Order.BigInt, ({ first }: BatchKey) => first)

/** Not shared: it has state. */
export class EarlierBatches {
  /** By their first tick. `reach` is the greatest tick of a batch and those before it. */
  private readonly batches: ReadonlyArray<EarlierBatch & { readonly reach: bigint }>
  /** How many reads of batches have found none of the ticks. */
  readInVain = 0
  /** Whether the ledger was read for what they hold. */
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

  /** Those whose name says that they may hold ticks from `first` to `last`, both included. */
  overlapping(first: bigint, last: bigint): ReadonlyArray<EarlierBatch> {
    const found: Array<EarlierBatch> = []
    for (let at = this.lastUpTo(last); at >= 0; at--) {
      const batch = this.batches[at]
      if (batch === undefined || batch.reach < first) break
      if (batch.last >= first) found.push(batch)
    }
    return found
  }

  /** Notes the ticks that the ledger knows of batches whose ticks are not known yet. */
  addFacts(facts: LedgerFacts.LedgerFacts): void {
    const known = facts.batches
    for (const batch of this.batches) {
      const commits = known.get(batch.key)
      if (commits !== undefined) batch.ticks ??= LedgerEntry.toStretches(LedgerFacts.newest(commits).stretches)
    }
  }

  /** The index of the last batch that begins at `tick` or before; -1 when there is none. */
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
