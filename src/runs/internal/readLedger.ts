/**
 * What the ledger of a run says, joined with its batches entry by entry, so that no entry of a batch is kept that is there.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as RunId from "../../domain/RunId.ts"
import type * as TickSet from "../../domain/TickSet.ts"
import * as Ledger from "../../ledger/Ledger.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import type { Line } from "../../ledger/LedgerLine.ts"
import type { Storage } from "../../storage/Storage.ts"
import * as Scanned from "./scannedFiles.ts"

/** What is kept of a ledger. */
export interface Told {
  /** Ticks of batches that have an entry and were not among the files, by their keys. */
  readonly absent: Map<string, ReadonlyArray<TickSet.Stretch>>
  readonly setAside: Set<string>
  /** Ticks of every dead letter there ever was, by its id. */
  readonly letters: Map<string, ReadonlyArray<TickSet.Stretch>>
  /** Ids of the letters that were replayed to their end. */
  readonly replayed: Set<string>
  readonly dropped: Map<string, LedgerEntry.Drop>
}

const note = (told: Told, files: ReadonlyMap<string, Scanned.ScannedFile>, { checks, entry }: Line): void => {
  switch (entry._tag) {
    case "Commit": {
      const file = files.get(entry.key)
      if (file === undefined) told.absent.set(entry.key, LedgerEntry.toStretches(entry.stretches))
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
      return void told.setAside.add(entry.key)
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
  const told: Told = {
    absent: new Map(),
    setAside: new Set(),
    letters: new Map(),
    replayed: new Set(),
    dropped: new Map()
  }
  yield* Stream.runForEach(Ledger.read(storage, runId), (item) =>
    Effect.sync(() => (item._tag === "Damage" ? onDamage(item) : note(told, files, item)))
  )
  return told
})
