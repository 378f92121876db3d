/**
 * Which ticks a run should have, and which of them are stored, wait, were dropped, or are nowhere.
 */
import * as TickSet from "../../domain/TickSet.ts"
import type { Promised } from "../../runs/RunMetadata.ts"

type Stretches = ReadonlyArray<TickSet.Stretch>

/** All that is known of the ticks of a run. */
export interface Known {
  /** What the run's metadata say of its ticks. */
  readonly promised: Promised
  /** Stored and intact. */
  readonly stored: Stretches
  readonly waiting: Stretches
  readonly dropped: Stretches
  /** Spoken of anywhere else: entries of what is gone or damaged. */
  readonly spokenOf: Stretches
}

export interface Account {
  readonly step: bigint
  readonly first: bigint | undefined
  readonly last: bigint | undefined
  readonly stored: TickSet.TickSet
  /** Stored, waiting or dropped. */
  readonly accounted: TickSet.TickSet
  /** In letters, and not stored. */
  readonly waiting: bigint
  /** Dropped on purpose, and neither stored nor waiting. */
  readonly dropped: bigint
  /** What is not accounted for, in ascending order. */
  readonly holes: ReadonlyArray<TickSet.Gap>
}

const sum = (set: TickSet.TickSet, more: Stretches) => new TickSet.TickSet([...set.stretches, ...more], set.step)

/** How many of the ticks of `stretches` are not in `set`. */
export const beyond = (set: TickSet.TickSet, stretches: Stretches): bigint => sum(set, stretches).size - set.size

const least = (numbers: ReadonlyArray<bigint>) =>
  numbers.reduce<bigint | undefined>((least, one) => (least === undefined || one < least ? one : least), undefined)

const greatest = (numbers: ReadonlyArray<bigint>) =>
  numbers.reduce<bigint | undefined>((most, one) => (most === undefined || one > most ? one : most), undefined)

const gap = (first: bigint, last: bigint, step: bigint): TickSet.Gap => ({
  first,
  last,
  count: (last - first) / step + 1n
})

/** What is missing of the ticks from `first` to `last`, both of which are on the grid. */
const holesIn = (set: TickSet.TickSet, first: bigint, last: bigint): ReadonlyArray<TickSet.Gap> => {
  const { first: from, last: to, step } = set
  if (from === undefined || to === undefined) return [gap(first, last, step)]
  return [
    ...(first < from ? [gap(first, from - step, step)] : []),
    ...set.gaps,
    ...(last > to ? [gap(to + step, last, step)] : [])
  ]
}

/** Ticks are captured at the multiples of the sampling interval. Without one the greatest common step is taken for it. */
const stepOf = (samplingInterval: bigint | undefined, all: Stretches) =>
  TickSet.commonStep(
    samplingInterval === undefined || all.length === 0
      ? all
      : [{ first: 0n, last: samplingInterval, step: samplingInterval }, ...all]
  )

/** Draws up the account. */
export const of = ({ dropped, promised, spokenOf, stored, waiting }: Known): Account => {
  const all = [...stored, ...waiting, ...dropped, ...spokenOf]
  const step = stepOf(promised.samplingInterval, all)
  const told = least(all.map((stretch) => stretch.first))
  // The beginning that was promised is missed, too: a crash may have taken it while a later batch was being stored.
  const first = told === undefined ? undefined : least([told, promised.firstTick ?? told])
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
