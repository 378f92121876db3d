/**
 * Reads one stored batch into memory and checks it against the ledger of its run.
 *
 * A batch is whole when its bytes have the checksum in the ledger. A batch that the ledger doesn't know is whole when it is
 * in the delimited format and has the ticks of its name. A batch that is not whole is read again a few times, to find its
 * problem and its intact ticks.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Checksum from "../../domain/Checksum.ts"
import type * as RunId from "../../domain/RunId.ts"
import type * as Tick from "../../domain/Tick.ts"
import * as TickSet from "../../domain/TickSet.ts"
import * as Ledger from "../../ledger/Ledger.ts"
import type * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as LedgerFacts from "../../ledger/LedgerFacts.ts"
import * as LedgerFold from "../../ledger/LedgerFold.ts"
import type { Line } from "../../ledger/LedgerLine.ts"
import * as BatchFile from "../../batch/BatchFile.ts"
import type { Room } from "../../storage/Storage.ts"
import { ObjectDamaged, StorageError } from "../../storage/StorageError.ts"
import type * as StorageKey from "../../storage/StorageKey.ts"
import type { BatchKey } from "../RunFiles.ts"

/** The valid entries of a batch. `undefined` when the ledger doesn't know it. */
export type Commits = Arr.NonEmptyReadonlyArray<LedgerEntry.Commit> | undefined

/** A batch whose bytes differ from what was written. */
export interface Damaged {
  readonly problem: string
  /** Its intact ticks and the damaged bytes between them, in the order of the object. */
  readonly found: ReadonlyArray<{ readonly _tag: "Tick"; readonly tick: Tick.Tick } | DamagedBytes>
  /** The ticks it was written with. `undefined` when the ledger doesn't know the batch. */
  readonly written: LedgerEntry.Commit["stretches"] | undefined
}

/** Bytes of an object without an intact tick. They may lie beyond its end, when it was cut. */
export interface DamagedBytes {
  readonly _tag: "Damage"
  readonly offset: number
  readonly bytes: number
}

/** The failure for a reader that needs the whole batch. */
export const failure = (key: StorageKey.StorageKey, problem: string): StorageError =>
  new StorageError({ operation: "read", key, reason: new ObjectDamaged({ problem }) })

/** Whether `ticks` have the run, the first and the last number of their batch's name. */
const isNamed = (ticks: ReadonlyArray<Tick.Tick>, { first, last, runId }: BatchKey): boolean => {
  let [smallest, largest] = [ticks[0]?.tickNumber, ticks[0]?.tickNumber]
  for (const { simulationRunId, tickNumber } of ticks) {
    if (simulationRunId !== runId) return false
    if (smallest === undefined || tickNumber < smallest) smallest = tickNumber
    if (largest === undefined || tickNumber > largest) largest = tickNumber
  }
  return smallest === first && largest === last
}

/** Uses the first entry of the batch with this checksum: later ones are equal. */
const checksFold = ({ checksum, key }: LedgerEntry.Commit): LedgerFold.Handlers<Line["checks"] | undefined> => ({
  Header: LedgerFold.skip,
  Letter: LedgerFold.skip,
  Replay: LedgerFold.skip,
  Drop: LedgerFold.skip,
  SetAside: LedgerFold.skip,
  Commit: (found, entry, checks) => found ?? (entry.key === key && entry.checksum === checksum ? checks : undefined)
})

/** The running checksums of the ticks of the batch of `commit`. Reads the ledger up to its entry. */
const checksOf = (runId: RunId.RunId, commit: LedgerEntry.Commit) => {
  const step = LedgerFold.reducer(checksFold(commit))
  return Ledger.read(runId).pipe(
    Stream.map((item) => step(undefined, item)),
    Stream.filter((checks) => checks !== undefined),
    Stream.runHead,
    Effect.map((checks) => (checks._tag === "Some" ? checks.value() : undefined))
  )
}

/** The intact parts of a batch that is not whole. */
const salvage = Effect.fnUntraced(function* ({ key, runId }: BatchKey, commit: LedgerEntry.Commit | undefined) {
  const contents = yield* BatchFile.prove(key)
  const checks = commit === undefined ? undefined : yield* checksOf(runId, commit)
  const found: Array<Damaged["found"][number]> = yield* Stream.runCollect(BatchFile.salvage(key, checks))
  const size = yield* BatchFile.size(key)
  const cut = commit === undefined ? 0 : commit.bytes - size
  if (cut > 0) {
    // A cut within a message leaves damaged bytes before it: report them as one with the missing bytes.
    const last = found.at(-1)
    const begin = last?._tag === "Damage" && last.offset + last.bytes === size ? last.offset : size
    if (begin < size) found.pop()
    found.push({ _tag: "Damage", offset: begin, bytes: size + cut - begin })
  }
  const problem = contents.problem ?? "its checksum differs from the one in the ledger of the run"
  const damaged: Damaged = { problem, found, written: commit?.stretches }
  return damaged
})

/**
 * The ticks of a batch in the order of its object, or the intact parts of a damaged one. Fails with `ObjectMissing` when it
 * is gone. Memory: the whole batch, in the buffers of `chunks`.
 */
export const read = Effect.fnUntraced(function* (batch: BatchKey, commits: Commits, chunks: "kept" | Room = "kept") {
  const whole = yield* BatchFile.readWhole(batch.key, chunks)
  if (whole !== undefined) {
    const checksum = Checksum.toHex(whole.checksum)
    const isWhole =
      commits === undefined ? isNamed(whole.ticks, batch) : commits.some((commit) => commit.checksum === checksum)
    if (isWhole) return Result.succeed(whole.ticks)
  }
  return Result.fail(yield* salvage(batch, commits === undefined ? undefined : LedgerFacts.newest(commits)))
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
