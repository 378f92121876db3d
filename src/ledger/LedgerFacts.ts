/**
 * Finds the valid entries of stored batches: those about the objects that are stored under their keys now.
 *
 * An object that is set aside frees its key for another one. Entries about the old object don't apply to the new one, and
 * the old object isn't missing. The times in the entries decide, because entries of several logs have no order: read the
 * whole ledger first.
 */
import * as Arr from "effect/Array"
import type { Effect } from "effect/Effect"
import * as Order from "effect/Order"
import type * as RunId from "../domain/RunId.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import type * as LedgerEntry from "./LedgerEntry.ts"
import * as LedgerFold from "./LedgerFold.ts"

/** Collects the times at which objects were set aside. Memory: a time for each key. */
export class SetAsides {
  private readonly lastMs = new Map<string, number>()

  add({ atMs, key }: LedgerEntry.SetAside): this {
    this.lastMs.set(key, Math.max(atMs, this.since(key)))
    return this
  }

  /** The last time an object under `key` was set aside, in milliseconds since 1970. -1 when none was. */
  since(key: string): number {
    return this.lastMs.get(key) ?? -1
  }

  /** Whether the object of this entry has not been set aside since. */
  isValid({ committedAtMs, key }: Pick<LedgerEntry.Commit, "committedAtMs" | "key">): boolean {
    return committedAtMs > this.since(key)
  }
}

/** Collects a ledger's entries of batches. Memory: the entries without the checksums of ticks. */
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

  /** The valid entries by key. Several entries of one key are equal, unless something is wrong. */
  get batches(): Map<string, Arr.NonEmptyReadonlyArray<LedgerEntry.Commit>> {
    const valid = new Map<string, Arr.NonEmptyReadonlyArray<LedgerEntry.Commit>>()
    for (const [key, all] of this.commits) {
      const commits = all.filter((commit) => this.setAsides.isValid(commit))
      if (Arr.isReadonlyArrayNonEmpty(commits)) valid.set(key, commits)
    }
    return valid
  }
}

/** The ledger's entries of the batches whose keys `isWanted` accepts. */
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

/** The entry with the latest time. The first of equal ones. */
export const newest = (commits: Arr.NonEmptyReadonlyArray<LedgerEntry.Commit>): LedgerEntry.Commit =>
  Arr.max(commits, byTime)
