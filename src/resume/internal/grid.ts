/**
 * Ticks of a run that are captured at every n-th step, from step n on: which of them there are, and which is missing first.
 */
import * as TickSet from "../../domain/TickSet.ts"

const commonDivisor = (a: bigint, b: bigint): bigint => (b === 0n ? a : commonDivisor(b, a % b))

/** The ticks of `stretch` that are multiples of `interval` above 0; whatever lies beside the grid is left out. */
const onGrid = ({ first, last, step }: TickSet.Stretch, interval: bigint): ReadonlyArray<TickSet.Stretch> => {
  const isOn = (tick: bigint) => tick > 0n && tick % interval === 0n
  if (step === 0n) return isOn(first) ? [{ first, last: first, step }] : []
  let from = first
  while (from <= last && !isOn(from)) from += step
  if (from > last) return []
  const apart = (step * interval) / commonDivisor(step, interval)
  const until = last - ((last - from) % apart)
  return [{ first: from, last: until, step: from === until ? 0n : apart }]
}

/** Stretches that are put together at a time: those that interleave take memory by ticks until they are. */
const atATime = 256

/** The ticks among `all` that lie on the grid of `interval`. Memory: by gaps, when neighbours come one after the other. */
export const setOf = (all: ReadonlyArray<TickSet.Stretch>, interval: bigint): TickSet.TickSet => {
  let set = new TickSet.TickSet([], interval)
  for (let from = 0; from < all.length; from += atATime) {
    const next = all.slice(from, from + atATime).flatMap((stretch) => onGrid(stretch, interval))
    set = new TickSet.TickSet([...set.stretches, ...next], interval)
  }
  return set
}

/** The smallest tick of the grid that `set` doesn't have. */
export const firstMissing = ({ first, step, stretches }: TickSet.TickSet): bigint =>
  first === step ? (stretches[0]?.last ?? 0n) + step : step

/** The greatest tick of `set` below `limit`; `undefined` when there is none. */
export const greatestBelow = ({ step, stretches }: TickSet.TickSet, limit: bigint): bigint | undefined => {
  let greatest: bigint | undefined
  for (const { first, last } of stretches) {
    if (first >= limit) break
    greatest = last < limit ? last : limit - step
  }
  return greatest
}
