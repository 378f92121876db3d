/**
 * The portions of a batch, and the rules that divide a batch. Each portion is stored or dead-lettered independently.
 *
 * Every tick is checked, not only the first and the last. Ticks that can't be stored under any key become a portion of
 * their own, so that the good ticks are stored. Ticks of several runs become one portion, or one portion a run.
 *
 * A portion is mutable, so that its state is known after an interruption. Each field has one writer: `Settler`
 * removes `ticks`, `BatchWriter` changes `write`, and dead-lettering changes `letter`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as DeadLetter from "../deadletter/DeadLetter.ts"
import * as Delimited from "../domain/Delimited.ts"
import { RunBatch } from "../domain/RunBatch.ts"
import * as RunId from "../domain/RunId.ts"
import * as Tick from "../domain/Tick.ts"
import type { FlushReason, TakenBatch } from "../queue/BatchPolicy.ts"
import * as StorageKey from "../storage/StorageKey.ts"

/** A tick with an unsafe run id or a negative number, or a tick that is larger than any reader accepts. */
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

/** A batch with ticks of several runs, when the service doesn't split such batches. */
export class MixedRuns extends Schema.TaggedError<MixedRuns>()("MixedRuns", {
  runIds: Schema.Array(Schema.String)
}) {
  override get message() {
    return `Batch contains mixed simulationRunIds: ${this.runIds.join(", ")}; with mixedRuns = "split" each run gets its own file`
  }
}

/** The rules that a tick or a batch can break. */
export type Rule = InvalidTick["rule"] | "mixed_run"

/**
 * The state of the write of a portion. `mayBeStored` is true when the outcome of an attempt is not known, so that the
 * portion may be stored already.
 */
export type Write = Unclaimed | Claimed | Writing | WriteFailed

/** Its ticks are not claimed from the tracker. */
export interface Unclaimed {
  readonly _tag: "Unclaimed"
  /** Whether another service had it before and returned it. */
  readonly mayBeStored: boolean
}

/** Its ticks are claimed. No attempt has begun. */
export interface Claimed {
  readonly _tag: "Claimed"
  readonly mayBeStored: boolean
}

/** An attempt is running, or was interrupted. */
export interface Writing {
  readonly _tag: "Writing"
  readonly mayBeStored: true
  /** The number of the attempt, from 1. */
  readonly attempt: number
  /** The failure of the attempt before. `undefined` when none has failed. */
  readonly earlier: DeadLetter.Failure | undefined
}

/** The last attempt has failed. Another one may follow. */
export interface WriteFailed {
  readonly _tag: "WriteFailed"
  readonly mayBeStored: boolean
  readonly failure: DeadLetter.Failure
}

/** The state of the dead letter of a portion. A letter that is offered again stays the same. */
export type Letter =
  /** No letter has been made. */
  | { readonly _tag: "NoLetter" }
  /** The queue has refused every offer. */
  | { readonly _tag: "LetterRefused"; readonly letter: DeadLetter.DeadLetter }
  /** An offer is running, or its answer is not known: the letter may be kept, now or later. */
  | { readonly _tag: "LetterOffered"; readonly letter: DeadLetter.DeadLetter }

interface Part {
  /** The ticks that are not settled. When `settled` is true: those that were settled last. */
  readonly ticks: Tick.Batch
  /** Whether all of its ticks are settled. */
  settled: boolean
  letter: Letter
  readonly reason: FlushReason
  /** The time when the oldest tick of its batch entered the queue, in milliseconds since 1970. */
  readonly enqueuedAtMs: number
}

/** Valid ticks of one run, for the storage. */
export interface Storable extends Part {
  readonly _tag: "Storable"
  readonly runId: RunId.RunId
  /** The `ticks` with their stretches. */
  batch: RunBatch<Tick.Batch>
  write: Write
}

/** Ticks that break `rule`, for a dead letter. */
export interface Refused extends Part {
  readonly _tag: "Refused"
  ticks: Tick.Batch
  readonly rule: Rule
  readonly failure: DeadLetter.Failure
}

/** A part of a batch. */
export type Portion = Storable | Refused

/** Whether its ticks are claimed. */
export const isClaimed = (write: Write): write is Exclude<Write, Unclaimed> => write._tag !== "Unclaimed"

/**
 * Divides `ticks` into those that `some` names and the rest, in their order. A name is a tick of the same number, which
 * may be another object. It stands for one tick: the first that is `same`.
 */
export const partition = (
  ticks: ReadonlyArray<Tick.Tick>,
  some: ReadonlyArray<Tick.Tick>,
  same: (tick: Tick.Tick, name: Tick.Tick) => boolean
): { readonly named: ReadonlyArray<Tick.Tick>; readonly rest: ReadonlyArray<Tick.Tick> } => {
  if (some.length === 0) return { named: [], rest: ticks } // the usual case: no tick is stored already
  const names = new Map<bigint, Array<Tick.Tick>>()
  for (const name of some) names.set(name.tickNumber, [...(names.get(name.tickNumber) ?? []), name])
  const [named, rest]: [Array<Tick.Tick>, Array<Tick.Tick>] = [[], []]
  for (const tick of ticks) {
    const those = names.get(tick.tickNumber)
    const index = those === undefined ? -1 : those.findIndex((name) => same(tick, name))
    if (index >= 0) those?.splice(index, 1)
    ;(index >= 0 ? named : rest).push(tick)
  }
  return { named, rest }
}

/**
 * `ticks` without `gone`. A tick may be in a batch twice: then the first is claimed and the second is its duplicate. So the
 * last of equal ticks is removed first.
 */
const without = (ticks: ReadonlyArray<Tick.Tick>, gone: ReadonlyArray<Tick.Tick>): ReadonlyArray<Tick.Tick> => {
  const times = new Map<Tick.Tick, number>()
  for (const tick of gone) times.set(tick, (times.get(tick) ?? 0) + 1)
  const isLeft = (tick: Tick.Tick) => {
    const due = times.get(tick) ?? 0
    times.set(tick, due - 1)
    return due <= 0
  }
  return ticks.toReversed().filter(isLeft).toReversed()
}

/** Removes `ticks`, objects of `portion`, from it: they are settled. */
export const remove = (portion: Portion, ticks: ReadonlyArray<Tick.Tick>): void => {
  const rest = ticks === portion.ticks ? [] : without(portion.ticks, ticks)
  if (!Tick.isBatch(rest)) portion.settled = true
  else if (portion._tag === "Storable") portion.batch = new RunBatch(portion.runId, rest)
  else portion.ticks = rest
}

/** `ticks` of `portion`, all of `runId`, as a batch: the portion's own batch when they are all of its ticks. */
export const batchOf = (portion: Portion, runId: RunId.RunId, ticks: ReadonlyArray<Tick.Tick>): RunBatch =>
  portion._tag === "Storable" && portion.batch.ticks === ticks ? portion.batch : new RunBatch(runId, ticks)

/** The facts of a portion for log lines and spans. */
export const facts = (portion: Portion) => {
  const { ticks } = portion
  const { first, last } =
    portion._tag === "Storable" ? StorageKey.rangeOf(portion.batch) : StorageKey.range(portion.ticks)
  return {
    run: ticks[0].simulationRunId,
    firstTick: first.toString(),
    lastTick: last.toString(),
    ticks: ticks.length
  }
}

/** Logs that a portion breaks a rule. */
export const logRefused = (portion: Refused) =>
  Effect.logError("Batch consistency violation").pipe(
    Effect.annotateLogs({ ...facts(portion), error: portion.failure.error.message })
  )

const storable = (taken: TakenBatch, batch: RunBatch<Tick.Batch>, reason: FlushReason): Storable => ({
  _tag: "Storable",
  runId: batch.runId,
  batch,
  get ticks() {
    return this.batch.ticks
  },
  settled: false,
  reason,
  enqueuedAtMs: taken.enqueuedAtMs,
  write: { _tag: "Unclaimed", mayBeStored: taken.returned },
  letter: { _tag: "NoLetter" }
})

const refused = (batch: TakenBatch, ticks: Tick.Batch, error: InvalidTick | MixedRuns, nowMs: number): Refused => {
  const mixed = error._tag === "MixedRuns"
  return {
    _tag: "Refused",
    ticks,
    settled: false,
    reason: batch.reason,
    enqueuedAtMs: batch.enqueuedAtMs,
    letter: { _tag: "NoLetter" },
    rule: mixed ? "mixed_run" : error.rule,
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
    ? refused("size", `its ${payload.length} bytes are over the limit of ${Delimited.defaultMaxMessageBytes}`)
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

/** Divides `batch`. Each tick is in exactly one portion. The ticks of a run keep their order. */
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
      if (Tick.isBatch(ticks)) portions.push(storable(batch, new RunBatch(runId, ticks), reason))
    }
  }
  const [first] = invalid
  const bad = invalid.map(({ tick }) => tick)
  if (first !== undefined && Tick.isBatch(bad)) portions.push(refused(batch, bad, first.error, nowMs))
  return portions
}
