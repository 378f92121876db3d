/**
 * The ticks of a run that an engine captures: which exist, and which is the first missing one.
 */
import * as TickSet from "../../domain/TickSet.ts"

/** The captured ticks: `first` and the later multiples of `interval`. `first` is a multiple too. */
export interface Sampling {
  readonly interval: bigint
  readonly first: bigint
}

/** The captured ticks in `stretch`. */
const capturedIn = (
  { first, last, step }: TickSet.Stretch,
  { first: begin, interval }: Sampling
): ReadonlyArray<TickSet.Stretch> => {
  const isCaptured = (tick: bigint) => tick >= begin && tick % interval === 0n
  if (step === 0n) return isCaptured(first) ? [{ first, last: first, step }] : []
  let from = first < begin ? first + ((begin - first + step - 1n) / step) * step : first
  while (from <= last && !isCaptured(from)) from += step
  if (from > last) return []
  const apart = (step * interval) / TickSet.gcd(step, interval)
  const until = last - ((last - from) % apart)
  return [{ first: from, last: until, step: from === until ? 0n : apart }]
}

/** The number of stretches merged at a time: interleaved stretches take memory for each tick meanwhile. */
const atATime = 256

/** The captured ticks in `all`. Memory grows with gaps, when neighbouring stretches follow each other. */
export const of = (all: ReadonlyArray<TickSet.Stretch>, sampling: Sampling): TickSet.TickSet => {
  const { interval } = sampling
  let set = new TickSet.TickSet([], interval)
  for (let from = 0; from < all.length; from += atATime) {
    const next = all.slice(from, from + atATime).flatMap((stretch) => capturedIn(stretch, sampling))
    set = new TickSet.TickSet([...set.stretches, ...next], interval)
  }
  return set
}

/** The smallest captured tick that `set` lacks. */
export const firstMissing = ({ stretches, step }: TickSet.TickSet, { first }: Sampling): bigint =>
  stretches[0]?.first === first ? stretches[0].last + step : first

/** The greatest tick of `set` below `limit`. `undefined` when there is none. */
export const greatestBelow = ({ step, stretches }: TickSet.TickSet, limit: bigint): bigint | undefined => {
  let greatest: bigint | undefined
  for (const { first, last } of stretches) {
    if (first >= limit) break
    greatest = last < limit ? last : limit - step
  }
  return greatest
}
