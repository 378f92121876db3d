/**
 * What the ledger of a run says, joined with its batches entry by entry, so that no entry of a batch is kept that is there.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as RunId from "../../domain/RunId.ts"
import type * as TickSet from "../../domain/TickSet.ts"
import * as Ledger from "../../ledger/Ledger.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../../ledger/LedgerFacts.ts"
import type { Line } from "../../ledger/LedgerLine.ts"
import type { Storage } from "../../storage/Storage.ts"
import * as Scanned from "./scannedFiles.ts"

/** A batch that was stored then, and is not there. */
export interface Absent {
  readonly stretches: ReadonlyArray<TickSet.Stretch>
  readonly committedAtMs: number
}

/** What is kept of a ledger. */
export interface Told {
  /** Batches that have an entry and were not among the files, the newest of each key. */
  readonly absent: Map<string, Absent>
  /** Keys of those of them that were set aside. */
  readonly setAside: ReadonlySet<string>
  /** Ticks of every dead letter there ever was, by its id. */
  readonly letters: Map<string, ReadonlyArray<TickSet.Stretch>>
  /** Ids of the letters that were replayed to their end. */
  readonly replayed: Set<string>
  readonly dropped: Map<string, LedgerEntry.Drop>
}

const noteAbsent = (absent: Map<string, Absent>, { committedAtMs, key, stretches }: LedgerEntry.Commit): void => {
  if ((absent.get(key)?.committedAtMs ?? -1) > committedAtMs) return
  absent.set(key, { committedAtMs, stretches: LedgerEntry.toStretches(stretches) })
}

const note = (
  told: Omit<Told, "setAside">,
  files: ReadonlyMap<string, Scanned.ScannedFile>,
  { checks, entry }: Line
): void => {
  switch (entry._tag) {
    case "Commit": {
      const file = files.get(entry.key)
      if (file === undefined) noteAbsent(told.absent, entry)
      else Scanned.compare(file, entry, checks)
      return
    }
    case "Letter":
      return void told.letters.set(entry.id, LedgerEntry.toStretches(entry.stretches))
    case "Replay":
      if (entry.remaining === 0) told.replayed.add(entry.letter)
      return
    case "Drop":
      return void told.dropped.set(entry.letter, entry)
    case "SetAside":
    case "Header":
      return
  }
}

/** Reads the ledger of the run. `onDamage` is told of what in it can't be read. */
export const readLedger = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  runId: RunId.RunId,
  files: ReadonlyMap<string, Scanned.ScannedFile>,
  onDamage: (damage: Ledger.Damage) => void
) {
  const setAsides = new LedgerFacts.SetAsides()
  const told = {
    absent: new Map<string, Absent>(),
    letters: new Map<string, ReadonlyArray<TickSet.Stretch>>(),
    replayed: new Set<string>(),
    dropped: new Map<string, LedgerEntry.Drop>()
  }
  yield* Stream.runForEach(Ledger.read(storage, runId), (item) =>
    Effect.sync(() => {
      if (item._tag === "Damage") return onDamage(item)
      setAsides.add(item.entry)
      note(told, files, item)
    })
  )
  for (const file of files.values()) Scanned.settle(file, setAsides)
  const gone = [...told.absent].filter(([key, { committedAtMs }]) => !setAsides.counts({ key, committedAtMs }))
  return { ...told, setAside: new Set(gone.map(([key]) => key)) } satisfies Told
})
