/**
 * What a call of a scripted service meets instead of success. `FaultyStorage`, `FaultyDeadLetterQueue` and
 * `FaultyRunLedger` take these.
 *
 * ```ts
 * import * as Fault from "tickvault/testing/Fault"
 *
 * // The first two calls pass, the third one takes until the clock is a minute on, the fourth one never answers.
 * export const faults = [...Fault.repeat(Fault.pass, 2), Fault.slow("1 minute"), Fault.hang]
 * ```
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** `Reason` is what the service says when it fails; `never` for a call that can't fail. */
export type Fault<Reason> =
  | { readonly _tag: "Pass" }
  | { readonly _tag: "Fail"; readonly reason: Reason }
  | { readonly _tag: "FailAfter"; readonly reason: Reason }
  | { readonly _tag: "Die"; readonly defect: unknown }
  | { readonly _tag: "Wait"; readonly until: Effect.Effect<void> }
  | { readonly _tag: "Late"; readonly until: Effect.Effect<void> }

/** The call succeeds: to let some pass before a fault. */
export const pass: Fault<never> = { _tag: "Pass" }

/** The call fails and does nothing. */
export const fail = <Reason>(reason: Reason): Fault<Reason> => ({ _tag: "Fail", reason })

/** The call does its work and then fails, an unknown outcome. */
export const failAfter = <Reason>(reason: Reason): Fault<Reason> => ({ _tag: "FailAfter", reason })

/** The call dies, as a fault in an implementation does. */
export const die = (defect: unknown): Fault<never> => ({ _tag: "Die", defect })

/** The call goes on when `until` is done: one that a test holds (a latch). */
export const wait = (until: Effect.Effect<void>): Fault<never> => ({ _tag: "Wait", until })

/** The call takes so long. */
export const slow = (duration: Duration.Input): Fault<never> => wait(Effect.sleep(duration))

/** The call never answers. It can be interrupted. */
export const hang: Fault<never> = wait(Effect.never)

/** The call never answers and can't be interrupted, like one that hangs in the kernel. */
export const stuck: Fault<never> = wait(Effect.uninterruptible(Effect.never))

/**
 * The call does its work when `until` is done, and can't be interrupted before: one that hung in the kernel for a
 * while.
 */
export const late = (until: Effect.Effect<void>): Fault<never> => ({ _tag: "Late", until })

/** `fault`, `times` times. */
export const repeat = <Reason>(fault: Fault<Reason>, times: number): ReadonlyArray<Fault<Reason>> =>
  Array.from({ length: times }, () => fault)

/** A service's operations by name, each with what it can fail with. */
export type Reasons = Readonly<Record<string, unknown>>

/** One call, in the order of the calls. */
export interface Call<Operation> {
  readonly operation: Operation
  /** What it was about. */
  readonly key: string
  /** When it came, by Effect's clock. */
  readonly atMs: number
}

/** How a test scripts a service. Faults wait in line for each operation, and each is used by one call. */
export interface Script<R extends Reasons> {
  /** The next calls of `operation` meet `faults`, one each, after those that wait already. */
  readonly next: <O extends keyof R>(operation: O, faults: ReadonlyArray<Fault<R[O]>>) => Effect.Effect<void>

  /** Every call of `operation` meets `fault`, once those in line are used up, until `heal`. */
  readonly always: <O extends keyof R>(operation: O, fault: Fault<R[O]>) => Effect.Effect<void>

  /** From now on nothing is at fault. Calls that wait go on waiting. */
  readonly heal: Effect.Effect<void>

  /** All calls so far, those that failed included. */
  readonly calls: Effect.Effect<ReadonlyArray<Call<keyof R>>>
}
