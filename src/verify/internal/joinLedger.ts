/**
 * Joins the ledger of a run with its scanned batches, entry by entry. Keeps no entry of a scanned batch.
 */
import * as Effect from "effect/Effect"
import type * as RunId from "../../domain/RunId.ts"
import type * as TickSet from "../../domain/TickSet.ts"
import type * as Ledger from "../../ledger/Ledger.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../../ledger/LedgerFacts.ts"
import * as LedgerFold from "../../ledger/LedgerFold.ts"
import * as ScannedFile from "./scannedFile.ts"

type Files = ReadonlyMap<string, ScannedFile.ScannedFile>

/** A batch with an entry that is not among the files. */
interface Absent {
  readonly stretches: ReadonlyArray<TickSet.Stretch>
  readonly committedAtMs: number
}

/** Letters that were replayed completely or dropped. */
export class ClosedLetters {
  /** Ids of the letters that were replayed completely. */
  readonly replayed = new Set<string>()
  readonly dropped = new Map<string, LedgerEntry.Drop>()

  has(id: string): boolean {
    return this.replayed.has(id) || this.dropped.has(id)
  }

  addReplay({ letter, remaining }: LedgerEntry.Replay): void {
    if (remaining === 0) this.replayed.add(letter)
  }

  addDrop(entry: LedgerEntry.Drop): void {
    this.dropped.set(entry.letter, entry)
  }
}

/** The kept part of a ledger. */
export class JoinedLedger {
  /** The newest entry of each key that is not among the files. */
  readonly absent = new Map<string, Absent>()
  /** The ticks of every dead letter in the ledger, by its id. */
  readonly letters = new Map<string, ReadonlyArray<TickSet.Stretch>>()
  readonly closed = new ClosedLetters()
  readonly setAsides = new LedgerFacts.SetAsides()

  addAbsent({ committedAtMs, key, stretches }: LedgerEntry.Commit): void {
    if ((this.absent.get(key)?.committedAtMs ?? -1) > committedAtMs) return
    this.absent.set(key, { committedAtMs, stretches: LedgerEntry.toStretches(stretches) })
  }

  /** Whether the absent batch of this key was set aside. */
  isSetAside(key: string): boolean {
    const absent = this.absent.get(key)
    return absent !== undefined && !this.setAsides.isValid({ key, committedAtMs: absent.committedAtMs })
  }
}

/**
 * Compares `files` with their entries, and keeps the rest of the ledger of the run. Reports damaged lines to
 * `onDamage`.
 */
export const joinLedger = Effect.fnUntraced(function* (
  runId: RunId.RunId,
  files: Files,
  onDamage: (damage: Ledger.Damage) => void
) {
  const joined = yield* LedgerFold.run(runId, () => new JoinedLedger(), {
    Header: LedgerFold.skip,
    Commit: LedgerFold.mutate((state, entry, checks) => {
      const file = files.get(entry.key)
      if (file === undefined) state.addAbsent(entry)
      else ScannedFile.compare(file, entry, checks)
    }),
    Letter: LedgerFold.mutate((state, entry) => {
      state.letters.set(entry.id, LedgerEntry.toStretches(entry.stretches))
    }),
    Replay: LedgerFold.mutate((state, entry) => state.closed.addReplay(entry)),
    Drop: LedgerFold.mutate((state, entry) => state.closed.addDrop(entry)),
    SetAside: LedgerFold.mutate((state, entry) => state.setAsides.add(entry)),
    Damage: LedgerFold.mutate((_, damage) => onDamage(damage))
  })
  for (const file of files.values()) ScannedFile.forgetSetAside(file, joined.setAsides)
  return joined
})

/** The letters that are replayed completely or dropped by now. Keeps nothing else of the ledger. */
export const closedLetters = (runId: RunId.RunId) =>
  LedgerFold.run(runId, () => new ClosedLetters(), {
    Header: LedgerFold.skip,
    Commit: LedgerFold.skip,
    Letter: LedgerFold.skip,
    SetAside: LedgerFold.skip,
    Replay: LedgerFold.mutate((state, entry) => state.addReplay(entry)),
    Drop: LedgerFold.mutate((state, entry) => state.addDrop(entry))
  })
