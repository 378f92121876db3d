/**
 * Which entries of stored batches are still valid: those about the objects that are stored under their keys now.
 *
 * An object that is set aside frees its key for another one. Entries about the old object say nothing about the new one, and
 * the old object isn't missing. The times in the entries decide, because the entries of several logs come in no order: read
 * the whole ledger before you ask.
 */
import * as Arr from "effect/Array"
import type { Effect } from "effect/Effect"
import * as Order from "effect/Order"
import type * as RunId from "../domain/RunId.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import type * as LedgerEntry from "./LedgerEntry.ts"
import * as LedgerFold from "./LedgerFold.ts"

/** Collects when objects were set aside. Memory: a time for each key. */
export class SetAsides {
  private readonly lastMs = new Map<string, number>()

  add({ atMs, key }: LedgerEntry.SetAside): this {
    this.lastMs.set(key, Math.max(atMs, this.since(key)))
    return this
  }

  /** When an object under `key` was last set aside, in milliseconds since 1970; -1 when none ever was. */
  since(key: string): number {
    return this.lastMs.get(key) ?? -1
  }

  /** Whether the object that was stored then has not been set aside since. */
  isValid({ committedAtMs, key }: Pick<LedgerEntry.Commit, "committedAtMs" | "key">): boolean {
    return committedAtMs > this.since(key)
  }
}

/** Collects what a ledger says about batches. Memory: their entries, without the checksums of ticks. */
export class LedgerFacts {
  readonly setAsides = new SetAsides()
  private readonly commits = new Map<string, Array<LedgerEntry.Commit>>()

  addCommit(entry: LedgerEntry.Commit): this {
    const others = this.commits.get(entry.key)
    if (others === undefined) this.commits.set(entry.key, [entry])
    else others.push(entry)
    return this
  }

  addSetAside(entry: LedgerEntry.SetAside): this {
    this.setAsides.add(entry)
    return this
  }

  /** The valid entries by key. Where a key has several, they say the same or something is wrong. */
  get batches(): Map<string, Arr.NonEmptyReadonlyArray<LedgerEntry.Commit>> {
    const valid = new Map<string, Arr.NonEmptyReadonlyArray<LedgerEntry.Commit>>()
    for (const [key, all] of this.commits) {
      const commits = all.filter((commit) => this.setAsides.isValid(commit))
      if (Arr.isReadonlyArrayNonEmpty(commits)) valid.set(key, commits)
    }
    return valid
  }
}

/** What the ledger of the run says about the batches whose keys `isWanted`. */
export const read = (
  runId: RunId.RunId,
  isWanted: (key: string) => boolean = () => true
): Effect<LedgerFacts, StorageError, Storage> =>
  LedgerFold.run(runId, () => new LedgerFacts(), {
    Header: LedgerFold.skip,
    Letter: LedgerFold.skip,
    Replay: LedgerFold.skip,
    Drop: LedgerFold.skip,
    Commit: (facts, commit) => (isWanted(commit.key) ? facts.addCommit(commit) : facts),
    SetAside: (facts, setAside) => (isWanted(setAside.key) ? facts.addSetAside(setAside) : facts)
  })

const byTime = Order.mapInput(Order.Number, ({ committedAtMs }: LedgerEntry.Commit) => committedAtMs)

/** The entry with the latest time; of equal ones the first. */
export const newest = (commits: Arr.NonEmptyReadonlyArray<LedgerEntry.Commit>): LedgerEntry.Commit =>
  Arr.max(commits, byTime)
