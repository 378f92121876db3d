/**
 * The runs and ticks of a letter: from the letter itself, or from the ledgers when it is damaged.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RunId from "../../domain/RunId.ts"
import type * as Tick from "../../domain/Tick.ts"
import * as TickSet from "../../domain/TickSet.ts"
import * as LedgerEntry from "../../ledger/LedgerEntry.ts"
import * as LedgerFold from "../../ledger/LedgerFold.ts"
import * as RunFiles from "../../runs/RunFiles.ts"
import type { Storage } from "../../storage/Storage.ts"
import type { StorageError } from "../../storage/StorageError.ts"

/** Ticks of one run in a letter. */
export interface Portion {
  readonly runId: RunId.RunId
  readonly stretches: LedgerEntry.Letter["stretches"]
  readonly count: number
}

/** The portions of a letter that can be read. Ticks with an invalid run id or number are left out. */
export const ofTicks = (ticks: ReadonlyArray<Tick.Tick>): ReadonlyArray<Portion> =>
  [...Map.groupBy(ticks, ({ simulationRunId }) => simulationRunId)].flatMap(([runId, of]) => {
    const numbers = of.map(({ tickNumber }) => tickNumber).filter((number) => number >= 0n)
    if (!RunId.is(runId) || numbers.length === 0) return []
    return [{ runId, stretches: LedgerEntry.fromStretches(TickSet.stretches(numbers)), count: numbers.length }]
  })

/** The entries of a letter in a ledger: its ticks, and the number that the last replay has left. */
interface Noted {
  readonly stretches: Portion["stretches"]
  readonly count: number
  readonly remaining: number
}

const nothing: Noted = { stretches: [], count: 0, remaining: Infinity }

const about = (letter: string): LedgerFold.Handlers<Noted> => ({
  Header: LedgerFold.skip,
  Commit: LedgerFold.skip,
  Drop: LedgerFold.skip,
  SetAside: LedgerFold.skip,
  Letter: (noted, { count, id, stretches }) => (id === letter ? { ...noted, stretches, count } : noted),
  Replay: (noted, { letter: id, remaining }) =>
    id === letter ? { ...noted, remaining: Math.min(noted.remaining, remaining) } : noted
})

/**
 * The portions of a letter from the ledgers of all runs in the storage of the context. Reads each ledger whole. The
 * stretches are those at the beginning of the letter. The count is what the last replay has left. Fails with `StorageError`
 * when a ledger can't be read.
 */
export const ofLedgers = (letter: string): Effect.Effect<ReadonlyArray<Portion>, StorageError, Storage> =>
  RunFiles.runIds.pipe(
    Stream.mapEffect((runId) =>
      Effect.map(
        LedgerFold.run(runId, () => nothing, about(letter)),
        ({ count, remaining, stretches }): Portion => ({
          runId,
          stretches,
          count: Math.min(count, remaining)
        })
      )
    ),
    Stream.filter(({ stretches }) => stretches.length > 0),
    Stream.runCollect
  )
