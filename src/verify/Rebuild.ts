/**
 * Adds missing entries to the ledger of a run, for batches and dead letters as they are now.
 *
 * A damaged batch gets no entry, so that its damage stays known. The same holds for a batch that differs from its entry. A
 * log with damaged lines is set aside after its intact lines are copied. It is safe to repeat and to interrupt: a repeated
 * entry changes nothing.
 *
 * Don't do it while a pipeline writes to the run. A process continues to write to its log after it was set aside, and these
 * entries would be lost. A log that was written to in the last minute is not set aside, so this is unlikely, but possible.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as RunId from "tickvault/domain/RunId"
 * import * as Rebuild from "tickvault/verify/Rebuild"
 *
 * export const entries = Effect.map(Rebuild.rebuild(RunId.make("run-1")), ({ files, letters }) => files + letters)
 * ```
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DeadLetterQueues } from "../deadletter/DeadLetterQueues.ts"
import type * as RunId from "../domain/RunId.ts"
import * as Ledger from "../ledger/Ledger.ts"
import * as LedgerEntry from "../ledger/LedgerEntry.ts"
import * as LedgerFold from "../ledger/LedgerFold.ts"
import * as LedgerLine from "../ledger/LedgerLine.ts"
import * as LedgerLogs from "../ledger/LedgerLogs.ts"
import * as UnknownBatches from "../ledger/UnknownBatches.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import type * as StorageKey from "../storage/StorageKey.ts"
import * as Finding from "./Finding.ts"
import * as LettersByRun from "./internal/LettersByRun.ts"

/** What a rebuild did. */
export interface Rebuilt {
  /** Batches that got an entry. */
  readonly files: number
  /** Dead letters that got an entry. */
  readonly letters: number
  /** The new places of the damaged logs, as text for people. */
  readonly setAside: ReadonlyArray<string>
  /** Keys of the damaged batches that got no entry. */
  readonly damaged: ReadonlyArray<string>
}

/** A log is set aside only after this time without a write: its process may still be running. */
const idleMs = 60_000

/** The number of batches read at the same time. */
const concurrency = 2

/** Entries are written in pieces of this size. Writing each alone would take as long as reading its batch. */
const writtenBytes = 64 * 1024

/** Adds lines to the new log of the run. */
type Append = (lines: ReadonlyArray<Uint8Array>) => Effect.Effect<void, StorageError>

/** The line for a batch. `undefined` when it is damaged. None when it was set aside or removed since the listing. */
const lineOf = (batch: UnknownBatches.UnknownBatch) =>
  UnknownBatches.entryOf(batch).pipe(
    Effect.map((made) => [{ key: batch.key, line: made && LedgerLine.encode(made.entry, made.checks) }]),
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.succeed([]))
  )

const addFiles = Effect.fnUntraced(function* (runId: RunId.RunId, append: Append) {
  const damaged: Array<string> = []
  let files = 0
  let lines: Array<Uint8Array> = []
  let bytes = 0
  for (const batches of Arr.chunksOf(yield* UnknownBatches.find(runId, Effect.void), concurrency)) {
    for (const { key, line } of (yield* Effect.forEach(batches, lineOf, { concurrency })).flat()) {
      if (line === undefined) damaged.push(key)
      else lines.push(line)
      bytes += line?.length ?? 0
    }
    if (bytes < writtenBytes) continue
    yield* append(lines)
    files += lines.length
    lines = []
    bytes = 0
  }
  if (lines.length > 0) yield* append(lines)
  return { files: files + lines.length, damaged: damaged.toSorted() }
})

/** Ids of the letters in the ledger. */
const knownLetters = (runId: RunId.RunId) =>
  LedgerFold.run(runId, () => new Set<string>(), {
    Header: LedgerFold.skip,
    Commit: LedgerFold.skip,
    Replay: LedgerFold.skip,
    Drop: LedgerFold.skip,
    SetAside: LedgerFold.skip,
    Letter: (ids, { id }) => ids.add(id)
  })

const addLetters = Effect.fnUntraced(function* (runId: RunId.RunId, append: Append) {
  const letters = yield* LettersByRun.make
  yield* letters.refresh
  const known = yield* knownLetters(runId)
  const unknown = letters.of(runId).filter(({ id }) => !known.has(id))
  const atMs = Math.floor(yield* Clock.currentTimeMillis)
  const lines = unknown.map(({ id, reason, service, stretches }) => {
    const { count } = Finding.ticks(stretches)
    const entry = { id, reason, service, atMs, count, stretches: LedgerEntry.fromStretches(stretches) }
    return LedgerLine.encode({ _tag: "Letter", ...entry })
  })
  if (lines.length > 0) yield* append(lines)
  return lines.length
})

const hasDamage = (log: StorageKey.StorageKey) =>
  Effect.map(
    Stream.runHead(Stream.filter(Ledger.readLog(log), (item) => item._tag === "Damage" && !item.torn)),
    (found) => found._tag === "Some"
  )

/** The logs with damaged lines and without a recent write. */
const damagedLogs = Effect.fnUntraced(function* (runId: RunId.RunId) {
  const storage = yield* Storage
  const now = yield* Clock.currentTimeMillis
  return yield* Ledger.logs(runId).pipe(
    Stream.filterEffect(hasDamage),
    Stream.filterEffect((log) =>
      Effect.map(
        storage.stat(log),
        (stat) => stat !== undefined && (stat.modifiedAtMs ?? Number.NEGATIVE_INFINITY) <= now - idleMs
      )
    ),
    Stream.runCollect
  )
})

const copyEntry = LedgerFold.mutate((lines: Array<Uint8Array>, entry: LedgerEntry.Entry) => {
  lines.push(LedgerLine.encode(entry))
})

/** The lines for a new log, without headers: it has its own. */
const copied = LedgerFold.reducer<Array<Uint8Array>>({
  Header: LedgerFold.skip,
  Commit: LedgerFold.mutate((lines, entry, checks) => {
    lines.push(LedgerLine.encode(entry, checks()))
  }),
  Letter: copyEntry,
  Replay: copyEntry,
  Drop: copyEntry,
  SetAside: copyEntry
})

const copy = (log: StorageKey.StorageKey, append: Append) =>
  Stream.runForEachArray(Ledger.readLog(log), (items) => {
    const lines = items.reduce(copied, [])
    return lines.length === 0 ? Effect.void : append(lines)
  })

/** Sets `log` aside and records that. */
const setAside = Effect.fnUntraced(function* (log: StorageKey.StorageKey, append: Append) {
  const storage = yield* Storage
  const place = yield* storage.setAside(log)
  const atMs = Math.floor(yield* Clock.currentTimeMillis)
  const reason = "a damaged log of the ledger whose intact lines are copied"
  yield* append([LedgerLine.encode({ _tag: "SetAside", key: log, place, reason, atMs })])
  return place
})

/**
 * Rebuilds the ledger of the run in the storage of the context, with the letters in the dead-letter queues of the context.
 * Fails when the storage or a folder of letters fails. Then repeat it.
 */
export const rebuild = Effect.fnUntraced(function* (
  runId: RunId.RunId
): Effect.fn.Return<Rebuilt, StorageError, Storage | DeadLetterQueues> {
  const logs = yield* LedgerLogs.make(yield* Scope.make())
  const append: Append = (lines) => logs.append(runId, lines)
  return yield* Effect.gen(function* () {
    const damaged = yield* damagedLogs(runId)
    yield* Effect.forEach(damaged, (log) => copy(log, append), { discard: true })
    const files = yield* addFiles(runId, append)
    const letters = yield* addLetters(runId, append)
    yield* logs.sync
    const places = yield* Effect.forEach(damaged, (log) => setAside(log, append))
    yield* logs.sync
    return { ...files, letters, setAside: places }
  }).pipe(Effect.ensuring(logs.close))
})
