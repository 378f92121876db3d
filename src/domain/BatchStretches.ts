/**
 * The ticks of a batch as few stretches of numbers, so that what is done once a stretch is not done once a tick.
 *
 * A batch is claimed, named, and noted in the ledger as it was taken. That its numbers are evenly spaced is found out at
 * its claim and remembered with the array: whoever changes the numbers in it gets what it was.
 */
import type * as Tick from "./Tick.ts"
import * as TickSet from "./TickSet.ts"

type Ticks = ReadonlyArray<Tick.Tick>

/** Whether the numbers are exactly those of `stretch`, in this order. */
const follow = (ticks: Ticks, { first, last, step }: TickSet.Stretch): boolean => {
  // Numbers that a double holds exactly are compared as such: that takes a tenth of the time.
  if (Number.isSafeInteger(Number(first)) && Number.isSafeInteger(Number(last))) {
    const apart = Number(step)
    let due = Number(first)
    for (const { tickNumber } of ticks) {
      if (Number(tickNumber) !== due) return false
      due += apart
    }
    return true
  }
  let due = first
  for (const { tickNumber } of ticks) {
    if (tickNumber !== due) return false
    due += step
  }
  return true
}

/** What was found. */
const found = new WeakMap<Ticks, TickSet.Stretch>()

/** `ticks` as one stretch when their numbers are ascending and evenly spaced, else `undefined`; looks at each of them. */
export const evenly = (ticks: Ticks): TickSet.Stretch | undefined => {
  const [first, last] = [ticks[0]?.tickNumber, ticks.at(-1)?.tickNumber]
  found.delete(ticks)
  if (first === undefined || last === undefined) return undefined
  if (ticks.length === 1) return { first, last, step: 0n }
  const apart = BigInt(ticks.length - 1)
  const step = (last - first) / apart
  const stretch = { first, last, step }
  if (step <= 0n || step * apart !== last - first || !follow(ticks, stretch)) return undefined
  found.set(ticks, stretch)
  return stretch
}

/** The same, without another look at a batch that was found to be so before. */
export const even = (ticks: Ticks): TickSet.Stretch | undefined => found.get(ticks) ?? evenly(ticks)

/** The numbers of `ticks`, each once, as few stretches. */
export const of = (ticks: Ticks): ReadonlyArray<TickSet.Stretch> => {
  const one = even(ticks)
  return one === undefined ? TickSet.stretches(ticks.map(({ tickNumber }) => tickNumber)) : [one]
}
