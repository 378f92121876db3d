/**
 * Figures about the writing of a run, from the entries of its ledger.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as RunId from "tickvault/domain/RunId"
 * import * as RunFigures from "tickvault/summary/RunFigures"
 * import * as RunSummary from "tickvault/summary/RunSummary"
 *
 * export const retries = Effect.map(RunSummary.read(RunId.make("run-1")), (run) => RunFigures.of(run).retries)
 * ```
 */
import * as Arr from "effect/Array"
import * as Order from "effect/Order"
import * as LedgerEntry from "../ledger/LedgerEntry.ts"
import type { RunSummary } from "./RunSummary.ts"

/** The batches of a run that have the same service or the same flush reason. */
export interface Share {
  /** The service or the flush reason. `undefined` for entries that were made later from the batches. */
  readonly name: string | undefined
  readonly files: number
  readonly ticks: number
  /** Sizes of the files, as they are stored. */
  readonly bytes: number
  readonly attempts: number
}

export interface RunFigures {
  readonly ticks: number
  /** Bytes of the ticks, before compression. */
  readonly bytes: number
  /** From the first tick in the queue to the last commit, in seconds, pauses included. `undefined` without entries. */
  readonly seconds: number | undefined
  readonly attempts: number
  /** Attempts after the first one. */
  readonly retries: number
  readonly byService: ReadonlyArray<Share>
  readonly byFlushReason: ReadonlyArray<Share>
}

/** Shares without a name come last. */
const byName = Order.mapInput(Order.String, ({ name }: Share) => name ?? "\uffff")

const shares = (
  commits: ReadonlyArray<LedgerEntry.Commit>,
  nameOf: (commit: LedgerEntry.Commit) => string | undefined
): ReadonlyArray<Share> =>
  Arr.sort(
    Arr.map([...Map.groupBy(commits, nameOf)], ([name, group]): Share => ({
      name,
      files: group.length,
      ticks: group.reduce((total, { count }) => total + count, 0),
      bytes: group.reduce((total, commit) => total + LedgerEntry.sizeOf(commit), 0),
      attempts: group.reduce((total, { write }) => total + (write?.attempts ?? 0), 0)
    })),
    byName
  )

/** The figures of a summary, over the batches that are both stored and in the ledger. */
export const of = ({ batches }: RunSummary): RunFigures => {
  const commits = batches.flatMap(({ bytes, commit }) => (bytes === undefined || commit === undefined ? [] : [commit]))
  let begin = Number.POSITIVE_INFINITY
  let end = Number.NEGATIVE_INFINITY
  for (const { committedAtMs, write } of commits) {
    begin = Math.min(begin, write?.enqueuedAtMs ?? committedAtMs)
    end = Math.max(end, committedAtMs)
  }
  const attempts = commits.reduce((total, { write }) => total + (write?.attempts ?? 0), 0)
  const written = commits.filter(({ write }) => write !== undefined).length
  return {
    ticks: commits.reduce((total, { count }) => total + count, 0),
    bytes: commits.reduce((total, { bytes }) => total + bytes, 0),
    seconds: commits.length === 0 ? undefined : (end - begin) / 1000,
    attempts,
    retries: attempts - written,
    byService: shares(commits, ({ write }) => write?.service),
    byFlushReason: shares(commits, ({ write }) => write?.flushReason)
  }
}
