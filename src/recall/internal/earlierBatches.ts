/**
 * The batches of a run that were there when it was first looked at, found by the ticks that they may hold.
 */
import type * as TickSet from "../../domain/TickSet.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../../ledger/LedgerFacts.ts"
import type { BatchKey } from "../../runs/RunFiles.ts"

/** A batch by its name, and what has been found out about it since. */
export interface EarlierBatch extends BatchKey {
  /** What is in it; `undefined` as long as nobody has told. */
  ticks: ReadonlyArray<TickSet.Stretch> | undefined
  /** Whether it survives a crash. */
  isSecured: boolean
}

/** Not shared: it has state. */
export class EarlierBatches {
  /** By their first tick. */
  private readonly batches: ReadonlyArray<EarlierBatch>
  /** The greatest tick of each batch and those before it. */
  private readonly reach: ReadonlyArray<bigint>
  /** How many were read for ticks that were not in them. */
  readInVain = 0
  /** Whether the ledger has been asked about them. */
  isTold = false

  constructor(keys: ReadonlyArray<BatchKey>) {
    const sorted = keys.map((key): EarlierBatch => ({ ...key, ticks: undefined, isSecured: false }))
    this.batches = sorted.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
    let greatest = -1n
    this.reach = this.batches.map(({ last }) => (greatest = last > greatest ? last : greatest))
  }

  get count(): number {
    return this.batches.length
  }

  /** Those whose name says that they reach into the range of `first` to `last`, both included. */
  overlapping(first: bigint, last: bigint): ReadonlyArray<EarlierBatch> {
    const found: Array<EarlierBatch> = []
    for (let at = this.lastUpTo(last); at >= 0 && (this.reach[at] ?? first) >= first; at--) {
      const batch = this.batches[at]
      if (batch !== undefined && batch.last >= first) found.push(batch)
    }
    return found
  }

  /** Notes what the ledger says of those that nobody has told of yet. */
  tell(facts: LedgerFacts.LedgerFacts): void {
    const known: ReadonlyMap<string, ReadonlyArray<LedgerEntry.Commit>> = facts.batches
    for (const batch of this.batches) {
      const commit = LedgerFacts.newest(known.get(batch.key) ?? [])
      if (commit !== undefined) batch.ticks ??= LedgerEntry.toStretches(commit.stretches)
    }
  }

  /** Where the last batch is that begins at `tick` or before; -1 when there is none. */
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
