/**
 * Gathers what is known of a run: from its batches, its metadata, its ledger, and the dead letters, in this order.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as RunId from "../../domain/RunId.ts"
import * as TickSet from "../../domain/TickSet.ts"
import type * as Ledger from "../../ledger/Ledger.ts"
import * as BatchFile from "../../storage/BatchFile.ts"
import type { Storage } from "../../storage/Storage.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import * as RunFiles from "../../runs/RunFiles.ts"
import * as RunMetadata from "../../runs/RunMetadata.ts"
import type { Collector } from "../Verdict.ts"
import type { Progress } from "../Verify.ts"
import type { LetterBook } from "./LetterBook.ts"
import { readLedger, type Told } from "./readLedger.ts"
import * as Scanned from "./scannedFiles.ts"

export type Stretches = ReadonlyArray<TickSet.Stretch>

/** One look at a run: where it lies, and what has been found so far. */
export interface Look {
  readonly storage: Storage["Service"]
  readonly runId: RunId.RunId
  readonly book: LetterBook
  readonly found: Collector
  readonly onProgress: (progress: Progress) => void
}

/** Files that are read at a time: the medium works on one while another is checked. */
const concurrency = 2

/** Reads all of `keys`, those that are gone by then left out. */
const scanAll = Effect.fnUntraced(function* (look: Look, keys: ReadonlyArray<RunFiles.BatchKey>) {
  const files = new Map<string, Scanned.ScannedFile>()
  let [bytes, done] = [0, 0]
  const tell = () => look.onProgress({ run: look.runId, files: done, of: keys.length, bytes })
  const onBytes = (more: number) => {
    bytes += more
    tell()
  }
  const one = (key: RunFiles.BatchKey) =>
    Effect.map(Scanned.scan(look.storage, key, onBytes), (file) => {
      if (file !== undefined) files.set(file.key, file)
      done++
      tell()
    })
  yield* Effect.forEach(keys, one, { concurrency, discard: true })
  return files
})

const reportDamage = ({ found }: Look, { bytes, log, offset, problem, torn }: Ledger.Damage): void =>
  found.add({ _tag: torn ? "TornLedger" : "DamagedLedger", key: log, offset, bytes, problem })

/** Letters that the ledger knows and that are gone, though nobody says that they were replayed or dropped. */
const vanishedLetters = Effect.fnUntraced(function* ({ book, runId, storage }: Look, told: Told) {
  const gone = ({ dropped, letters, replayed }: Told) =>
    [...letters].filter(([id]) => !book.has(id) && !replayed.has(id) && !dropped.has(id))
  if (gone(told).length === 0) return []
  // They may have come after the letters were looked through, or gone after the ledger was read.
  yield* book.refresh
  const since = yield* readLedger(storage, runId, new Map(), () => undefined)
  return gone({
    ...told,
    replayed: new Set([...told.replayed, ...since.replayed]),
    dropped: new Map([...told.dropped, ...since.dropped])
  })
})

/** Letters that can't be read, but for those that are of no use any more. Of one that the ledger knows the ticks are known. */
const damagedLetters = ({ book }: Look, { dropped, letters, replayed }: Told) =>
  book.damaged
    .filter(({ id }) => !replayed.has(id) && !dropped.has(id))
    .map((letter) => ({ ...letter, stretches: letters.get(letter.id) }))

/** What the metadata promise; what is wrong with them is a finding. */
const promised = ({ found, runId, storage }: Look) =>
  RunMetadata.promised(storage, runId).pipe(
    Effect.catchReason("StorageError", "ObjectDamaged", ({ problem }) =>
      Effect.sync(() => {
        found.add({ _tag: "DamagedFile", key: StorageKey.metadata(runId), problem, count: 0, intact: 0 })
        return RunMetadata.nothing
      })
    )
  )

/** Whether `file` is not what was written, as far as that can be told. */
const isDamaged = ({ differs, matchedAtMs, problem }: Scanned.ScannedFile): boolean =>
  problem !== undefined || (matchedAtMs === undefined && differs !== undefined)

/** The ticks that can be read in a damaged file all the same; of one that can't be read at all none. */
const salvage = ({ storage }: Look, { differs, key }: Scanned.ScannedFile) =>
  BatchFile.salvage(storage, key, differs?.checks()).pipe(
    Stream.runFold(
      () => new Array<bigint>(),
      (numbers, found) => {
        if (found._tag === "Tick") numbers.push(found.tick.tickNumber)
        return numbers
      }
    ),
    Effect.map(TickSet.stretches),
    Effect.catchReasons("StorageError", {
      ObjectMissing: () => Effect.succeed([]),
      IoFailure: () => Effect.succeed([]),
      PermissionDenied: () => Effect.succeed([]),
      InvalidPlace: () => Effect.succeed([])
    })
  )

/** Batches that have an entry and were not listed: those that have come since, and those that are gone. */
const absentFiles = Effect.fnUntraced(function* ({ storage }: Look, told: Told) {
  const gone: Array<readonly [key: string, stretches: Stretches]> = []
  const since: Array<Stretches> = []
  for (const [key, { stretches }] of told.absent) {
    const stat = StorageKey.is(key) ? yield* storage.stat(key) : undefined
    if (stat !== undefined) since.push(stretches)
    else gone.push([key, stretches])
  }
  return { gone, since: since.flat() }
})

/** All that is known of a run. */
export const gather = Effect.fnUntraced(function* (look: Look) {
  const { book, runId, storage } = look
  const listed = yield* RunFiles.batches(storage, runId)
  const files = yield* scanAll(look, listed)
  yield* book.refresh
  const told = yield* readLedger(storage, runId, files, (damage) => reportDamage(look, damage))
  const vanished = yield* vanishedLetters(look, told)
  const intact = [...files.values()].filter((file) => !isDamaged(file))
  const damaged = yield* Effect.forEach([...files.values()].filter(isDamaged), (file) =>
    Effect.map(salvage(look, file), (salvaged) => ({ file, salvaged }))
  )
  return {
    listed: new Set<string>(listed.map(({ key }) => key)),
    intact,
    damaged,
    told,
    vanished,
    waiting: book.of(runId),
    damagedLetters: damagedLetters(look, told),
    absent: yield* absentFiles(look, told),
    promised: yield* promised(look)
  }
})

export type Gathered = Effect.Success<ReturnType<typeof gather>>
