/**
 * Which entries of stored batches still count: those of the objects that have their keys now.
 *
 * An object that is set aside leaves its key to another one. What was stored under the key before says nothing of that one,
 * and is not missed. The times in the entries decide, since those of several logs come in no order: all of the ledger has
 * to be read before anything is asked.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import type { Storage } from "../storage/Storage.ts"
import * as Ledger from "./Ledger.ts"
import type * as LedgerEntry from "./LedgerEntry.ts"
import type * as LedgerLine from "./LedgerLine.ts"

/** Gathers when keys were freed. Memory: a time for every key that was. */
export class SetAsides {
  private readonly lastMs = new Map<string, number>()

  add(entry: LedgerLine.Brief): void {
    if (entry._tag === "SetAside") this.lastMs.set(entry.key, Math.max(entry.atMs, this.since(entry.key)))
  }

  /** When an object was last taken from under `key`, in milliseconds since 1970; -1 when none ever was. */
  since(key: string): number {
    return this.lastMs.get(key) ?? -1
  }

  /** Whether what was stored then has not been set aside since. */
  counts({ committedAtMs, key }: Pick<LedgerEntry.Commit, "committedAtMs" | "key">): boolean {
    return committedAtMs > this.since(key)
  }
}

/** Gathers what a ledger says of batches. Memory: their entries, without the checksums of ticks. */
export class LedgerFacts {
  readonly setAsides = new SetAsides()
  private readonly commits = new Map<string, Array<LedgerEntry.Commit>>()

  add(entry: LedgerEntry.Entry): void {
    this.setAsides.add(entry)
    if (entry._tag !== "Commit") return
    const others = this.commits.get(entry.key)
    if (others === undefined) this.commits.set(entry.key, [entry])
    else others.push(entry)
  }

  /** The entries that count, by key. Several of one key tell the same, or tell that something is wrong. */
  get batches(): Map<string, ReadonlyArray<LedgerEntry.Commit>> {
    const counting = new Map<string, ReadonlyArray<LedgerEntry.Commit>>()
    for (const [key, all] of this.commits) {
      const commits = all.filter((commit) => this.setAsides.counts(commit))
      if (commits.length > 0) counting.set(key, commits)
    }
    return counting
  }
}

/** What the ledger of the run says of the batches whose keys `isWanted`. */
export const read = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  runId: RunId.RunId,
  isWanted: (key: string) => boolean = () => true
) {
  const facts = new LedgerFacts()
  yield* Stream.runForEach(Ledger.read(storage, runId), (item) =>
    Effect.sync(() => {
      if (item._tag === "Line" && "key" in item.entry && isWanted(item.entry.key)) facts.add(item.entry)
    })
  )
  return facts
})

/** The entry that was stored last. */
export const newest = (commits: ReadonlyArray<LedgerEntry.Commit>): LedgerEntry.Commit | undefined =>
  commits.reduce<LedgerEntry.Commit | undefined>(
    (best, commit) => (best === undefined || commit.committedAtMs > best.committedAtMs ? commit : best),
    undefined
  )
