/**
 * The batches that are stored of a run, as far as they can be relied on.
 *
 * What the ledger says of a batch is believed when the size is right; a batch that it doesn't know is read. What is not
 * what was written is set aside, its key is free again, and it counts as not stored. Memory: what the ledger says of each
 * batch.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Checksum from "../../domain/Checksum.ts"
import type * as RunId from "../../domain/RunId.ts"
import type * as Tick from "../../domain/Tick.ts"
import type * as TickSet from "../../domain/TickSet.ts"
import * as Recover from "../../ledger/internal/recover.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../../ledger/LedgerFacts.ts"
import type { RunLedger } from "../../ledger/RunLedger.ts"
import * as RunFiles from "../../runs/RunFiles.ts"
import * as BatchFile from "../../storage/BatchFile.ts"
import type { Storage } from "../../storage/Storage.ts"
import * as StorageKey from "../../storage/StorageKey.ts"

/** Where a stock is, and where is noted what becomes of it. */
export interface Place {
  readonly runId: RunId.RunId
  readonly storage: Storage["Service"]
  readonly ledger: RunLedger["Service"]
}

interface Batch extends RunFiles.BatchKey {
  /** What the ledger says of the object that is there now. */
  readonly commits: ReadonlyArray<LedgerEntry.Commit>
  readonly stretches: ReadonlyArray<TickSet.Stretch>
  /** Whether every byte was read and is what was written. */
  readonly isProven: boolean
}

/** A batch that is not what was written. */
interface Damaged {
  readonly key: StorageKey.StorageKey
  readonly problem: string
}

/** The ticks that `commits` agree on. */
const agreed = (commits: ReadonlyArray<LedgerEntry.Commit>): LedgerEntry.Commit["stretches"] | undefined => {
  const [first, ...others] = commits
  const text = first?.stretches.join(";")
  return others.every(({ stretches }) => stretches.join(";") === text) ? first?.stretches : undefined
}

/** Reads all of a batch: what it holds, or what is wrong with it; `undefined` when it is gone. */
const prove = (storage: Storage["Service"], batch: RunFiles.BatchKey, commits: ReadonlyArray<LedgerEntry.Commit>) =>
  BatchFile.prove(storage, batch.key).pipe(
    Effect.map(({ checksum: sum, problem, stretches }): Batch | Damaged => {
      const checksum = Checksum.toHex(sum)
      const isKnown = commits.length === 0 || commits.some((commit) => commit.checksum === checksum)
      const wrong = problem ?? (isKnown ? undefined : `its checksum is ${checksum}, and the ledger has another one`)
      return wrong === undefined ? { ...batch, commits, stretches, isProven: true } : { key: batch.key, problem: wrong }
    }),
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.undefined)
  )

/** What is stored under the key of `batch`, by its size alone where that is enough; `undefined` when it is gone. */
const look = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  batch: RunFiles.BatchKey,
  commits: ReadonlyArray<LedgerEntry.Commit>
) {
  const stat = yield* storage.stat(batch.key)
  if (stat === undefined) return undefined
  const fitting = commits.filter((commit) => LedgerEntry.sizeOf(commit) === stat.bytes)
  if (commits.length > 0 && fitting.length === 0) {
    // Compressed again by hand it has another size, and the same in it.
    if (StorageKey.isCompressed(batch.key)) return yield* prove(storage, batch, commits)
    const sizes = commits.map(LedgerEntry.sizeOf)
    const problem = `it has ${stat.bytes} bytes, and the ledger says ${sizes.join(" or ")}`
    const damaged: Damaged = { key: batch.key, problem }
    return damaged
  }
  const ticks = agreed(fitting)
  if (ticks === undefined) return yield* prove(storage, batch, fitting)
  const believed: Batch = { ...batch, commits: fitting, stretches: LedgerEntry.toStretches(ticks), isProven: false }
  return believed
})

const isDamaged = (found: Batch | Damaged): found is Damaged => "problem" in found

const descending = (left: RunFiles.BatchKey, right: RunFiles.BatchKey): number =>
  left.last > right.last ? -1 : left.last < right.last ? 1 : 0

const has = ({ first, last, step }: TickSet.Stretch, tick: bigint): boolean =>
  step === 0n ? tick === first : tick >= first && tick <= last && (tick - first) % step === 0n

const noteSetAside = Effect.fnUntraced(function* (place: Place, key: string, where: string, reason: string) {
  const atMs = Math.floor(yield* Clock.currentTimeMillis)
  yield* place.ledger.record(place.runId, { _tag: "SetAside", key, place: where, reason, atMs })
})

/** Batches that the ledger knows and nobody has set aside must not speak for those that take their keys. */
const noteGone = Effect.fnUntraced(function* (place: Place, keys: ReadonlyArray<string>) {
  const gone = yield* Effect.filter(keys.filter(StorageKey.is), (key) =>
    Effect.map(place.storage.stat(key), (stat) => stat === undefined)
  )
  if (gone.length === 0) return
  for (const key of gone) yield* noteSetAside(place, key, "gone", "it was gone when the run went on")
  yield* place.ledger.flush
  yield* Effect.logWarning("Batches that the ledger knows are gone, their ticks are made again").pipe(
    Effect.annotateLogs({ run: place.runId, batches: gone.length, first: gone[0] })
  )
})

/** Entries that are noted before they are written: the ledger keeps so many waiting with ease. */
const notedAtATime = 1000

/** Batches whose entries a crash has left out get them, so that the run is whole when nothing else is missing. */
const noteUnknown = Effect.fnUntraced(function* (
  { ledger, runId, storage }: Place,
  batches: ReadonlyArray<Recover.Unknown>
) {
  for (const [index, batch] of batches.entries()) {
    const made = yield* Recover.entryOf(storage, batch)
    if (made !== undefined) yield* ledger.record(runId, made.entry, made.checks)
    if ((index + 1) % notedAtATime === 0) yield* ledger.flush
  }
  if (batches.length > 0) yield* ledger.flush
})

/** Frees the key of a damaged batch; notes it for good, so that what takes the key next is not held against it. */
const setAside = ({ key, problem }: Damaged, place: Place) =>
  place.storage.setAside(key).pipe(
    Effect.tap((where) => noteSetAside(place, key, where, problem)),
    Effect.andThen((where) =>
      Effect.logWarning("A damaged batch was set aside, its ticks are made again").pipe(
        Effect.annotateLogs({ key, place: where, problem })
      )
    ),
    Effect.andThen(place.ledger.flush),
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.void), // set aside by another process
    Effect.uninterruptible
  )

/** The stock of a run. Not shared: it has state. */
export class Stock {
  /** Keys that were set aside, in that order. */
  readonly setAside: Array<StorageKey.StorageKey> = []
  /** By their last tick, the greatest first. */
  private batches: ReadonlyArray<Batch>
  private readonly place: Place

  constructor(place: Place, batches: ReadonlyArray<Batch>) {
    this.place = place
    this.batches = [...batches].sort(descending)
  }

  /** Batches in it. */
  get size(): number {
    return this.batches.length
  }

  /** The ticks in it. */
  get stretches(): ReadonlyArray<TickSet.Stretch> {
    return this.batches.flatMap(({ stretches }) => stretches)
  }

  /** Reads the last batches until one is good. Gives those that are not. */
  readonly proveEnd = Effect.gen({ self: this }, function* () {
    const damaged: Array<Damaged> = []
    for (const batch of this.batches) {
      const proven = yield* this.proven(batch)
      if (proven !== undefined && !isDamaged(proven)) break
      if (proven !== undefined) damaged.push(proven)
    }
    return damaged
  })

  readonly drop = (damaged: Damaged) =>
    Effect.map(setAside(damaged, this.place), () => {
      this.setAside.push(damaged.key)
      this.forget(damaged.key)
    })

  /**
   * The tick of this number, which is in it, with its payload. `undefined` when the batch turns out to be damaged or gone:
   * it is not in the stock any more.
   */
  readonly tick = Effect.fnUntraced({ self: this }, function* (this: Stock, tickNumber: bigint) {
    const holding = this.batches.filter(({ stretches }) => stretches.some((stretch) => has(stretch, tickNumber)))
    const batch = holding.find(({ isProven }) => isProven) ?? holding[0]
    if (batch === undefined) return undefined
    const proven = yield* this.proven(batch)
    if (proven === undefined) return undefined
    if (isDamaged(proven)) return yield* Effect.as(this.drop(proven), undefined)
    const isIt = (tick: Tick.Tick) => tick.tickNumber === tickNumber
    const found = yield* BatchFile.read(this.place.storage, batch.key).pipe(Stream.filter(isIt), Stream.runHead)
    if (Option.isSome(found)) return found.value
    return yield* Effect.as(this.drop({ key: batch.key, problem: `it does not hold tick ${tickNumber}` }), undefined)
  })

  private proven(batch: Batch) {
    if (batch.isProven) return Effect.succeed(batch)
    return Effect.map(prove(this.place.storage, batch, batch.commits), (proven) => {
      if (proven === undefined) this.forget(batch.key)
      else if (!isDamaged(proven)) this.batches = this.batches.map((one) => (one === batch ? proven : one))
      return proven
    })
  }

  private forget(key: StorageKey.StorageKey): void {
    this.batches = this.batches.filter((batch) => batch.key !== key)
  }
}

/**
 * Takes stock of a run: the size of each batch is compared, a batch that the ledger doesn't know is read, and so are the
 * last ones, which a crash may have damaged, until one is good.
 */
export const take = Effect.fnUntraced(function* (place: Place) {
  const listed = yield* RunFiles.batches(place.storage, place.runId)
  const { batches: known, setAsides } = yield* LedgerFacts.read(place.storage, place.runId)
  const batches: Array<Batch> = []
  const damaged: Array<Damaged> = []
  for (const batch of listed) {
    const found = yield* look(place.storage, batch, known.get(batch.key) ?? [])
    known.delete(batch.key)
    if (found === undefined) continue
    if (isDamaged(found)) damaged.push(found)
    else batches.push(found)
  }
  const stock = new Stock(place, batches)
  damaged.push(...(yield* stock.proveEnd))
  // All that is to be read was read: what the ledger does by itself from now on meets nothing that is damaged.
  for (const one of damaged) yield* stock.drop(one)
  yield* noteGone(place, [...known.keys()])
  yield* noteUnknown(
    place,
    batches.flatMap(({ commits, key }) => (commits.length === 0 ? [{ key, setAsideMs: setAsides.since(key) }] : []))
  )
  return stock
})
