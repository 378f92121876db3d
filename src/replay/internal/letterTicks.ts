/**
 * Which ticks of which runs a letter has: by itself, or, when it is damaged, by the ledgers that have noted it.
 */
import * as Stream from "effect/Stream"
import * as RunId from "../../domain/RunId.ts"
import type * as Tick from "../../domain/Tick.ts"
import * as TickSet from "../../domain/TickSet.ts"
import * as Ledger from "../../ledger/Ledger.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as RunFiles from "../../runs/RunFiles.ts"
import type { Storage } from "../../storage/Storage.ts"

/** Ticks of one run in a letter. */
export interface Portion {
  readonly runId: RunId.RunId
  readonly stretches: LedgerEntry.Letter["stretches"]
  readonly count: number
}

/** By the `ticks` of a letter that can be read; those that no run can have are left out. */
export const ofTicks = (ticks: ReadonlyArray<Tick.Tick>): ReadonlyArray<Portion> =>
  [...Map.groupBy(ticks, ({ simulationRunId }) => simulationRunId)].flatMap(([runId, of]) => {
    const numbers = of.map(({ tickNumber }) => tickNumber).filter((number) => number >= 0n)
    if (!RunId.is(runId) || numbers.length === 0) return []
    return [{ runId, stretches: LedgerEntry.fromStretches(TickSet.stretches(numbers)), count: numbers.length }]
  })

const isAbout = (letter: string, { entry }: Ledger.Item & { readonly _tag: "Line" }) =>
  (entry._tag === "Letter" && entry.id === letter) || (entry._tag === "Replay" && entry.letter === letter)

/**
 * By the ledgers of all runs in `storage`: reads each of them whole. The stretches are those that the letter began with,
 * the count is what the last replay has left. Fails with `StorageError` when a ledger can't be read.
 */
export const ofLedgers = (storage: Storage["Service"], letter: string) =>
  RunFiles.runIds(storage).pipe(
    Stream.mapEffect((runId) =>
      Ledger.read(storage, runId).pipe(
        Stream.filter((item) => item._tag === "Line"),
        Stream.filter((line) => isAbout(letter, line)),
        Stream.runFold(
          (): Portion & { readonly remaining: number } => ({ runId, stretches: [], count: 0, remaining: Infinity }),
          (portion, { entry }) => {
            if (entry._tag === "Letter") return { ...portion, stretches: entry.stretches, count: entry.count }
            return entry._tag === "Replay"
              ? { ...portion, remaining: Math.min(portion.remaining, entry.remaining) }
              : portion
          }
        )
      )
    ),
    Stream.filter(({ stretches }) => stretches.length > 0),
    Stream.map(({ count, remaining, stretches, runId }): Portion => ({
      runId,
      stretches,
      count: Math.min(count, remaining)
    })),
    Stream.runCollect
  )
