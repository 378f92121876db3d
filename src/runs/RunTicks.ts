/**
 * The ticks of a run in ascending order over all its batches, whatever instance wrote them.
 *
 * Batches may interleave, and need not be in order inside. Each number comes once: of several ticks with one number the
 * one in the batch whose key comes first (`verify` tells whether they differ). A batch is read when the first of its
 * ticks is due, and not at all when none of them is asked for. Memory: the batches that overlap at a tick.
 *
 * Every batch is held against the run's ledger when it is read. What is damaged, and what that costs, see `ticks` and
 * `salvagedTicks`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import type * as TickSet from "../domain/TickSet.ts"
import * as LedgerFacts from "../ledger/LedgerFacts.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import * as RunFiles from "./RunFiles.ts"
import * as StoredBatch from "./StoredBatch.ts"

/** Tick numbers, both included; without one of them there is no end on that side. */
export interface Range {
  readonly from?: bigint | undefined
  readonly to?: bigint | undefined
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

/** A batch that has been read. */
interface Loaded {
  /** What is asked for of it, ascending, each number once. */
  readonly ticks: ReadonlyArray<Tick.Tick>
  /** Ends the stream after its ticks. */
  readonly failure?: StorageError
  readonly gone?: Gone
}

type Load = (batch: RunFiles.BatchKey) => Effect.Effect<Loaded, StorageError>

const compare = (left: Tick.Tick, right: Tick.Tick): number =>
  left.tickNumber < right.tickNumber ? -1 : left.tickNumber > right.tickNumber ? 1 : 0

/** `ticks` within the range, ascending, of equal numbers the first. */
const ordered = (ticks: ReadonlyArray<Tick.Tick>, from: bigint, to: bigint): ReadonlyArray<Tick.Tick> => {
  const wanted = ticks.filter(({ tickNumber }) => tickNumber >= from && tickNumber <= to)
  const isAscending = wanted.every((tick, index) => index === 0 || compare(wanted[index - 1] ?? tick, tick) < 0)
  if (isAscending) return wanted
  const sorted = wanted.toSorted(compare)
  return sorted.filter((tick, index) => tick.tickNumber !== sorted[index - 1]?.tickNumber)
}

/** A batch on its way through the merge. */
class Source {
  private position = 0
  readonly loaded: Loaded

  constructor(loaded: Loaded) {
    this.loaded = loaded
  }

  get head(): Tick.Tick | undefined {
    return this.loaded.ticks[this.position]
  }

  next(): void {
    this.position++
  }
}

/** Brings the ticks of batches, which come by their first tick, into one order. Not shared: it has state. */
class Merge {
  private readonly batches: ReadonlyArray<RunFiles.BatchKey>
  private readonly load: Load
  private index = 0
  /** By their keys. */
  private sources: Array<Source> = []

  constructor(batches: ReadonlyArray<RunFiles.BatchKey>, load: Load) {
    this.batches = batches
    this.load = load
  }

  /** What comes next, up to the first tick of the next batch that has not been read; `done` when there is no more. */
  readonly proceed = Effect.fnUntraced(function* (this: Merge) {
    const found: Array<Salvaged> = []
    for (let batch = this.due(); batch !== undefined; batch = this.due()) {
      const loaded = yield* this.load(batch)
      this.index++
      this.sources.push(new Source(loaded))
      if (loaded.gone !== undefined) found.push(loaded.gone)
    }
    const failure = this.failure()
    if (failure !== undefined) return yield* failure
    this.merge(found)
    const isDone = this.sources.length === 0 && this.index === this.batches.length
    return [found, isDone ? Option.none() : Option.some(undefined)] as const
  })

  /** The next batch, when it has to be read before any tick can be told to be next. */
  private due(): RunFiles.BatchKey | undefined {
    const batch = this.batches[this.index]
    const head = this.smallest()?.head
    const isDue = this.failure() === undefined && (head === undefined || (batch?.first ?? 0n) <= head.tickNumber)
    return isDue ? batch : undefined
  }

  /** The failure of a source that has no ticks left. */
  private failure(): StorageError | undefined {
    return this.sources.find(({ head }) => head === undefined)?.loaded.failure
  }

  private smallest(): Source | undefined {
    let smallest: Source | undefined
    for (const source of this.sources) {
      if (source.head === undefined) continue
      if (smallest?.head === undefined || source.head.tickNumber < smallest.head.tickNumber) smallest = source
    }
    return smallest
  }

  private merge(found: Array<Salvaged>): void {
    const bound = this.batches[this.index]?.first
    for (let source = this.smallest(); source?.head !== undefined; source = this.smallest()) {
      const tick = source.head
      if (bound !== undefined && tick.tickNumber >= bound) break
      found.push({ _tag: "Tick", tick })
      for (const other of this.sources) if (other.head?.tickNumber === tick.tickNumber) other.next()
      if (this.failure() !== undefined) break
    }
    this.sources = this.sources.filter(({ head, loaded }) => head !== undefined || loaded.failure !== undefined)
  }
}

const largest = 2n ** 63n - 1n

const bounds = ({ from = 0n, to = largest }: Range) => ({ from, to })

const overlaps = (name: StorageKey.BatchName | undefined, from: bigint, to: bigint): boolean =>
  name !== undefined && name.last >= from && name.first <= to

/** What the ledger says of the batches in the range, then those batches: one that is stored meanwhile is not missed. */
const look = Effect.fnUntraced(function* (storage: Storage["Service"], runId: RunId.RunId, from: bigint, to: bigint) {
  const isWanted = (key: string) => overlaps(StorageKey.batchName(key), from, to)
  const { batches: known } = yield* LedgerFacts.read(storage, runId, isWanted)
  const batches = (yield* RunFiles.batches(storage, runId)).filter((batch) => overlaps(batch, from, to))
  return { known, batches }
})

const merged = (batches: ReadonlyArray<RunFiles.BatchKey>, load: Load): Stream.Stream<Salvaged, StorageError> =>
  Stream.suspend(() => {
    const merge = new Merge(batches, load)
    return Stream.paginate(undefined, () => merge.proceed())
  })

/**
 * The ticks of `runId` in the range. A damaged batch that overlaps the range ends the stream with the `StorageError` that
 * names it, after all ticks before the damage. A run that there is not has no ticks.
 */
export const ticks = (
  storage: Storage["Service"],
  runId: RunId.RunId,
  range: Range = {}
): Stream.Stream<Tick.Tick, StorageError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { from, to } = bounds(range)
      const { batches, known } = yield* look(storage, runId, from, to)
      const load: Load = Effect.fnUntraced(function* (batch) {
        const read = yield* StoredBatch.read(storage, batch, known.get(batch.key) ?? [])
        if (Result.isSuccess(read)) return { ticks: ordered(read.success, from, to) }
        const { found, problem } = read.failure
        const damage = found.findIndex(({ _tag }) => _tag === "Damage")
        const before = damage < 0 ? found : found.slice(0, damage)
        const intact = before.flatMap((one) => (one._tag === "Tick" ? [one.tick] : []))
        return { ticks: ordered(intact, from, to), failure: StoredBatch.failure(batch.key, problem) }
      })
      return merged(batches, load).pipe(
        Stream.filter((one) => one._tag === "Tick"),
        Stream.map(({ tick }) => tick)
      )
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
  range: Range = {}
): Stream.Stream<Salvaged, StorageError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { from, to } = bounds(range)
      const { batches, known } = yield* look(storage, runId, from, to)
      const load: Load = (batch) =>
        StoredBatch.read(storage, batch, known.get(batch.key) ?? []).pipe(
          Effect.catchReason("StorageError", "ObjectMissing", () =>
            Effect.succeed(Result.fail(missing(LedgerFacts.newest(known.get(batch.key) ?? [])?.stretches)))
          ),
          Effect.map((read) =>
            Result.isSuccess(read)
              ? { ticks: ordered(read.success, from, to) }
              : remains(batch.key, read.failure, from, to)
          )
        )
      return merged(withMissing(batches, known), load)
    })
  )

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
const remains = (key: StorageKey.StorageKey, damaged: StoredBatch.Damaged, from: bigint, to: bigint): Loaded => {
  const intact = damaged.found.flatMap((one) => (one._tag === "Tick" ? [one.tick] : []))
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
