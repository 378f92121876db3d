/**
 * Writes what the ledger of a run lacks: entries for batches and dead letters that it doesn't know, as they are now.
 *
 * A batch that is damaged, taken alone or by what an entry says of it, gets none: its damage stays known. A log that is
 * damaged within is copied as far as it is intact, and set aside. Safe to repeat and to interrupt: an entry that is there
 * twice says nothing new.
 *
 * Not to be done while a pipeline writes to the run: a process goes on writing to its log where it was set aside, and
 * nobody reads there what it notes. A log that was written to in the last minute is left alone, which makes that
 * unlikely, not impossible.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import type { DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import * as Logs from "../ledger/internal/Logs.ts"
import * as Recover from "../ledger/internal/recover.ts"
import * as Ledger from "../ledger/Ledger.ts"
import * as LedgerEntry from "../ledger/LedgerEntry.ts"
import * as LedgerLine from "../ledger/LedgerLine.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import * as Finding from "./Finding.ts"
import { LetterBook } from "./internal/LetterBook.ts"

/** What was done. */
export interface Rebuilt {
  /** Batches that have an entry now. */
  readonly files: number
  /** Dead letters that have an entry now. */
  readonly letters: number
  /** Where damaged logs are now, in words for people. */
  readonly setAside: ReadonlyArray<string>
  /** Keys of batches that have no entry and are damaged. */
  readonly damaged: ReadonlyArray<string>
}

/** A log that was written to since is left alone: its process may be at work, as far as that can be told. */
const idleMs = 60_000

/** Batches that are read at the same time: as many as find buffers that are there. */
const atATime = 2

/** Bytes from which entries are written, in one piece: a call for each would take as long as reading its batch. */
const togetherBytes = 64 * 1024

interface Context {
  readonly storage: Storage["Service"]
  readonly runId: RunId.RunId
  readonly append: (entry: LedgerEntry.Entry, checks?: ReadonlyArray<number>) => Effect.Effect<void, StorageError>
  readonly appendLines: (lines: ReadonlyArray<Uint8Array>) => Effect.Effect<void, StorageError>
}

const rebuildFiles = Effect.fnUntraced(function* ({ appendLines, runId, storage }: Context) {
  const damaged: Array<string> = []
  const batches = yield* Recover.unknown(storage, runId, Effect.void)
  const lineOf = (batch: Recover.Unknown) =>
    Recover.entryOf(storage, batch).pipe(
      Effect.map((made) => {
        if (made === undefined) damaged.push(batch.key)
        return made === undefined ? [] : [LedgerLine.encode(made.entry, made.checks)]
      }),
      // Set aside or taken away since it was listed.
      Effect.catchReason("StorageError", "ObjectMissing", () => Effect.succeed([]))
    )
  let files = 0
  let lines: Array<Uint8Array> = []
  let bytes = 0
  for (const some of Arr.chunksOf(batches, atATime)) {
    for (const line of (yield* Effect.forEach(some, lineOf, { concurrency: atATime })).flat()) {
      files++
      lines.push(line)
      bytes += line.length
    }
    if (bytes < togetherBytes) continue
    yield* appendLines(lines)
    lines = []
    bytes = 0
  }
  if (lines.length > 0) yield* appendLines(lines)
  return { files, damaged: damaged.toSorted() }
})

const rebuildLetters = Effect.fnUntraced(function* ({ append, runId, storage }: Context, book: LetterBook) {
  yield* book.refresh
  const letters = new Map(book.of(runId).map((letter) => [letter.id, letter]))
  yield* Stream.runForEach(Ledger.read(storage, runId), (item) =>
    Effect.sync(() => {
      if (item._tag === "Line" && item.entry._tag === "Letter") letters.delete(item.entry.id)
    })
  )
  const atMs = Math.floor(yield* Clock.currentTimeMillis)
  for (const { id, reason, service, stretches } of letters.values()) {
    const { count } = Finding.ticks(stretches)
    yield* append({ _tag: "Letter", id, reason, service, atMs, count, stretches: LedgerEntry.fromStretches(stretches) })
  }
  return letters.size
})

/** The logs that are damaged within, and in which nobody has written for a while. */
const damagedLogs = Effect.fnUntraced(function* ({ runId, storage }: Context) {
  const now = yield* Clock.currentTimeMillis
  return yield* storage.list(StorageKey.ledgerPrefix(runId)).pipe(
    Stream.filterEffect((log) =>
      Ledger.readLog(storage, log).pipe(
        Stream.runFold(
          () => false,
          (found, item) => found || (item._tag === "Damage" && !item.torn)
        )
      )
    ),
    Stream.filterEffect((log) =>
      Effect.map(
        storage.stat(log),
        (stat) => stat !== undefined && (stat.modifiedAtMs ?? Number.NEGATIVE_INFINITY) <= now - idleMs
      )
    ),
    Stream.runCollect
  )
})

const copy = ({ append, storage }: Context, log: StorageKey.StorageKey) =>
  Stream.runForEach(Ledger.readLog(storage, log), (item) =>
    item._tag === "Damage" || item.entry._tag === "Header" ? Effect.void : append(item.entry, item.checks())
  )

/**
 * Makes the ledger of the run, which no process must be writing to, tell all that can be told. Fails when the storage or a
 * folder of letters fails.
 */
export const rebuild = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  runId: RunId.RunId,
  { letters: queues }: { readonly letters: ReadonlyArray<DeadLetterQueue["Service"]> }
) {
  const logs = Logs.make(storage, yield* Logs.writerName, yield* Scope.make())
  const appendLines: Context["appendLines"] = (lines) => logs.append(runId, lines)
  const append: Context["append"] = (entry, checks) => appendLines([LedgerLine.encode(entry, checks)])
  const context: Context = { storage, runId, append, appendLines }
  return yield* Effect.gen(function* () {
    const damaged = yield* damagedLogs(context)
    yield* Effect.forEach(damaged, (log) => copy(context, log), { discard: true })
    const files = yield* rebuildFiles(context)
    const letters = yield* rebuildLetters(context, new LetterBook(queues))
    yield* logs.sync
    const atMs = Math.floor(yield* Clock.currentTimeMillis)
    const setAside = yield* Effect.forEach(damaged, (key) =>
      Effect.tap(storage.setAside(key), (place) =>
        append({
          _tag: "SetAside",
          key,
          place,
          reason: "a damaged log of the ledger, copied as far as it is intact",
          atMs
        })
      )
    )
    yield* logs.sync
    const rebuilt: Rebuilt = { ...files, letters, setAside }
    return rebuilt
  }).pipe(Effect.ensuring(logs.close))
})
