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

/** Most batches that are looked at before others may work. */
const slice = 1024

/**
 * The batches of `runId` that its ledger doesn't know. What it says of an object that was set aside is no knowledge of the
 * one that took its key. The batches are listed first, then `flush` writes what waits to be noted of them, then the ledger
 * is read: a batch that is stored meanwhile is not taken for an unknown one. Lets others work after every few of them.
 */
export const unknown = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  runId: RunId.RunId,
  flush: Effect.Effect<void, StorageError>
) {
  /** By their keys, each with when it was stored last as far as the ledger knows: -1 as long as it doesn't. */
  const batches = new Map<string, { readonly key: StorageKey.StorageKey; committedAtMs: number }>()
  const setAsides = new LedgerFacts.SetAsides()
  yield* Stream.runForEachArray(storage.list(StorageKey.batchPrefix(runId)), (keys) => {
    for (const key of keys) if (StorageKey.isBatch(key)) batches.set(key, { key, committedAtMs: -1 })
    return Effect.yieldNow
  })
  yield* flush
  yield* Stream.runForEach(Ledger.readBriefly(storage, runId), (entries) => {
    for (const entry of entries) {
      setAsides.add(entry)
      if (entry._tag !== "Commit") continue
      const batch = batches.get(entry.key)
      if (batch !== undefined) batch.committedAtMs = Math.max(batch.committedAtMs, entry.committedAtMs)
    }
    return Effect.yieldNow
  })
  const found: Array<Unknown> = []
  let looked = 0
  for (const batch of batches.values()) {
    if (!setAsides.counts(batch)) found.push({ key: batch.key, setAsideMs: setAsides.since(batch.key) })
    if (++looked % slice === 0) yield* Effect.yieldNow
  }
  return found
})
