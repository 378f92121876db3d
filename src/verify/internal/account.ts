/**
 * Computes which ticks a run should have, and which are stored, in letters, dropped, or missing.
 */
import * as Arr from "effect/Array"
import * as BigInts from "effect/BigInt"
import * as Order from "effect/Order"
import * as TickSet from "../../domain/TickSet.ts"
import type { Promised } from "../../runs/RunMetadata.ts"

type Stretches = ReadonlyArray<TickSet.Stretch>

/** All that is known about the ticks of a run. */
export interface Known {
  /** What the run's metadata promise. */
  readonly promised: Promised
  /** Stored and intact. */
  readonly stored: Stretches
  readonly waiting: Stretches
  readonly dropped: Stretches
  /** Known from entries of batches and letters that are gone or damaged. */
  readonly knownOtherwise: Stretches
}

export interface Account {
  readonly step: bigint
  readonly first: bigint | undefined
  readonly last: bigint | undefined
  readonly stored: TickSet.TickSet
  /** Stored, waiting or dropped. */
  readonly accounted: TickSet.TickSet
  /** Ticks that are in letters and not stored. */
  readonly waiting: bigint
  /** Ticks that were dropped on purpose, are not stored and are not in a letter. */
  readonly dropped: bigint
  /** Missing ticks in ascending order. */
  readonly holes: ReadonlyArray<TickSet.Gap>
}

const sum = (set: TickSet.TickSet, more: Stretches) => new TickSet.TickSet([...set.stretches, ...more], set.step)

/** The number of ticks of `stretches` that are not in `set`. */
export const beyond = (set: TickSet.TickSet, stretches: Stretches): bigint => sum(set, stretches).size - set.size

const least = (numbers: ReadonlyArray<bigint>) =>
  Arr.isReadonlyArrayNonEmpty(numbers) ? Arr.min(numbers, Order.BigInt) : undefined

const greatest = (numbers: ReadonlyArray<bigint>) =>
  Arr.isReadonlyArrayNonEmpty(numbers) ? Arr.max(numbers, Order.BigInt) : undefined

const gap = (first: bigint, last: bigint, step: bigint): TickSet.Gap => ({
  first,
  last,
  count: (last - first) / step + 1n
})

/** The ticks from `first` to `last` that `set` lacks. Both must be a multiple of its step away from its ticks. */
const holesIn = (set: TickSet.TickSet, first: bigint, last: bigint): ReadonlyArray<TickSet.Gap> => {
  const { first: from, last: to, step } = set
  if (from === undefined || to === undefined) return [gap(first, last, step)]
  return [
    ...(first < from ? [gap(first, from - step, step)] : []),
    ...set.gaps,
    ...(last > to ? [gap(to + step, last, step)] : [])
  ]
}

/** The sampling interval: all ticks are multiples of it. Without it in the metadata, the greatest common step. */
const stepOf = (samplingInterval: bigint | undefined, all: Stretches) =>
  TickSet.commonStep(
    samplingInterval === undefined || all.length === 0
      ? all
      : [{ first: 0n, last: samplingInterval, step: samplingInterval }, ...all]
  )

/** Accounts for all ticks of a run. */
export const of = ({ dropped, promised, knownOtherwise, stored, waiting }: Known): Account => {
  const all = [...stored, ...waiting, ...dropped, ...knownOtherwise]
  const step = stepOf(promised.samplingInterval, all)
  const known = least(all.map((stretch) => stretch.first))
  // A crash may have destroyed the first batches but not later ones: the metadata have the first tick.
  const first = known === undefined ? undefined : BigInts.min(known, promised.firstTick ?? known)
  const last = greatest(all.map((stretch) => stretch.last))
  const storedSet = new TickSet.TickSet(stored, step)
  const withLetters = sum(storedSet, waiting)
  const accounted = sum(withLetters, dropped)
  return {
    step,
    first,
    last,
    stored: storedSet,
    accounted,
    waiting: withLetters.size - storedSet.size,
    dropped: accounted.size - withLetters.size,
    holes: first === undefined || last === undefined ? [] : holesIn(accounted, first, last)
  }
}
