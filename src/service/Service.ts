/**
 * The life of a service: started, stopped, paused and resumed by name while the rest runs.
 *
 * A service is a piece of work that one fiber does until it is done or stopped. This module owns the states and the
 * transitions between them. The work itself decides what to do when it is interrupted. A service whose work fails is in
 * `ERROR` and keeps the cause. No other service stops because of it; whoever awaits the failed one learns the cause.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Service from "tickvault/service/Service"
 *
 * export const program = Effect.gen(function* () {
 *   const service = yield* Service.make("ticker", {
 *     work: (gate) => Effect.forever(Effect.andThen(gate.open, Effect.sleep("1 second"))),
 *     metrics: Effect.succeed({})
 *   })
 *   yield* service.start
 *   yield* service.pause
 *   return yield* service.state
 * }).pipe(Effect.scoped)
 * ```
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberHandle from "effect/FiberHandle"
import * as Metric from "effect/Metric"
import * as Semaphore from "effect/Semaphore"
import * as Gate from "./Gate.ts"

/** `ERROR` keeps the cause; a service in it can be started again. */
export type State = "RUNNING" | "PAUSED" | "STOPPED" | "ERROR"

/** A service as its owner sees it. `E` is what its work can fail with. */
export interface Service<out E = never> {
  readonly name: string

  readonly state: Effect.Effect<State>

  /** Why the service is in `ERROR`; `undefined` in every other state. */
  readonly error: Effect.Effect<Cause.Cause<E> | undefined>

  /** Starts it from `STOPPED` or `ERROR`; does nothing in another state. */
  readonly start: Effect.Effect<void>

  /** Interrupts it and waits until it has settled what it had in flight. Does nothing when it isn't running. */
  readonly stop: Effect.Effect<void>

  /** From `RUNNING` to `PAUSED`: it finishes what it has in flight and begins nothing new. */
  readonly pause: Effect.Effect<void>

  /** From `PAUSED` to `RUNNING`. */
  readonly resume: Effect.Effect<void>

  /** Stops it, then starts it again. */
  readonly restart: Effect.Effect<void>

  /**
   * Succeeds when its work is done, when it has been stopped, and when it was never started. Fails with the cause when the
   * work fails or has failed, until the service is started again.
   */
  readonly await: Effect.Effect<void, E>

  /** What it has counted, by the metric names of its kind. Exact at the moment it is read. */
  readonly metrics: Effect.Effect<Readonly<Record<string, number>>>
}

/**
 * Waits until none of `services` is at work any more, and gives how each has ended. One that fails does not end the wait
 * for the others.
 */
export const awaitAll = <E>(services: Iterable<Service<E>>): Effect.Effect<ReadonlyArray<Exit.Exit<void, E>>> =>
  Effect.forEach(services, (service) => Effect.exit(service.await), { concurrency: "unbounded" })

/** Tells the work of a service when it is paused. */
export interface PauseGate {
  /** Completes while the service is not paused. Wait for it before you begin something. */
  readonly open: Effect.Effect<void>

  /** Completes while the service is paused. Then stop waiting for something to begin. */
  readonly closed: Effect.Effect<void>

  /** Pauses the service from within. */
  readonly pause: Effect.Effect<void>
}

const stateGauge = Metric.gauge("persistence_service_state", { description: "1 for the present state." })
const restartsTotal = Metric.counter("persistence_service_restarts_total", {
  description: "Restarts of the service.",
  incremental: true
})

const states: ReadonlyArray<State> = ["RUNNING", "PAUSED", "STOPPED", "ERROR"]

/**
 * Makes a service, stopped. Its fiber lives in the scope: closing that stops it like `stop` does.
 */
export const make = Effect.fnUntraced(function* <E>(
  name: string,
  options: {
    readonly work: (gate: PauseGate) => Effect.Effect<void, E>
    readonly metrics: Effect.Effect<Readonly<Record<string, number>>>
  }
) {
  const handle = yield* FiberHandle.make<void>()
  const running = Gate.make()
  /** How the work that was started last ends. */
  let outcome = Deferred.makeUnsafe<void, E>()
  Deferred.doneUnsafe(outcome, Exit.void)
  let state: State = "STOPPED"
  let error: Cause.Cause<E> | undefined

  const become = (next: State, cause?: Cause.Cause<E>) => {
    state = next
    error = cause
    if (next === "PAUSED") running.close()
    else running.open()
  }

  const show = (shown: State) =>
    Effect.forEach(
      states,
      (one) =>
        Metric.update(
          Metric.withAttributes(stateGauge, { service: name, state: one.toLowerCase() }),
          one === shown ? 1 : 0
        ),
      { discard: true }
    )

  /** Changes the state in the step in which it is called: call it where the state before has just been looked at. */
  const enter = (next: State) => {
    become(next)
    return show(next)
  }

  /** The state changes last and in one step: whoever starts the service again finds nothing of its past still at work. */
  const ended = (exit: Exit.Exit<void, E>) =>
    Effect.gen(function* () {
      const cause = Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause) ? exit.cause : undefined
      const next = cause === undefined ? "STOPPED" : "ERROR"
      yield* show(next)
      yield* cause === undefined ? Effect.logInfo("Service stopped") : Effect.logError("Service failed", cause)
      become(next, cause)
      Deferred.doneUnsafe(outcome, cause === undefined ? Exit.void : Exit.failCause(cause))
    })

  const pause = Effect.suspend(() =>
    state === "RUNNING" ? Effect.andThen(enter("PAUSED"), Effect.logInfo("Service paused")) : Effect.void
  )

  const gate: PauseGate = { open: running.opened, closed: running.closed, pause }

  const start = Effect.suspend(() => {
    if (state === "RUNNING" || state === "PAUSED") return Effect.void
    outcome = Deferred.makeUnsafe()
    const work = options.work(gate).pipe(Effect.onExit(ended), Effect.ignoreCause, annotate)
    return enter("RUNNING").pipe(
      Effect.andThen(Effect.logInfo("Service started")),
      Effect.andThen(FiberHandle.run(handle, work, { startImmediately: true }))
    )
  })

  const annotate = Effect.annotateLogs({ service: name })
  const stop = FiberHandle.clear(handle)
  /** Starts and stops come one after the other: none finds another one half done. */
  const oneAtATime = Semaphore.withPermit(yield* Semaphore.make(1))
  const restarts = Metric.withAttributes(restartsTotal, { service: name, cause: "request" })
  yield* Metric.update(restarts, 0)
  yield* enter("STOPPED")

  const service: Service<E> = {
    name,
    state: Effect.sync(() => state),
    error: Effect.sync(() => error),
    start: annotate(oneAtATime(Effect.uninterruptible(start))),
    stop: oneAtATime(stop),
    pause: annotate(pause),
    resume: annotate(
      Effect.suspend(() =>
        state === "PAUSED" ? Effect.andThen(enter("RUNNING"), Effect.logInfo("Service resumed")) : Effect.void
      )
    ),
    restart: annotate(
      oneAtATime(stop.pipe(Effect.andThen(Metric.update(restarts, 1)), Effect.andThen(Effect.uninterruptible(start))))
    ),
    await: Effect.suspend(() => Deferred.await(outcome)),
    metrics: options.metrics
  }
  return service
})
