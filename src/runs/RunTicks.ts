/**
 * Reads the ticks of a run in ascending order over all its batches.
 *
 * Batches may interleave, and the ticks in a batch may be in any order. Each number comes once. When several batches have
 * it, the batch whose key comes first wins (`verify` says whether they differ). The first batch is read when its first tick
 * is needed. From the second batch on, two are read ahead. Memory: the batches that overlap at a tick, and the next two.
 *
 * Every batch is checked against the run's ledger when it is read. See `ticks` and `salvagedTicks` for damaged and missing
 * batches.
 *
 * ```ts
 * import * as Stream from "effect/Stream"
 * import * as RunId from "tickvault/domain/RunId"
 * import * as RunTicks from "tickvault/runs/RunTicks"
 *
 * export const numbers = RunTicks.ticks(RunId.make("run-1"), { from: 1000n, to: 2000n }).pipe(
 *   Stream.map(({ tickNumber }) => tickNumber),
 *   Stream.runCollect
 * )
 * ```
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Order from "effect/Order"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import type * as LedgerEntry from "../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../ledger/LedgerFacts.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import { ReadBuffers } from "./internal/ReadBuffers.ts"
import * as Merge from "./internal/merge.ts"
import * as StoredBatch from "./internal/storedBatch.ts"
import * as RunFiles from "./RunFiles.ts"

export type { Gone } from "./internal/merge.ts"

/** Tick numbers, both included. Without one of them the range is open on that side. */
export interface Range {
  readonly from?: bigint | undefined
  readonly to?: bigint | undefined
}

/** The ticks to read, and how long the reader needs their payloads. */
export interface Options extends Range {
  /**
   * "kept", the default: payloads stay valid. "lent": payloads are valid until the next chunk of the stream is pulled. Then
   * their memory is reused, so uncompressed batches are read almost twice as fast. Don't apply operators to such a stream
   * that pull ahead or change its chunks.
   */
  readonly payloads?: "kept" | "lent" | undefined
}

/** An element of the stream of a damaged run. */
export type Salvaged = { readonly _tag: "Tick"; readonly tick: Tick.Tick } | Merge.Gone

/** The `ticks` in the range in ascending order. The first of equal numbers. */
const ordered = (ticks: ReadonlyArray<Tick.Tick>, from: bigint, to: bigint): ReadonlyArray<Tick.Tick> => {
  if (isOrdered(ticks, from, to)) return ticks
  const sorted = ticks.filter(({ tickNumber }) => tickNumber >= from && tickNumber <= to).sort(Merge.order)
  return sorted.filter((tick, index) => tick.tickNumber !== sorted[index - 1]?.tickNumber)
}

/** Whether all of `ticks` are in the range, in ascending order and without repetition. */
const isOrdered = (ticks: ReadonlyArray<Tick.Tick>, from: bigint, to: bigint): boolean => {
  let previous = from - 1n
  for (const { tickNumber } of ticks) {
    if (tickNumber <= previous || tickNumber > to) return false
    previous = tickNumber
  }
  return true
}

const largest = 2n ** 63n - 1n

/** A range with both ends. */
interface Bounds {
  readonly from: bigint
  readonly to: bigint
}

const boundsOf = ({ from = 0n, to = largest }: Range): Bounds => ({ from, to })

const overlaps = (name: StorageKey.BatchName | undefined, from: bigint, to: bigint): boolean =>
  name !== undefined && name.last >= from && name.first <= to

/** What the ledger says about batches, by key. */
type Known = ReadonlyMap<string, Arr.NonEmptyReadonlyArray<LedgerEntry.Commit>>

/** Reads batches. Each has its own memory until it is released. */
const reading = (known: Known, payloads: Options["payloads"]) => {
  const buffers = new ReadBuffers()
  return Effect.fnUntraced(function* (batch: RunFiles.BatchKey) {
    const loan = payloads === "lent" ? buffers.lend() : undefined
    const read = yield* StoredBatch.read(batch, known.get(batch.key), loan?.room)
    return { read, release: () => loan?.giveBack() }
  })
}

/** Reads the ledger first, then lists the batches in the range: so a batch that is stored meanwhile isn't missing. */
const look = Effect.fnUntraced(function* (runId: RunId.RunId, from: bigint, to: bigint) {
  const isWanted = (key: string) => overlaps(StorageKey.batchName(key), from, to)
  const { batches: known } = yield* LedgerFacts.read(runId, isWanted)
  const batches = (yield* RunFiles.batches(runId)).filter((batch) => overlaps(batch, from, to))
  return { known, batches: withMissing(batches, known) }
})

/** The ticks of a missing batch, from the ledger. `undefined` when the ledger doesn't know the batch. */
const writtenOf = (known: Known, { key }: RunFiles.BatchKey) => {
  const commits = known.get(key)
  return commits === undefined ? undefined : LedgerFacts.newest(commits).stretches
}

/** Loads batches for a reader that needs the whole run. */
const loadWhole = (known: Known, { payloads, ...range }: Options): Merge.Load => {
  const { from, to } = boundsOf(range)
  const readBatch = reading(known, payloads)
  const load = Effect.fnUntraced(function* (
    batch: RunFiles.BatchKey
  ): Effect.fn.Return<Merge.Loaded, StorageError, Storage> {
    const { read, release } = yield* readBatch(batch)
    if (Result.isSuccess(read)) return { _tag: "Whole", ticks: ordered(read.success, from, to), release }
    const failure = StoredBatch.failure(batch.key, read.failure.problem)
    return { _tag: "Cut", ticks: ordered(beforeDamage(read.failure), from, to), failure }
  })
  return (batch) =>
    Effect.catchReason(load(batch), "StorageError", "ObjectMissing", (_, failure) => {
      const written = writtenOf(known, batch)
      if (written === undefined) return Effect.fail(failure)
      const missed = StoredBatch.numbers(written, from, to).map((tickNumber): Merge.Missed => ({
        _tag: "Missed",
        tickNumber
      }))
      return Effect.succeed<Merge.Loaded>({ _tag: "Missing", ticks: missed.sort(Merge.order), failure })
    })
}

/** Loads the intact ticks of batches, and what they have lost. */
const loadIntact = (known: Known, { payloads, ...range }: Options): Merge.Load => {
  const bounds = boundsOf(range)
  const { from, to } = bounds
  const readBatch = reading(known, payloads)
  return (batch) =>
    readBatch(batch).pipe(
      Effect.map(({ read, release }): Merge.Loaded =>
        Result.isSuccess(read)
          ? { _tag: "Whole", ticks: ordered(read.success, from, to), release }
          : remains(batch.key, read.failure, bounds)
      ),
      Effect.catchReason("StorageError", "ObjectMissing", () =>
        Effect.succeed(remains(batch.key, missing(writtenOf(known, batch)), bounds))
      )
    )
}

const merged = (runId: RunId.RunId, options: Options, loadOf: typeof loadWhole) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { from, to } = boundsOf(options)
      const { batches, known } = yield* look(runId, from, to)
      return Merge.merged(batches, loadOf(known, options))
    })
  )

/**
 * The ticks of `runId` in the range. Empty when there is no such run. At a damaged batch in the range, the stream fails
 * with the `StorageError` that names it, after the ticks before the first lost one. At a batch that is in the ledger but
 * gone, the stream fails with `ObjectMissing`, at the first of its ticks that no other batch has.
 */
export const ticks = (runId: RunId.RunId, options: Options = {}): Stream.Stream<Tick.Tick, StorageError, Storage> =>
  Stream.filter(merged(runId, options, loadWhole), isTick)

/**
 * All intact ticks of `runId` in the range, and a `Gone` at each place where something is lost. In a batch that the
 * ledger knows, a tick is intact when it has exactly the written bytes. In another batch, it is intact when it can be
 * read. Reports missing batches too. Fails only when the storage fails.
 */
export const salvagedTicks = (
  runId: RunId.RunId,
  options: Options = {}
): Stream.Stream<Salvaged, StorageError, Storage> =>
  Stream.map(merged(runId, options, loadIntact), (one): Salvaged => (isTick(one) ? { _tag: "Tick", tick: one } : one))

const ticksOf = (found: StoredBatch.Damaged["found"]) => found.flatMap((one) => (one._tag === "Tick" ? [one.tick] : []))

/** The intact ticks before the damaged bytes, up to the first number that comes after them or is lost. */
const beforeDamage = ({ found, written }: StoredBatch.Damaged): ReadonlyArray<Tick.Tick> => {
  const damage = found.findIndex(({ _tag }) => _tag === "Damage")
  const intact = ticksOf(damage < 0 ? found : found.slice(0, damage))
  const there = new Set(intact.map(({ tickNumber }) => tickNumber))
  const behind =
    written === undefined
      ? ticksOf(damage < 0 ? [] : found.slice(damage)).map(({ tickNumber }) => tickNumber)
      : StoredBatch.numbers(written, 0n, largest)
  const limit = behind.reduce((least, number) => (number < least && !there.has(number) ? number : least), largest + 1n)
  return intact.filter(({ tickNumber }) => tickNumber < limit)
}

const isTick = (one: Merge.Found): one is Tick.Tick => !("_tag" in one)

const missing = (written: StoredBatch.Damaged["written"]): StoredBatch.Damaged => ({
  problem: "it is no longer stored",
  found: [],
  written
})

const byKey = Order.mapInput(Order.String, ({ key }: RunFiles.BatchKey): string => key)

/** `batches` and the batches that are in the ledger but no longer stored, ordered by their first tick. */
const withMissing = (batches: ReadonlyArray<RunFiles.BatchKey>, known: Known): ReadonlyArray<RunFiles.BatchKey> => {
  const stored = new Set<string>(batches.map(({ key }) => key))
  const missed = [...known.keys()].flatMap((key) => {
    const name = StorageKey.batchName(key)
    if (stored.has(key) || name === undefined || !StorageKey.is(key)) return []
    return [{ ...name, key }]
  })
  return missed.length === 0 ? batches : [...batches, ...missed].sort(byKey)
}

/** The part of the range that a damaged batch has lost, if any. */
const goneOf = (
  key: StorageKey.StorageKey,
  { found, problem, written }: StoredBatch.Damaged,
  intact: ReadonlyArray<Tick.Tick>,
  { from, to }: Bounds
): Merge.Gone | undefined => {
  const present = new Set(intact.map(({ tickNumber }) => tickNumber))
  const ticks = written === undefined ? undefined : StoredBatch.missing(written, present, from, to)
  if (ticks?.length === 0) return undefined
  const places = found.flatMap((one) => (one._tag === "Damage" ? [{ offset: one.offset, bytes: one.bytes }] : []))
  return { _tag: "Gone", key, problem, places, ticks }
}

/** The rest of a damaged batch. */
const remains = (key: StorageKey.StorageKey, damaged: StoredBatch.Damaged, bounds: Bounds): Merge.Loaded => {
  const intact = ticksOf(damaged.found)
  const ticks = ordered(intact, bounds.from, bounds.to)
  return { _tag: "Salvaged", ticks, gone: goneOf(key, damaged, intact, bounds) }
}
