/**
 * Ticks of one run, and their numbers as few stretches. Work on stretches is cheaper than work on each tick.
 *
 * The tracker, the file name and the ledger use the stretches of a batch. They are computed at first use and kept: the
 * ticks of a batch don't change.
 *
 * ```ts
 * import { RunBatch } from "tickvault/domain/RunBatch"
 * import * as RunId from "tickvault/domain/RunId"
 * import * as TestTick from "tickvault/testing/TestTick"
 *
 * const batch = new RunBatch(RunId.make("run-1"), [TestTick.make("run-1", 10), TestTick.make("run-1", 20)])
 * // [{ first: 10n, last: 20n, step: 10n }]
 * export const stretches = batch.stretches
 * ```
 */
import type * as RunId from "./RunId.ts"
import type * as Tick from "./Tick.ts"
import * as TickSet from "./TickSet.ts"

/** Whether the numbers are exactly those of `stretch`, in this order. */
const follow = (ticks: ReadonlyArray<Tick.Tick>, { first, last, step }: TickSet.Stretch): boolean => {
  // Comparing doubles, where they are exact, takes a tenth of the time.
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

/** `ticks` as one stretch, if their numbers are ascending and evenly spaced. */
const evenly = (ticks: ReadonlyArray<Tick.Tick>): TickSet.Stretch | undefined => {
  const [first, last] = [ticks[0]?.tickNumber, ticks.at(-1)?.tickNumber]
  if (first === undefined || last === undefined) return undefined
  if (ticks.length === 1) return { first, last, step: 0n }
  const apart = BigInt(ticks.length - 1)
  const step = (last - first) / apart
  const stretch = { first, last, step }
  return step > 0n && step * apart === last - first && follow(ticks, stretch) ? stretch : undefined
}

export class RunBatch<out Ticks extends ReadonlyArray<Tick.Tick> = ReadonlyArray<Tick.Tick>> {
  readonly runId: RunId.RunId
  readonly ticks: Ticks
  private known: ReadonlyArray<TickSet.Stretch> | undefined

  /** `ticks` belong to `runId` and must not change from now on. */
  constructor(runId: RunId.RunId, ticks: Ticks) {
    this.runId = runId
    this.ticks = ticks
  }

  /** The distinct numbers of the ticks, as few stretches in ascending order. */
  get stretches(): ReadonlyArray<TickSet.Stretch> {
    if (this.known === undefined) {
      const one = evenly(this.ticks)
      this.known = one === undefined ? TickSet.stretches(this.ticks.map(({ tickNumber }) => tickNumber)) : [one]
    }
    return this.known
  }

  /** The smallest and the largest number; `undefined` without ticks. */
  get range(): TickSet.Range | undefined {
    const [lowest, highest] = [this.stretches[0], this.stretches.at(-1)]
    return lowest === undefined || highest === undefined ? undefined : { first: lowest.first, last: highest.last }
  }
}
