/**
 * Finds stored batches without a valid entry in the ledger of their run, and makes entries for them from the objects.
 *
 * A crash between the commit of a batch and its entry leaves such a batch, and so does copying a batch into the run's
 * folder by hand.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Checksum from "../domain/Checksum.ts"
import type * as RunId from "../domain/RunId.ts"
import * as BatchFile from "../batch/BatchFile.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import * as LedgerEntry from "./LedgerEntry.ts"
import * as LedgerFacts from "./LedgerFacts.ts"
import * as LedgerFold from "./LedgerFold.ts"

/** A batch without a valid entry. */
export interface UnknownBatch {
  readonly key: StorageKey.StorageKey
  /** The last time an object under its key was set aside, in milliseconds since 1970. -1 when none was. */
  readonly setAsideMs: number
}

/** An entry, and the running checksums of the ticks of its batch. */
export interface NewEntry {
  readonly entry: LedgerEntry.Commit
  readonly checks: ReadonlyArray<number>
}

/**
 * Reads the whole batch and makes a valid entry for it. The time of the entry is that of the object, but always later than
 * `setAsideMs`, even when somebody put an older object back. `undefined` when the batch is damaged. Fails with
 * `ObjectMissing` when it is gone.
 */
export const entryOf = Effect.fnUntraced(function* ({
  key,
  setAsideMs
}: UnknownBatch): Effect.fn.Return<NewEntry | undefined, StorageError, Storage> {
  const storage = yield* Storage
  const contents = yield* BatchFile.scan(key)
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

/** The number of batches compared before other fibers run. */
const batchesAtATime = 1024

/** A stored batch, and the ledger's time for it. */
interface Listed {
  readonly key: StorageKey.StorageKey
  /** The latest commit time in the ledger. -1 while no entry was found. */
  committedAtMs: number
}

/** The stored batches of a run by their keys. */
const list = Effect.fnUntraced(function* (runId: RunId.RunId) {
  const storage = yield* Storage
  const batches = new Map<string, Listed>()
  yield* Stream.runForEachArray(storage.list(StorageKey.batchPrefix(runId)), (keys) => {
    for (const key of keys) if (StorageKey.isBatch(key)) batches.set(key, { key, committedAtMs: -1 })
    return Effect.yieldNow
  })
  return batches
})

/** Sets the commit times of `batches`. Returns the times at which objects were set aside. */
const noteCommits = (runId: RunId.RunId, batches: ReadonlyMap<string, Listed>) =>
  LedgerFold.runBriefly(runId, () => new LedgerFacts.SetAsides(), {
    Header: LedgerFold.skip,
    Letter: LedgerFold.skip,
    Replay: LedgerFold.skip,
    Drop: LedgerFold.skip,
    SetAside: (setAsides, entry) => setAsides.add(entry),
    Commit: (setAsides, { committedAtMs, key }) => {
      const batch = batches.get(key)
      if (batch !== undefined) batch.committedAtMs = Math.max(batch.committedAtMs, committedAtMs)
      return setAsides
    }
  })

/**
 * The batches of `runId` without a valid entry in its ledger. It lists the batches first, then `flush` writes the waiting
 * entries of this process, then it reads the ledger. So a batch that is stored meanwhile doesn't count as unknown. It lets
 * other fibers run at short intervals. Memory: a key for each batch.
 */
export const find = Effect.fnUntraced(function* (
  runId: RunId.RunId,
  flush: Effect.Effect<void, StorageError>
): Effect.fn.Return<ReadonlyArray<UnknownBatch>, StorageError, Storage> {
  const batches = yield* list(runId)
  yield* flush
  const setAsides = yield* noteCommits(runId, batches)
  const found: Array<UnknownBatch> = []
  let compared = 0
  for (const batch of batches.values()) {
    if (!setAsides.isValid(batch)) found.push({ key: batch.key, setAsideMs: setAsides.since(batch.key) })
    if (++compared % batchesAtATime === 0) yield* Effect.yieldNow
  }
  return found
})
