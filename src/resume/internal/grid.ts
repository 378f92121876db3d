/**
 * The ticks of a run that an engine captures: which of them there are, and which is missing first.
 */
import * as TickSet from "../../domain/TickSet.ts"

const commonDivisor = (a: bigint, b: bigint): bigint => (b === 0n ? a : commonDivisor(b, a % b))

/** Which ticks are captured: the multiples of `interval` from `first`, which is one of them, on. */
export interface Sampling {
  readonly interval: bigint
  readonly first: bigint
}

/** The ticks of `stretch` that are captured; the others are left out. */
const onGrid = (
  { first, last, step }: TickSet.Stretch,
  { first: begin, interval }: Sampling
): ReadonlyArray<TickSet.Stretch> => {
  const isOn = (tick: bigint) => tick >= begin && tick % interval === 0n
  if (step === 0n) return isOn(first) ? [{ first, last: first, step }] : []
  let from = first < begin ? first + ((begin - first + step - 1n) / step) * step : first
  while (from <= last && !isOn(from)) from += step
  if (from > last) return []
  const apart = (step * interval) / commonDivisor(step, interval)
  const until = last - ((last - from) % apart)
  return [{ first: from, last: until, step: from === until ? 0n : apart }]
}

/** Stretches that are put together at a time: those that interleave take memory by ticks until they are. */
const atATime = 256

/** The ticks among `all` that are captured. Memory: by gaps, when neighbours come one after the other. */
export const setOf = (all: ReadonlyArray<TickSet.Stretch>, sampling: Sampling): TickSet.TickSet => {
  const { interval } = sampling
  let set = new TickSet.TickSet([], interval)
  for (let from = 0; from < all.length; from += atATime) {
    const next = all.slice(from, from + atATime).flatMap((stretch) => onGrid(stretch, sampling))
    set = new TickSet.TickSet([...set.stretches, ...next], interval)
  }
  return set
}

/** The smallest captured tick that `set` doesn't have. */
export const firstMissing = ({ stretches, step }: TickSet.TickSet, { first }: Sampling): bigint =>
  stretches[0]?.first === first ? stretches[0].last + step : first

/** The greatest tick of `set` below `limit`; `undefined` when there is none. */
export const greatestBelow = ({ step, stretches }: TickSet.TickSet, limit: bigint): bigint | undefined => {
  let greatest: bigint | undefined
  for (const { first, last } of stretches) {
    if (first >= limit) break
    greatest = last < limit ? last : limit - step
  }
  return greatest
}
