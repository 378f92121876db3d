/**
 * Remembers ticks as ranges, run by run, and decides which to forget.
 */
import type { RunBatch } from "../../domain/RunBatch.ts"
import * as TickSet from "../../domain/TickSet.ts"
import type * as RunId from "../../domain/RunId.ts"
import type * as Tick from "../../domain/Tick.ts"
import type { Claim } from "./claim.ts"
import { TickRanges } from "./TickRanges.ts"

type Ticks = ReadonlyArray<Tick.Tick>

/** The stored and the claimed ticks of a run. */
interface Run {
  readonly stored: TickRanges
  readonly claimed: TickRanges
  /** The time of the last claim or commit of the run. */
  usedMs: number
}

/** The number of forgotten ticks, by reason. */
export interface Forgotten {
  ttl: number
  capacity: number
}

/** When a single run has too many ranges, one in this many is forgotten at a time. */
const share = 10

const every = (ticks: Ticks): Claim => ({ fresh: ticks, stored: [], claimed: [] })

type Verdict = "fresh" | "stored" | "claimed"

/** Claims the numbers of `stretch` one by one, because some are known already. */
const claimEach = ({ claimed, stored }: Run, stretch: TickSet.Stretch, verdicts: Map<bigint, Verdict>): void => {
  const fresh: Array<bigint> = []
  for (const number of TickSet.numbers(stretch)) {
    if (stored.has(number)) verdicts.set(number, "stored")
    else if (claimed.has(number)) verdicts.set(number, "claimed")
    else fresh.push(number)
  }
  for (const one of TickSet.stretches(fresh)) claimed.add(one)
}

const claimIn = (run: Run, { stretches, ticks }: RunBatch): Claim => {
  const isKnown = (stretch: TickSet.Stretch) => run.stored.touches(stretch) || run.claimed.touches(stretch)
  if (TickSet.size(stretches) === BigInt(ticks.length) && !stretches.some(isKnown)) {
    for (const one of stretches) run.claimed.add(one)
    return every(ticks)
  }
  const verdicts = new Map<bigint, Verdict>()
  for (const one of stretches) {
    if (isKnown(one)) claimEach(run, one, verdicts)
    else run.claimed.add(one)
  }
  const claim = { fresh: new Array<Tick.Tick>(), stored: new Array<Tick.Tick>(), claimed: new Array<Tick.Tick>() }
  for (const tick of ticks) {
    const verdict = verdicts.get(tick.tickNumber) ?? "fresh"
    claim[verdict].push(tick)
    if (verdict === "fresh") verdicts.set(tick.tickNumber, "claimed") // a second tick with this number is not fresh
  }
  return claim
}

/** It has state: don't share it. */
export class Runs {
  /** In the order of their last use, least recent first. */
  private readonly runs = new Map<RunId.RunId, Run>()
  private newest: RunId.RunId | undefined
  /** Ranges of stored ticks over all runs. */
  ranges = 0
  /** Stored ticks over all runs. */
  ticks = 0

  claim(batch: RunBatch, nowMs: number): Claim {
    return claimIn(this.use(batch.runId, nowMs), batch)
  }

  commit({ runId, stretches }: RunBatch, nowMs: number): void {
    const run = this.use(runId, nowMs)
    const { count, size } = run.stored
    for (const one of stretches) {
      run.claimed.remove(one)
      run.stored.add(one)
    }
    this.ranges += run.stored.count - count
    this.ticks += run.stored.size - size
  }

  release({ runId, stretches }: RunBatch): void {
    const run = this.runs.get(runId)
    if (run === undefined) return
    for (const one of stretches) run.claimed.remove(one)
  }

  /**
   * Forgets the stored ticks of runs that were not used since `beforeMs`. Then, while there are more than `maxRanges` ranges
   * or runs, it forgets the least recently used runs, and of the last run its lowest ticks. It keeps claims. It calls
   * `onForgotten` with each run.
   */
  forget(beforeMs: number, maxRanges: number, onForgotten: (runId: RunId.RunId) => void): Forgotten {
    const forgotten: Forgotten = { ttl: 0, capacity: 0 }
    for (const [runId, run] of this.runs) {
      const isExpired = run.usedMs <= beforeMs
      const excess = Math.max(this.ranges, this.runs.size) - maxRanges
      if (!isExpired && excess <= 0) break
      const isNewest = !isExpired && runId === this.newest
      if (isNewest && run.stored.count <= maxRanges) break // the other runs only have claims
      const least = isNewest ? Math.max(run.stored.count - maxRanges, Math.ceil(maxRanges / share)) : Infinity
      if (run.stored.count > 0 || run.claimed.count === 0) onForgotten(runId)
      forgotten[isExpired ? "ttl" : "capacity"] += this.forgetLowest(runId, run, least)
    }
    return forgotten
  }

  private forgetLowest(runId: RunId.RunId, { claimed, stored }: Run, least: number): number {
    const { count, size } = stored
    stored.removeLowest(least)
    this.ranges += stored.count - count
    this.ticks += stored.size - size
    if (stored.count === 0 && claimed.count === 0) this.runs.delete(runId)
    return size - stored.size
  }

  private use(runId: RunId.RunId, nowMs: number): Run {
    this.newest = runId
    const run = this.runs.get(runId) ?? { stored: new TickRanges(), claimed: new TickRanges(), usedMs: nowMs }
    run.usedMs = nowMs
    this.runs.delete(runId)
    this.runs.set(runId, run)
    return run
  }
}
