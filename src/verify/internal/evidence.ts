/**
 * Collects what is known about a run from its batches, dead letters, ledger and metadata, in this order.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as RunId from "../../domain/RunId.ts"
import * as TickSet from "../../domain/TickSet.ts"
import type * as Ledger from "../../ledger/Ledger.ts"
import * as RunFiles from "../../runs/RunFiles.ts"
import * as RunMetadata from "../../runs/RunMetadata.ts"
import * as BatchFile from "../../batch/BatchFile.ts"
import { Storage } from "../../storage/Storage.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import type { Collector } from "../Verdict.ts"
import { closedLetters, type JoinedLedger, joinLedger } from "./joinLedger.ts"
import type { LettersByRun } from "./LettersByRun.ts"
import * as ScannedFile from "./scannedFile.ts"

export type Stretches = ReadonlyArray<TickSet.Stretch>

/** The progress of a verification. */
export interface Progress {
  readonly run: RunId.RunId
  /** Files read so far. */
  readonly files: number
  /** All files of the run. */
  readonly of: number
  /** Bytes of the run read so far. */
  readonly bytes: number
}

/** The verification of one run. */
export interface Verification {
  readonly runId: RunId.RunId
  readonly letters: LettersByRun
  readonly found: Collector
  readonly onProgress: (progress: Progress) => void
}

/** The number of files read at the same time: one is read from the disk while another is checked. */
const concurrency = 2

/** Reads all files. Leaves out files that are gone by then. */
const scanAll = Effect.fnUntraced(function* (
  { onProgress, runId }: Verification,
  keys: ReadonlyArray<RunFiles.BatchKey>
) {
  const files = new Map<string, ScannedFile.ScannedFile>()
  let [bytes, done] = [0, 0]
  const report = () => onProgress({ run: runId, files: done, of: keys.length, bytes })
  const onBytes = (more: number) => {
    bytes += more
    report()
  }
  const scan = (key: RunFiles.BatchKey) =>
    Effect.map(ScannedFile.scan(key, onBytes), (file) => {
      if (file !== undefined) files.set(file.key, file)
      done++
      report()
    })
  yield* Effect.forEach(keys, scan, { concurrency, discard: true })
  return files
})

const reportDamage = ({ found }: Verification, { bytes, log, offset, problem, torn }: Ledger.Damage): void =>
  found.add({ _tag: torn ? "TornLedger" : "DamagedLedger", key: log, offset, bytes, problem })

/** Letters of the ledger that are gone, although no entry says that they were replayed or dropped. */
const vanishedLetters = Effect.fnUntraced(function* ({ letters, runId }: Verification, ledger: JoinedLedger) {
  const vanished = () => [...ledger.letters].filter(([id]) => !letters.has(id) && !ledger.closed.has(id))
  if (vanished().length === 0) return []
  // They may have come after the letters were listed, or gone after the ledger was read: read both again.
  yield* letters.refresh
  const closed = yield* closedLetters(runId)
  return vanished().filter(([id]) => !closed.has(id))
})

/**
 * Letters that can't be read and were not replayed or dropped, with their ticks from the ledger, if it has them.
 */
const damagedLetters = ({ letters }: Verification, ledger: JoinedLedger) =>
  letters.damaged
    .filter(({ id }) => !ledger.closed.has(id))
    .map((letter) => ({ ...letter, stretches: ledger.letters.get(letter.id) }))

/** What the metadata promise. A problem with them is a finding. */
const promised = ({ found, runId }: Verification) =>
  RunMetadata.promised(runId).pipe(
    Effect.catchReason("StorageError", "ObjectDamaged", ({ problem }) =>
      Effect.sync(() => {
        found.add({ _tag: "DamagedFile", key: StorageKey.metadata(runId), problem, count: 0, intact: 0 })
        return RunMetadata.nothing
      })
    )
  )

/** Whether the bytes of `file` are known to differ from what was written. */
const isDamaged = ({ differs, matchedAtMs, problem }: ScannedFile.ScannedFile): boolean =>
  problem !== undefined || (matchedAtMs === undefined && differs !== undefined)

/** The ticks of a damaged file that can still be read. Empty when the file can't be read at all. */
const salvage = ({ differs, key }: ScannedFile.ScannedFile) =>
  Stream.runFold(
    BatchFile.salvage(key, differs?.checks()),
    () => new Array<bigint>(),
    (numbers, found) => {
      if (found._tag === "Tick") numbers.push(found.tick.tickNumber)
      return numbers
    }
  ).pipe(
    Effect.map(TickSet.stretches),
    Effect.catchReasons("StorageError", {
      ObjectMissing: () => Effect.succeed([]),
      IoFailure: () => Effect.succeed([]),
      PermissionDenied: () => Effect.succeed([]),
      InvalidPlace: () => Effect.succeed([])
    })
  )

/** Batches with an entry that were not listed: stored since the listing, or gone. */
const absentFiles = Effect.fnUntraced(function* ({ absent }: JoinedLedger) {
  const storage = yield* Storage
  const gone: Array<readonly [key: string, stretches: Stretches]> = []
  const since: Array<Stretches> = []
  for (const [key, { stretches }] of absent) {
    const stat = StorageKey.is(key) ? yield* storage.stat(key) : undefined
    if (stat !== undefined) since.push(stretches)
    else gone.push([key, stretches])
  }
  return { gone, since: since.flat() }
})

/** All that is known about a run. */
export const collect = Effect.fnUntraced(function* (verification: Verification) {
  const { letters, runId } = verification
  const listed = yield* RunFiles.batches(runId)
  const files = yield* scanAll(verification, listed)
  yield* letters.refresh
  const ledger = yield* joinLedger(runId, files, (damage) => reportDamage(verification, damage))
  const vanished = yield* vanishedLetters(verification, ledger)
  const intact = [...files.values()].filter((file) => !isDamaged(file))
  const damaged = yield* Effect.forEach([...files.values()].filter(isDamaged), (file) =>
    Effect.map(salvage(file), (salvaged) => ({ file, salvaged }))
  )
  return {
    listed: new Set<string>(listed.map(({ key }) => key)),
    intact,
    damaged,
    ledger,
    vanished,
    waiting: letters.of(runId),
    damagedLetters: damagedLetters(verification, ledger),
    absent: yield* absentFiles(ledger),
    promised: yield* promised(verification)
  }
})

export type Evidence = Effect.Success<ReturnType<typeof collect>>
