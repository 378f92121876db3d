import * as Arr from "effect/Array"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Checksum from "../../src/domain/Checksum.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as TickSet from "../../src/domain/TickSet.ts"
import * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as LedgerLine from "../../src/ledger/LedgerLine.ts"
import * as BatchFile from "../../src/storage/BatchFile.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"

type Store = Storage.Storage["Service"]

export const run = RunId.make("run")

/** Notes `entry` in a log of `runId`. */
export const note = Effect.fnUntraced(function* (
  storage: Store,
  entry: LedgerEntry.Entry,
  checks: ReadonlyArray<number> = [],
  runId = run
) {
  const log = yield* storage.append(StorageKey.ledger(runId, "writer"))
  yield* log.append(LedgerLine.encode(entry, checks))
}, Effect.scoped)

/** Stores `ticks` as one batch that no ledger knows. */
export const storeUnknown = (storage: Store, ticks: ReadonlyArray<Tick.Tick>, runId = run) => {
  if (!Tick.isBatch(ticks)) throw new RangeError("no ticks")
  const key = StorageKey.batch(runId, ticks)
  return Effect.map(BatchFile.write(storage, key, ticks), (written) => ({ ...written, key }))
}

/** The entry of a stored batch. */
export const commitOf = (
  ticks: ReadonlyArray<Tick.Tick>,
  { bytes, checks, key }: BatchFile.Written & { readonly key: string },
  more: Partial<LedgerEntry.Commit> = {}
): LedgerEntry.Commit => ({
  _tag: "Commit",
  key,
  stretches: LedgerEntry.fromStretches(TickSet.stretches(ticks.map(({ tickNumber }) => tickNumber))),
  count: ticks.length,
  bytes,
  checksum: Checksum.toHex(BatchFile.checksum(checks)),
  committedAtMs: 1000,
  ...more
})

/** Stores `ticks` as one batch that the ledger knows; gives its key. */
export const store = Effect.fnUntraced(function* (
  storage: Store,
  ticks: ReadonlyArray<Tick.Tick>,
  more: Partial<LedgerEntry.Commit> = {},
  runId = run
) {
  const written = yield* storeUnknown(storage, ticks, runId)
  yield* note(storage, commitOf(ticks, written, more), written.checks, runId)
  return written.key
})

/** Puts what `change` makes of an object in its place. */
export const tamper = Effect.fnUntraced(function* (
  storage: Store,
  key: StorageKey.StorageKey,
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array
) {
  const bytes = new Uint8Array(Bytes.concat(yield* Stream.runCollect(storage.read(key))))
  yield* storage.remove(key)
  yield* Storage.write(storage, key, [change(bytes)])
})

export const numbersOf = (ticks: ReadonlyArray<Tick.Tick>) => ticks.map(({ tickNumber }) => Number(tickNumber))

/** The numbers from `first` to `last`. */
export const numbers = (first: number, last: number, step = 1) =>
  Arr.range(0, Math.floor((last - first) / step)).map((index) => first + index * step)
