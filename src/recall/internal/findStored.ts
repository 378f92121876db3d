/**
 * Finds ticks in earlier batches, by their bytes.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Tick from "../../domain/Tick.ts"
import * as TickSet from "../../domain/TickSet.ts"
import * as StoredTicks from "../../runs/StoredTicks.ts"
import { Storage } from "../../storage/Storage.ts"
import type { EarlierBatch, EarlierBatches } from "./earlierBatches.ts"

const none: ReadonlyArray<Tick.Tick> = []

/** Tick numbers, both included. */
interface Range {
  readonly first: bigint
  readonly last: bigint
}

/** Whether `stretches` have any of `wanted` between `first` and `last`. */
const isAnyOf = (
  stretches: ReadonlyArray<TickSet.Stretch>,
  wanted: StoredTicks.Wanted,
  { first, last }: Range
): boolean =>
  stretches.some((stretch) => {
    if (stretch.first > last || stretch.last < first) return false
    const skipped = stretch.step > 0n && stretch.first < first ? (first - stretch.first) / stretch.step : 0n
    for (const number of TickSet.numbers({ ...stretch, first: stretch.first + skipped * stretch.step })) {
      if (number > last) return false
      if (wanted.has(number)) return true
    }
    return false
  })

/** The ticks of `wanted` that a batch has. Sets the ticks of `batch`. */
const lookInto = Effect.fnUntraced(function* (batch: EarlierBatch, wanted: StoredTicks.Wanted) {
  const same: Array<Tick.Tick> = []
  const differing: Array<Tick.Tick> = []
  const numbers: Array<bigint> = []
  yield* StoredTicks.look(
    batch.key,
    wanted,
    (tick, isSame) => void (isSame ? same : differing).push(tick),
    (number) => void numbers.push(number)
  )
  batch.ticks = TickSet.stretches(numbers)
  return { same, differing }
})

/** Makes a batch survive a crash. Succeeds with whether it is still stored. */
const secure = Effect.fnUntraced(function* (batch: EarlierBatch) {
  const storage = yield* Storage
  if (!batch.isSecured) yield* storage.secure(batch.key)
  batch.isSecured = true
  return (yield* storage.stat(batch.key)) !== undefined
})

const warnOfOthers = ([first, ...others]: Arr.NonEmptyReadonlyArray<Tick.Tick>) =>
  Effect.logWarning("Stored ticks have the same numbers but other bytes: trying to store the batch unchanged").pipe(
    Effect.annotateLogs({ run: first.simulationRunId, ticks: others.length + 1, first: `${first.tickNumber}` })
  )

/** The ticks of `ticks`, all in the range, that `batches` have. Makes these batches survive a crash. */
export const findStored = Effect.fnUntraced(function* (
  batches: EarlierBatches,
  ticks: ReadonlyArray<Tick.Tick>,
  range: Range
) {
  const wanted = StoredTicks.byNumber(ticks)
  const stored = new Set<Tick.Tick>()
  const differing = new Set<Tick.Tick>()
  for (const batch of batches.overlapping(range.first, range.last)) {
    if (batch.ticks !== undefined && !isAnyOf(batch.ticks, wanted, range)) continue
    const found = yield* lookInto(batch, wanted)
    for (const tick of found.differing) differing.add(tick)
    if (found.same.length === 0) batches.readInVain++
    else if (yield* secure(batch)) for (const tick of found.same) stored.add(tick)
  }
  const others = [...differing].filter((tick) => !stored.has(tick))
  if (Arr.isReadonlyArrayNonEmpty(others)) return yield* Effect.as(warnOfOthers(others), none)
  return stored.size === 0 ? none : ticks.filter((tick) => stored.has(tick))
})
