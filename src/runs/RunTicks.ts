/**
 * The ticks of a run in ascending order over all its batches, whatever instance wrote them.
 *
 * Batches may interleave, and need not be in order inside. Each number comes once: of several ticks with one number the
 * one in the batch whose key comes first (`verify` tells whether they differ). The first batch is read when its first tick
 * is due, and once the second one is, two are read ahead. Memory: the batches that overlap at a tick, and the next two.
 *
 * Every batch is held against the run's ledger when it is read. What is damaged or missing, and what that costs, see
 * `ticks` and `salvagedTicks`.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import type * as TickSet from "../domain/TickSet.ts"
import type * as LedgerEntry from "../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../ledger/LedgerFacts.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import { BatchMemory } from "./internal/BatchMemory.ts"
import * as Merge from "./internal/merge.ts"
import * as RunFiles from "./RunFiles.ts"
import * as StoredBatch from "./StoredBatch.ts"

/** Tick numbers, both included; without one of them there is no end on that side. */
export interface Range {
  readonly from?: bigint | undefined
  readonly to?: bigint | undefined
}

/** Which ticks, and what may be done with them. */
export interface Options extends Range {
  /**
   * With "kept" payloads, the default, may be done what one likes for as long as one likes; with "lent" ones one is done
   * before the next chunk of the stream is pulled: then their memory is written over, which makes the reading of batches
   * that are not compressed nearly twice as quick. Nothing that pulls ahead or chunks anew may be put behind a stream of
   * those.
   */
  readonly payloads?: "kept" | "lent" | undefined
}

/** What a damaged batch has lost of what was asked for. */
export interface Gone {
  readonly _tag: "Gone"
  readonly key: StorageKey.StorageKey
  readonly problem: string
  /** The bytes of the object in which there is no tick any more. Empty when the whole object is gone. */
  readonly places: ReadonlyArray<{ readonly offset: number; readonly bytes: number }>
  /**
   * The ticks that were in it and are no more; another batch may have some of them. `undefined` when the ledger doesn't
   * know the batch.
   */
  readonly ticks: ReadonlyArray<TickSet.Stretch> | undefined
}

/** What is next in a damaged run. */
export type Salvaged = { readonly _tag: "Tick"; readonly tick: Tick.Tick } | Gone

/** `ticks` within the range, ascending, of equal numbers the first. */
const ordered = (ticks: ReadonlyArray<Tick.Tick>, from: bigint, to: bigint): ReadonlyArray<Tick.Tick> => {
  if (isOrdered(ticks, from, to)) return ticks
  const sorted = ticks.filter(({ tickNumber }) => tickNumber >= from && tickNumber <= to).sort(Merge.compare)
  return sorted.filter((tick, index) => tick.tickNumber !== sorted[index - 1]?.tickNumber)
}

/** Whether all of `ticks` are within the range, ascending and each there once. */
const isOrdered = (ticks: ReadonlyArray<Tick.Tick>, from: bigint, to: bigint): boolean => {
  let previous = from - 1n
  for (const { tickNumber } of ticks) {
    if (tickNumber <= previous || tickNumber > to) return false
    previous = tickNumber
  }
  return true
}

const largest = 2n ** 63n - 1n

const bounds = ({ from = 0n, to = largest }: Range) => ({ from, to })

const overlaps = (name: StorageKey.BatchName | undefined, from: bigint, to: bigint): boolean =>
  name !== undefined && name.last >= from && name.first <= to

/** How batches are read, each into memory that is its own until it is released. */
const reading = (
  storage: Storage["Service"],
  known: ReadonlyMap<string, ReadonlyArray<LedgerEntry.Commit>>,
  payloads: Options["payloads"]
) => {
  const memory = new BatchMemory()
  return Effect.fnUntraced(function* (batch: RunFiles.BatchKey) {
    const loan = payloads === "lent" ? memory.lend() : undefined
    const read = yield* StoredBatch.read(storage, batch, known.get(batch.key) ?? [], loan?.room)
    return { read, release: () => loan?.giveBack() }
  })
}

/** What the ledger says of the batches in the range, then those batches: one that is stored meanwhile is not missed. */
const look = Effect.fnUntraced(function* (storage: Storage["Service"], runId: RunId.RunId, from: bigint, to: bigint) {
  const isWanted = (key: string) => overlaps(StorageKey.batchName(key), from, to)
  const { batches: known } = yield* LedgerFacts.read(storage, runId, isWanted)
  const batches = (yield* RunFiles.batches(storage, runId)).filter((batch) => overlaps(batch, from, to))
  return { known, batches }
})

/**
 * The ticks of `runId` in the range. A damaged batch that overlaps the range ends the stream with the `StorageError` that
 * names it, after the ticks before the damage, up to the first one that is not there; so does, with `ObjectMissing`, one that the ledger knows and that is gone,
 * at the first of its ticks that no other batch has. A run that there is not has no ticks.
 */
export const ticks = (
  storage: Storage["Service"],
  runId: RunId.RunId,
  options: Options = {}
): Stream.Stream<Tick.Tick, StorageError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { from, to } = bounds(options)
      const { batches, known } = yield* look(storage, runId, from, to)
      const readBatch = reading(storage, known, options.payloads)
      const here = Effect.fnUntraced(function* (
        batch: RunFiles.BatchKey
      ): Effect.fn.Return<Merge.Loaded, StorageError> {
        const { read, release } = yield* readBatch(batch)
        if (Result.isSuccess(read)) return { ticks: ordered(read.success, from, to), release }
        const failure = StoredBatch.failure(batch.key, read.failure.problem)
        return { ticks: ordered(beforeDamage(read.failure), from, to), failure }
      })
      const load: Merge.Load = (batch) =>
        Effect.catchReason(here(batch), "StorageError", "ObjectMissing", (_, missing) => {
          const written = LedgerFacts.newest(known.get(batch.key) ?? [])?.stretches
          if (written === undefined) return Effect.fail(missing)
          const missed = StoredBatch.numbers(written, from, to).map((tickNumber): Merge.Missed => ({
            _tag: "Missed",
            tickNumber
          }))
          return Effect.succeed<Merge.Loaded>({ ticks: missed.sort(Merge.compare), missing })
        })
      return Stream.filter(Merge.merged(withMissing(batches, known), load), isTick)
    })
  )

/**
 * All ticks of `runId` in the range that are intact, and what is gone where it was: a batch that the ledger knows gives
 * every tick that is what was written, to the bit, another one every tick that can be read. A batch that is missing is
 * told too. Fails only when the storage does.
 */
export const salvagedTicks = (
  storage: Storage["Service"],
  runId: RunId.RunId,
  options: Options = {}
): Stream.Stream<Salvaged, StorageError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { from, to } = bounds(options)
      const { batches, known } = yield* look(storage, runId, from, to)
      const readBatch = reading(storage, known, options.payloads)
      const load: Merge.Load = (batch) =>
        readBatch(batch).pipe(
          Effect.map(({ read, release }): Merge.Loaded =>
            Result.isSuccess(read)
              ? { ticks: ordered(read.success, from, to), release }
              : remains(batch.key, read.failure, from, to)
          ),
          Effect.catchReason("StorageError", "ObjectMissing", () =>
            Effect.succeed(
              remains(batch.key, missing(LedgerFacts.newest(known.get(batch.key) ?? [])?.stretches), from, to)
            )
          )
        )
      return Stream.map(Merge.merged(withMissing(batches, known), load), (one): Salvaged =>
        isTick(one) ? { _tag: "Tick", tick: one } : one
      )
    })
  )

const ticksOf = (found: StoredBatch.Damaged["found"]) => found.flatMap((one) => (one._tag === "Tick" ? [one.tick] : []))

/** The intact ticks that lie before a damage, up to the first number that lies behind it or is gone. */
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
  problem: "it is stored no more",
  found: [],
  written
})

/** `batches` with those that the ledger knows and the storage has no more, by their first tick. */
const withMissing = (
  batches: ReadonlyArray<RunFiles.BatchKey>,
  known: ReadonlyMap<string, unknown>
): ReadonlyArray<RunFiles.BatchKey> => {
  const there = new Set<string>(batches.map(({ key }) => key))
  const missed = [...known.keys()].flatMap((key) => {
    const name = StorageKey.batchName(key)
    if (there.has(key) || name === undefined || !StorageKey.is(key)) return []
    return [{ ...name, key }]
  })
  return missed.length === 0 ? batches : [...batches, ...missed].sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** What is left of a damaged batch, and what is gone of the range, if anything is. */
const remains = (key: StorageKey.StorageKey, damaged: StoredBatch.Damaged, from: bigint, to: bigint): Merge.Loaded => {
  const intact = ticksOf(damaged.found)
  const places = damaged.found.flatMap((one) => (one._tag === "Damage" ? [one] : []))
  const present = new Set(intact.map(({ tickNumber }) => tickNumber))
  const gone = damaged.written === undefined ? undefined : StoredBatch.missing(damaged.written, present, from, to)
  const left = { ticks: ordered(intact, from, to) }
  if (gone?.length === 0) return left
  return {
    ...left,
    gone: {
      _tag: "Gone",
      key,
      problem: damaged.problem,
      places: places.map(({ bytes, offset }) => ({ offset, bytes })),
      ticks: gone
    }
  }
}
