/**
 * The life of a service: started, stopped, paused and resumed by name while the rest runs.
 *
 * A service is a piece of work that one fiber does until it is done or stopped. This module owns the states and the
 * transitions between them; what the work is, and what it does about being interrupted, is the work's own.
 */
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"

/** `ERROR` keeps the cause; a service in it can be started again. */
export type State = "RUNNING" | "PAUSED" | "STOPPED" | "ERROR"

/** A service as its owner sees it. */
export interface Service {
  readonly name: string

  readonly state: Effect.Effect<State>

  /** Why the service is in `ERROR`; `undefined` in every other state. */
  readonly error: Effect.Effect<Cause.Cause<unknown> | undefined>

  /** Starts it from `STOPPED` or `ERROR`; does nothing in another state. */
  readonly start: Effect.Effect<void>

  /** Interrupts it and waits until it has settled what it had in hand. Does nothing when it isn't running. */
  readonly stop: Effect.Effect<void>

  /** From `RUNNING` to `PAUSED`: it finishes what it has in hand and begins nothing new. */
  readonly pause: Effect.Effect<void>

  /** From `PAUSED` to `RUNNING`. */
  readonly resume: Effect.Effect<void>

  /** Completes when its work is done or has failed, or when it has been stopped. */
  readonly await: Effect.Effect<void>

  /** What it has counted, by the metric names of its kind. Exact at the moment it is read. */
  readonly metrics: Effect.Effect<Readonly<Record<string, number>>>
}
