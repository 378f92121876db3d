/**
 * The parts of a batch that are settled each for itself, and the rules that divide it.
 *
 * Every tick is looked at, not only the first and the last. Ticks that can't be stored under any key become a letter of
 * their own, so that they take no good tick with them; ticks of several runs become one letter or one file a run.
 */
import * as Schema from "effect/Schema"
import type * as DeadLetter from "../../deadletter/DeadLetter.ts"
import * as Delimited from "../../domain/Delimited.ts"
import * as RunId from "../../domain/RunId.ts"
import * as Tick from "../../domain/Tick.ts"
import type { FlushReason, TakenBatch } from "../../queue/BatchPolicy.ts"

/** A tick whose run id can't be a folder, whose number is negative, or that is larger than any reader takes. */
export class InvalidTick extends Schema.TaggedError<InvalidTick>()("InvalidTick", {
  simulationRunId: Schema.String,
  tickNumber: Schema.BigInt,
  rule: Schema.Literals(["run_id", "tick_number", "size"]),
  violation: Schema.String
}) {
  override get message() {
    return `tick ${this.tickNumber} of run ${RunId.quote(this.simulationRunId)} can't be stored: ${this.violation}`
  }
}

/** A batch with ticks of more than one run, which the service is not set to split. */
export class MixedRuns extends Schema.TaggedError<MixedRuns>()("MixedRuns", {
  runIds: Schema.Array(Schema.String)
}) {
  override get message() {
    return `Batch contains mixed simulationRunIds: ${this.runIds.join(", ")}; with mixedRuns = "split" each run gets its own file`
  }
}

/** What a tick or a batch can be refused for. */
export type Rule = InvalidTick["rule"] | "mixed_run"

/** A part of a batch in hand. Either `runId` is there and it is to be written, or `failure` and it is a dead letter. */
export interface Portion {
  ticks: Tick.Batch
  readonly runId: RunId.RunId | undefined
  /** The rule that its ticks break; `undefined` when they break none. */
  readonly rule: Rule | undefined
  readonly reason: FlushReason
  readonly enqueuedAtMs: number
  /** There was an attempt whose outcome is not known, by this service or by one that gave the batch back. */
  mayBeStored: boolean
  /** Whether its ticks are claimed from the tracker. */
  claimed: boolean
  attempts: number
  firstFailureMs: number | undefined
  failure: DeadLetter.Failure | undefined
  /** The letter, once it has been written: offered again it stays the same one. */
  letter: DeadLetter.DeadLetter | undefined
  /** The letter was offered once and nobody has heard the answer: it may be kept already, or later. */
  letterUnanswered: boolean
}

const begin = (batch: TakenBatch, ticks: Tick.Batch) => ({
  ticks,
  enqueuedAtMs: batch.enqueuedAtMs,
  mayBeStored: batch.returned,
  claimed: false,
  attempts: 0,
  firstFailureMs: undefined,
  letter: undefined,
  letterUnanswered: false
})

const toWrite = (batch: TakenBatch, ticks: Tick.Batch, runId: RunId.RunId, reason: FlushReason): Portion => ({
  ...begin(batch, ticks),
  runId,
  rule: undefined,
  reason,
  failure: undefined
})

const refused = (batch: TakenBatch, ticks: Tick.Batch, error: InvalidTick | MixedRuns, nowMs: number): Portion => {
  const mixed = error._tag === "MixedRuns"
  return {
    ...begin(batch, ticks),
    runId: undefined,
    rule: mixed ? "mixed_run" : error.rule,
    reason: batch.reason,
    failure: {
      reason: mixed ? "mixed_run" : "validation",
      error,
      retries: 0,
      firstFailureMs: nowMs,
      lastFailureMs: nowMs
    }
  }
}

const violation = (tick: Tick.Tick, checkedRunId: string | undefined): InvalidTick | undefined => {
  const { payload, simulationRunId, tickNumber } = tick
  const refused = (rule: InvalidTick["rule"], violation: string) =>
    new InvalidTick({ simulationRunId, tickNumber, rule, violation })
  const unsafe = simulationRunId === checkedRunId ? undefined : RunId.violation(simulationRunId)
  if (unsafe !== undefined) return refused("run_id", `its run id ${unsafe}`)
  if (tickNumber < 0n) return refused("tick_number", "its number is negative")
  return payload.length > Delimited.defaultMaxMessageBytes
    ? refused("size", `its ${payload.length} bytes are over the ${Delimited.defaultMaxMessageBytes} that are read`)
    : undefined
}

const validate = (ticks: Tick.Batch) => {
  const invalid: Array<{ readonly tick: Tick.Tick; readonly error: InvalidTick }> = []
  const byRun = new Map<RunId.RunId, Array<Tick.Tick>>()
  let group: Array<Tick.Tick> = []
  let groupRunId: string | undefined
  for (const tick of ticks) {
    const error = violation(tick, groupRunId)
    if (error !== undefined) {
      invalid.push({ tick, error })
      continue
    }
    if (tick.simulationRunId !== groupRunId && RunId.is(tick.simulationRunId)) {
      groupRunId = tick.simulationRunId
      group = byRun.get(tick.simulationRunId) ?? []
      byRun.set(tick.simulationRunId, group)
    }
    group.push(tick)
  }
  return { invalid, byRun }
}

/** Divides `batch`. Together the portions hold each of its ticks once; those of a run keep their order. */
export const divide = (batch: TakenBatch, mixedRuns: "dead-letter" | "split", nowMs: number): Array<Portion> => {
  const { byRun, invalid } = validate(batch.ticks)
  const portions: Array<Portion> = []
  const groups = [...byRun]
  if (groups.length > 1 && mixedRuns === "dead-letter") {
    const bad = new Set(invalid.map(({ tick }) => tick))
    const mixed = batch.ticks.filter((tick) => !bad.has(tick))
    const error = new MixedRuns({ runIds: groups.map(([runId]) => runId) })
    if (Tick.isBatch(mixed)) portions.push(refused(batch, mixed, error, nowMs))
  } else {
    for (const [index, [runId, ticks]] of groups.entries()) {
      const reason = index < groups.length - 1 ? "run_change" : batch.reason
      if (Tick.isBatch(ticks)) portions.push(toWrite(batch, ticks, runId, reason))
    }
  }
  const [first] = invalid
  const bad = invalid.map(({ tick }) => tick)
  if (first !== undefined && Tick.isBatch(bad)) portions.push(refused(batch, bad, first.error, nowMs))
  return portions
}
