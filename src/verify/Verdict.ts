/**
 * The result of a verification, in numbers and findings.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import * as Verdict from "tickvault/verify/Verdict"
 * import * as Verify from "tickvault/verify/Verify"
 *
 * export const state = Effect.map(Stream.runCollect(Verify.verifyAll()), (verdicts) =>
 *   Verdict.gravest(verdicts.map((verdict) => verdict.state))
 * )
 * ```
 */
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as Finding from "./Finding.ts"

/**
 * `whole`: every tick is stored once, with the written bytes. `dead-letters`: the same, except for ticks that wait in dead
 * letters. `broken`: something is missing, damaged or unproven.
 */
export const State = Schema.Literals(["whole", "dead-letters", "broken"])

export type State = typeof State.Type

export const Verdict = Schema.Struct({
  run: Schema.String,
  state: State,
  /** Distinct ticks that are stored and intact. */
  ticks: Schema.Finite,
  /** The smallest and the largest known tick, stored or not. */
  first: Schema.optionalKey(Schema.BigIntFromString),
  last: Schema.optionalKey(Schema.BigIntFromString),
  /** The sampling step. */
  step: Schema.BigIntFromString,
  files: Schema.Int,
  bytes: Schema.Int,
  /** Missing ticks. */
  missing: Schema.Finite,
  /** Ticks that are in dead letters and not stored. */
  waiting: Schema.Finite,
  /** Ticks that were dropped on purpose and are not stored. */
  dropped: Schema.Finite,
  /** The number of findings of each kind. */
  counts: Schema.Record(Schema.String, Schema.Int),
  /** The first thousand findings of each kind. */
  findings: Schema.Array(Finding.Finding)
})

export type Verdict = typeof Verdict.Type

/** The largest number of kept findings of a kind. */
const maxKept = 1000

/** Keeps the first thousand findings of each kind, and counts all. It has state: use one for each run. */
export class Collector {
  private readonly kept = new Map<Finding.Kind, Array<Finding.Finding>>()
  private readonly counted = new Map<Finding.Kind, number>()
  state: State = "whole"

  add(finding: Finding.Finding): void {
    const count = (this.counted.get(finding._tag) ?? 0) + 1
    this.counted.set(finding._tag, count)
    const gravity = Finding.gravity(finding)
    if (gravity === "broken") this.state = "broken"
    else if (gravity === "letters" && this.state === "whole") this.state = "dead-letters"
    if (count > maxKept) return
    const kept = this.kept.get(finding._tag) ?? []
    kept.push(finding)
    this.kept.set(finding._tag, kept)
  }

  /** The number of findings of each kind, the worst first. */
  get counts(): Record<string, number> {
    return Object.fromEntries(
      Struct.keys(Finding.kinds).flatMap((kind) => {
        const count = this.counted.get(kind)
        return count === undefined ? [] : [[kind, count]]
      })
    )
  }

  /** The kept findings, the worst kind first. */
  get findings(): ReadonlyArray<Finding.Finding> {
    return Struct.keys(Finding.kinds).flatMap((kind) => this.kept.get(kind) ?? [])
  }
}

/** The worst of the states. */
export const gravest = (states: Iterable<State>): State => {
  let found: State = "whole"
  for (const state of states) {
    if (state === "broken") return state
    if (state === "dead-letters") found = state
  }
  return found
}
