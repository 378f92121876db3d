/**
 * One stored batch, read into memory and held against what the ledger of its run says of it.
 *
 * A batch is whole when its bytes have the checksum that was noted when it was written; where the ledger doesn't know it,
 * when it is in the delimited format and holds what its name says. Only one that is not whole is read again, a few times,
 * for what is wrong with it and what can be saved of it.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Checksum from "../domain/Checksum.ts"
import type * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import * as TickSet from "../domain/TickSet.ts"
import * as Ledger from "../ledger/Ledger.ts"
import type * as LedgerEntry from "../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../ledger/LedgerFacts.ts"
import * as BatchFile from "../storage/BatchFile.ts"
import type { Room, Storage } from "../storage/Storage.ts"
import { ObjectDamaged, StorageError } from "../storage/StorageError.ts"
import type * as StorageKey from "../storage/StorageKey.ts"
import type { BatchKey } from "./RunFiles.ts"

/** A batch that is not what was written, with what of it is. */
export interface Damaged {
  readonly problem: string
  /** What is intact, and the bytes between, in the order of the object. */
  readonly found: ReadonlyArray<{ readonly _tag: "Tick"; readonly tick: Tick.Tick } | Place>
  /** The ticks that it was written with, when the ledger tells. */
  readonly written: LedgerEntry.Commit["stretches"] | undefined
}

/** Bytes of an object in which there is no tick any more. Beyond its end when it was cut. */
export interface Place {
  readonly _tag: "Damage"
  readonly offset: number
  readonly bytes: number
}

/** The failure that a damaged batch is for a reader who wants all of it. */
export const failure = (key: StorageKey.StorageKey, problem: string): StorageError =>
  new StorageError({ operation: "read", key, reason: new ObjectDamaged({ problem }) })

/** Whether `ticks` are what the name of their batch says. */
const isNamed = (ticks: ReadonlyArray<Tick.Tick>, { first, last, runId }: BatchKey): boolean => {
  let [smallest, largest] = [ticks[0]?.tickNumber, ticks[0]?.tickNumber]
  for (const { simulationRunId, tickNumber } of ticks) {
    if (simulationRunId !== runId) return false
    if (smallest === undefined || tickNumber < smallest) smallest = tickNumber
    if (largest === undefined || tickNumber > largest) largest = tickNumber
  }
  return smallest === first && largest === last
}

/** The checksums of the ticks of an object, as the entry with its checksum has them. */
const checksOf = (storage: Storage["Service"], runId: RunId.RunId, commit: LedgerEntry.Commit) =>
  Ledger.read(storage, runId).pipe(
    Stream.filter((item) => item._tag === "Line" && isSame(item.entry, commit)),
    Stream.runHead,
    Effect.map((item) => (item._tag === "Some" && item.value._tag === "Line" ? item.value.checks() : undefined))
  )

const isSame = (entry: LedgerEntry.Entry, { checksum, key }: LedgerEntry.Commit): boolean =>
  entry._tag === "Commit" && entry.key === key && entry.checksum === checksum

/** What is left of a batch that is not whole. */
const salvage = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  { key, runId }: BatchKey,
  commit: LedgerEntry.Commit | undefined
) {
  const contents = yield* BatchFile.prove(storage, key)
  const checks = commit === undefined ? undefined : yield* checksOf(storage, runId, commit)
  const found: Array<Damaged["found"][number]> = yield* Stream.runCollect(BatchFile.salvage(storage, key, checks))
  const size = yield* BatchFile.size(storage, key)
  const cut = commit === undefined ? 0 : commit.bytes - size
  if (cut > 0) {
    // One with the damage before it, which a cut within a message leaves.
    const last = found.at(-1)
    const begin = last?._tag === "Damage" && last.offset + last.bytes === size ? last.offset : size
    if (begin < size) found.pop()
    found.push({ _tag: "Damage", offset: begin, bytes: size + cut - begin })
  }
  const problem = contents.problem ?? "its checksum is not the one that the ledger of the run has"
  const damaged: Damaged = { problem, found, written: commit?.stretches }
  return damaged
})

/**
 * The ticks of a batch in the order of its object, or what is left of a damaged one. Memory: all of it, which may be that of
 * `chunks`.
 */
export const read = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  batch: BatchKey,
  commits: ReadonlyArray<LedgerEntry.Commit>,
  chunks: "kept" | Room = "kept"
) {
  const whole = yield* BatchFile.readWhole(storage, batch.key, chunks)
  if (whole !== undefined) {
    const checksum = Checksum.toHex(whole.checksum)
    const isWhole =
      commits.length === 0 ? isNamed(whole.ticks, batch) : commits.some((commit) => commit.checksum === checksum)
    if (isWhole) return Result.succeed(whole.ticks)
  }
  return Result.fail(yield* salvage(storage, batch, LedgerFacts.newest(commits)))
})

/** The numbers of `stretches` from `from` to `to`. */
export const numbers = (stretches: LedgerEntry.Commit["stretches"], from: bigint, to: bigint): Array<bigint> => {
  const numbers: Array<bigint> = []
  for (const [first, last, step] of stretches) {
    for (let number = first; number <= last; number += step > 0n ? step : 1n) {
      if (number >= from && number <= to) numbers.push(number)
    }
  }
  return numbers
}

/** The numbers of `stretches` from `from` to `to` that are not among `present`, as few stretches. */
export const missing = (
  stretches: LedgerEntry.Commit["stretches"],
  present: ReadonlySet<bigint>,
  from: bigint,
  to: bigint
): ReadonlyArray<TickSet.Stretch> =>
  TickSet.stretches(numbers(stretches, from, to).filter((number) => !present.has(number)))
