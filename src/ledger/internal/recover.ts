/**
 * Makes the entries that a crash between a commit and its entry has left out, from the objects themselves.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Checksum from "../../domain/Checksum.ts"
import type * as RunId from "../../domain/RunId.ts"
import * as BatchFile from "../../storage/BatchFile.ts"
import type { Storage } from "../../storage/Storage.ts"
import type { StorageError } from "../../storage/StorageError.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import * as Ledger from "../Ledger.ts"
import * as LedgerEntry from "../LedgerEntry.ts"
import * as LedgerFacts from "../LedgerFacts.ts"

/**
 * An entry for the object under `key`, with the checksums of its ticks; `undefined` when it is damaged. It counts: an
 * object that is older than `setAsideMs`, as one is that was put back by hand, is taken to be stored right after.
 */
export const entryOf = Effect.fnUntraced(function* (storage: Storage["Service"], { key, setAsideMs }: Unknown) {
  const contents = yield* BatchFile.scan(storage, key)
  if (contents.problem !== undefined) return undefined
  const stat = yield* storage.stat(key)
  const entry: LedgerEntry.Commit = {
    _tag: "Commit",
    key,
    stretches: LedgerEntry.fromStretches(contents.stretches),
    count: contents.count,
    bytes: contents.bytes,
    ...(stat === undefined || stat.bytes === contents.bytes ? {} : { storedBytes: stat.bytes }),
    checksum: Checksum.toHex(BatchFile.checksum(contents.checks)),
    committedAtMs: Math.max(Math.floor(stat?.modifiedAtMs ?? (yield* Clock.currentTimeMillis)), setAsideMs + 1)
  }
  return { entry, checks: contents.checks }
})

/** A batch without an entry that counts. */
export interface Unknown {
  readonly key: StorageKey.StorageKey
  /** When an object was last taken from under its key; -1 when none ever was. */
  readonly setAsideMs: number
}

/**
 * The batches of `runId` that its ledger doesn't know. What it says of an object that was set aside is no knowledge of the
 * one that took its key. The batches are listed first, then `flush` writes what waits to be noted of them, then the ledger
 * is read: a batch that is stored meanwhile is not taken for an unknown one.
 */
export const unknown = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  runId: RunId.RunId,
  flush: Effect.Effect<void, StorageError>
) {
  const keys = yield* Stream.runCollect(storage.list(StorageKey.batchPrefix(runId)))
  yield* flush
  const committedMs = new Map<string, number>()
  const setAsides = new LedgerFacts.SetAsides()
  yield* Stream.runForEach(Ledger.read(storage, runId), (item) =>
    Effect.sync(() => {
      if (item._tag !== "Line") return
      const { entry } = item
      setAsides.add(entry)
      if (entry._tag !== "Commit") return
      committedMs.set(entry.key, Math.max(entry.committedAtMs, committedMs.get(entry.key) ?? -1))
    })
  )
  return keys
    .filter((key) => StorageKey.batchName(key) !== undefined)
    .filter((key) => !setAsides.counts({ key, committedAtMs: committedMs.get(key) ?? -1 }))
    .map((key): Unknown => ({ key, setAsideMs: setAsides.since(key) }))
})
