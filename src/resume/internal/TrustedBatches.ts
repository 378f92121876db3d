/**
 * The stored batches that a resumed run relies on.
 *
 * A batch is trusted when its size is the one in the ledger. A batch without an entry is read. A damaged batch is set
 * aside: its key is free again, and it counts as not stored. Memory: the ledger's entry of each batch.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Stream from "effect/Stream"
import * as Checksum from "../../domain/Checksum.ts"
import type * as RunId from "../../domain/RunId.ts"
import type * as Tick from "../../domain/Tick.ts"
import type * as TickSet from "../../domain/TickSet.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../../ledger/LedgerFacts.ts"
import { RunLedger } from "../../ledger/RunLedger.ts"
import * as UnknownBatches from "../../ledger/UnknownBatches.ts"
import * as RunFiles from "../../runs/RunFiles.ts"
import * as BatchFile from "../../batch/BatchFile.ts"
import { Storage } from "../../storage/Storage.ts"
import type { StorageError } from "../../storage/StorageError.ts"
import * as StorageKey from "../../storage/StorageKey.ts"

/** The valid entries of a batch. May be empty. */
type Commits = ReadonlyArray<LedgerEntry.Commit>

interface Trusted extends RunFiles.BatchKey {
  readonly _tag: "Trusted"
  /** The entries that its size matches. */
  readonly commits: Commits
  readonly stretches: ReadonlyArray<TickSet.Stretch>
  /** Whether every byte was read and is correct. */
  readonly isProven: boolean
}

/** A damaged batch. */
interface Damaged {
  readonly _tag: "Damaged"
  readonly key: StorageKey.StorageKey
  readonly problem: string
}

/** The ticks of `commits`, if they are equal in all. */
const agreed = ([first, ...others]: Arr.NonEmptyReadonlyArray<LedgerEntry.Commit>) => {
  const text = first.stretches.join(";")
  return others.every(({ stretches }) => stretches.join(";") === text) ? first.stretches : undefined
}

/** Reads a whole batch: its content or its problem. `undefined` when it is gone. */
const prove = (batch: RunFiles.BatchKey, commits: Commits) =>
  BatchFile.prove(batch.key).pipe(
    Effect.map(({ checksum: sum, problem, stretches }): Trusted | Damaged => {
      const checksum = Checksum.toHex(sum)
      const isKnown = commits.length === 0 || commits.some((commit) => commit.checksum === checksum)
      const wrong = problem ?? (isKnown ? undefined : `its checksum is ${checksum}, but the ledger has another one`)
      if (wrong !== undefined) return { _tag: "Damaged", key: batch.key, problem: wrong }
      return { ...batch, _tag: "Trusted", commits, stretches, isProven: true }
    }),
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.undefined)
  )

/** Checks `batch`, by its size alone where that is enough. `undefined` when it is gone. */
const check = Effect.fnUntraced(function* (
  batch: RunFiles.BatchKey,
  commits: Commits
): Effect.fn.Return<Trusted | Damaged | undefined, StorageError, Storage> {
  const stat = yield* (yield* Storage).stat(batch.key)
  if (stat === undefined) return undefined
  const fitting = commits.filter((commit) => LedgerEntry.sizeOf(commit) === stat.bytes)
  if (Arr.isReadonlyArrayNonEmpty(fitting)) {
    const ticks = agreed(fitting)
    if (ticks === undefined) return yield* prove(batch, fitting)
    return { ...batch, _tag: "Trusted", commits: fitting, stretches: LedgerEntry.toStretches(ticks), isProven: false }
  }
  // A file that was compressed again by hand has another size, and may hold the same ticks.
  if (commits.length === 0 || StorageKey.isCompressed(batch.key)) return yield* prove(batch, commits)
  const sizes = commits.map(LedgerEntry.sizeOf)
  const problem = `it has ${stat.bytes} bytes, but ${sizes.join(" or ")} in the ledger`
  return { _tag: "Damaged", key: batch.key, problem }
})

/** By the last tick, the greatest first. */
const descending = Order.flip(Order.mapInput(Order.BigInt, ({ last }: RunFiles.BatchKey) => last))

const has = ({ first, last, step }: TickSet.Stretch, tick: bigint): boolean =>
  step === 0n ? tick === first : tick >= first && tick <= last && (tick - first) % step === 0n

const recordSetAside = Effect.fnUntraced(function* (runId: RunId.RunId, key: string, place: string, reason: string) {
  const ledger = yield* RunLedger
  const atMs = Math.floor(yield* Clock.currentTimeMillis)
  yield* ledger.record(runId, { _tag: "SetAside", key, place, reason, atMs })
})

/** Records that batches of the ledger are gone, so that their entries don't count for later batches with the same key. */
const recordGone = Effect.fnUntraced(function* (runId: RunId.RunId, keys: ReadonlyArray<string>) {
  const storage = yield* Storage
  const gone = yield* Effect.filter(keys.filter(StorageKey.is), (key) =>
    Effect.map(storage.stat(key), (stat) => stat === undefined)
  )
  if (!Arr.isReadonlyArrayNonEmpty(gone)) return
  for (const key of gone) yield* recordSetAside(runId, key, "gone", "it was gone when the run resumed")
  yield* (yield* RunLedger).flush
  yield* Effect.logWarning("Batches that the ledger knows are gone, their ticks are made again").pipe(
    Effect.annotateLogs({ run: runId, batches: gone.length, first: gone[0] })
  )
})

/** The number of entries that are recorded before a flush. */
const recordedAtATime = 1000

/** Records entries for batches without one, as a crash leaves them. Then the run is whole if nothing else is missing. */
const recordUnknown = Effect.fnUntraced(function* (
  runId: RunId.RunId,
  batches: ReadonlyArray<UnknownBatches.UnknownBatch>
) {
  const ledger = yield* RunLedger
  for (const some of Arr.chunksOf(batches, recordedAtATime)) {
    for (const batch of some) {
      const made = yield* UnknownBatches.entryOf(batch)
      if (made !== undefined) yield* ledger.record(runId, made.entry, made.checks)
    }
    yield* ledger.flush
  }
})

/** Frees the key of a damaged batch, and records that, so that its entries don't count for the next batch with that key. */
const setAside = Effect.fnUntraced(
  function* (runId: RunId.RunId, { key, problem }: Damaged) {
    const storage = yield* Storage
    const place = yield* storage.setAside(key)
    yield* recordSetAside(runId, key, place, problem)
    yield* Effect.logWarning("A damaged batch was set aside, its ticks are made again").pipe(
      Effect.annotateLogs({ key, place, problem })
    )
    yield* (yield* RunLedger).flush
  },
  Effect.catchReason("StorageError", "ObjectMissing", () => Effect.void), // set aside by another process
  Effect.uninterruptible
)

/** It has state: don't share it. */
export class TrustedBatches {
  /** Keys that were set aside, in that order. */
  readonly setAside: Array<StorageKey.StorageKey> = []
  private readonly runId: RunId.RunId
  private batches: ReadonlyArray<Trusted>

  constructor(runId: RunId.RunId, batches: ReadonlyArray<Trusted>) {
    this.runId = runId
    this.batches = Arr.sort(batches, descending)
  }

  /** The number of batches. */
  get size(): number {
    return this.batches.length
  }

  /** The ticks in them. */
  get stretches(): ReadonlyArray<TickSet.Stretch> {
    return this.batches.flatMap(({ stretches }) => stretches)
  }

  /** Reads the last batches until one is good. Succeeds with the damaged ones. */
  readonly proveEnd = Effect.gen({ self: this }, function* () {
    const damaged: Array<Damaged> = []
    for (const batch of this.batches) {
      const proven = yield* this.proven(batch)
      if (proven?._tag === "Trusted") break
      if (proven !== undefined) damaged.push(proven)
    }
    return damaged
  })

  /** Sets a damaged batch aside and stops trusting it. */
  readonly drop = (damaged: Damaged) =>
    Effect.map(setAside(this.runId, damaged), () => {
      this.setAside.push(damaged.key)
      this.forget(damaged.key)
    })

  /**
   * The stored tick of this number, with its payload. `undefined` when its batch is damaged or gone: then the batch is no
   * longer trusted.
   */
  readonly tick = Effect.fnUntraced({ self: this }, function* (this: TrustedBatches, tickNumber: bigint) {
    const holding = this.batches.filter(({ stretches }) => stretches.some((stretch) => has(stretch, tickNumber)))
    const batch = holding.find(({ isProven }) => isProven) ?? holding[0]
    if (batch === undefined) return undefined
    const proven = yield* this.proven(batch)
    if (proven === undefined) return undefined
    if (proven._tag === "Damaged") return yield* Effect.as(this.drop(proven), undefined)
    const isIt = (tick: Tick.Tick) => tick.tickNumber === tickNumber
    const found = yield* BatchFile.read(batch.key).pipe(Stream.filter(isIt), Stream.runHead)
    if (Option.isSome(found)) return found.value
    const problem = `it does not hold tick ${tickNumber}`
    return yield* Effect.as(this.drop({ _tag: "Damaged", key: batch.key, problem }), undefined)
  })

  private proven(batch: Trusted) {
    if (batch.isProven) return Effect.succeed(batch)
    return Effect.map(prove(batch, batch.commits), (proven) => {
      if (proven === undefined) this.forget(batch.key)
      else if (proven._tag === "Trusted") this.batches = this.batches.map((one) => (one === batch ? proven : one))
      return proven
    })
  }

  private forget(key: StorageKey.StorageKey): void {
    this.batches = this.batches.filter((batch) => batch.key !== key)
  }
}

/** Checks the `listed` batches. Takes them out of `known`. */
const checkAll = Effect.fnUntraced(function* (listed: ReadonlyArray<RunFiles.BatchKey>, known: Map<string, Commits>) {
  const trusted: Array<Trusted> = []
  const damaged: Array<Damaged> = []
  for (const batch of listed) {
    const checked = yield* check(batch, known.get(batch.key) ?? [])
    known.delete(batch.key)
    if (checked?._tag === "Damaged") damaged.push(checked)
    else if (checked !== undefined) trusted.push(checked)
  }
  return { trusted, damaged }
})

/**
 * Finds the trusted batches of a run. Compares the size of each batch with the ledger. Reads the batches without an entry,
 * and the last batches, which a crash may have damaged, until one is good. Sets damaged ones aside and adds missing entries
 * to the ledger.
 */
export const find = Effect.fnUntraced(function* (runId: RunId.RunId) {
  const listed = yield* RunFiles.batches(runId)
  const { batches: known, setAsides } = yield* LedgerFacts.read(runId)
  const { damaged, trusted } = yield* checkAll(listed, known)
  const batches = new TrustedBatches(runId, trusted)
  damaged.push(...(yield* batches.proveEnd))
  // Reads everything before it records: the first record starts a comparison of the run, which must not find damage.
  for (const one of damaged) yield* batches.drop(one)
  yield* recordGone(runId, [...known.keys()])
  const unknown = trusted.filter(({ commits }) => commits.length === 0)
  yield* recordUnknown(
    runId,
    unknown.map(({ key }) => ({ key, setAsideMs: setAsides.since(key) }))
  )
  return batches
})
