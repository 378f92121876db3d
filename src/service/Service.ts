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

  /** Its counters, by the metric names of its kind. Exact at the moment of reading. */
  readonly metrics: Effect.Effect<Readonly<Record<string, number>>>
}

/**
 * Waits until every one of `services` has ended, and returns how each has ended. A failure does not end the wait for the
 * others.
 */
export const awaitAll = <E>(services: Iterable<Service<E>>): Effect.Effect<ReadonlyArray<Exit.Exit<void, E>>> =>
  Effect.forEach(services, (service) => Effect.exit(service.await), { concurrency: "unbounded" })

/** The work of a service uses it to wait while the service is paused. */
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

/** The state of a service, and the outcome of its work. */
class Life<E> {
  state: State = "STOPPED"
  /** Set in the state `ERROR` only. */
  error: Cause.Cause<E> | undefined
  /** The outcome of the last started work. */
  outcome = Deferred.makeUnsafe<void, E>()
  /** Closed while the service is paused. */
  readonly gate = Gate.make()
  private readonly name: string

  constructor(name: string) {
    this.name = name
    Deferred.doneUnsafe(this.outcome, Exit.void)
  }

  private become(next: State, error?: Cause.Cause<E>): void {
    this.state = next
    this.error = error
    if (next === "PAUSED") this.gate.close()
    else this.gate.open()
  }

  private show(shown: State): Effect.Effect<void> {
    const update = (state: State) =>
      Metric.update(
        Metric.withAttributes(stateGauge, { service: this.name, state: state.toLowerCase() }),
        state === shown ? 1 : 0
      )
    return Effect.forEach(states, update, { discard: true })
  }

  /** Changes the state synchronously at the call, not when the effect runs. So a caller can check the state just before. */
  enter(next: State): Effect.Effect<void> {
    this.become(next)
    return this.show(next)
  }

  /** The work begins, for the first time or again. */
  begin(): Effect.Effect<void> {
    this.outcome = Deferred.makeUnsafe()
    return Effect.andThen(this.enter("RUNNING"), Effect.logInfo("Service started"))
  }

  /** The work has ended. The state changes last: a service that can be started again has no old work left. */
  readonly end = (exit: Exit.Exit<void, E>): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      const cause = Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause) ? exit.cause : undefined
      const next = cause === undefined ? "STOPPED" : "ERROR"
      yield* this.show(next)
      yield* cause === undefined ? Effect.logInfo("Service stopped") : Effect.logError("Service failed", cause)
      this.become(next, cause)
      Deferred.doneUnsafe(this.outcome, cause === undefined ? Exit.void : Exit.failCause(cause))
    })

  readonly pause = Effect.suspend(() =>
    this.state === "RUNNING" ? Effect.andThen(this.enter("PAUSED"), Effect.logInfo("Service paused")) : Effect.void
  )

  readonly resume = Effect.suspend(() =>
    this.state === "PAUSED" ? Effect.andThen(this.enter("RUNNING"), Effect.logInfo("Service resumed")) : Effect.void
  )
}

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
  const life = new Life<E>(name)
  const handle = yield* FiberHandle.make<void>()
  const gate: PauseGate = { open: life.gate.opened, closed: life.gate.closed, pause: life.pause }
  const annotate = Effect.annotateLogs({ service: name })
  const restarts = Metric.withAttributes(restartsTotal, { service: name, cause: "request" })
  yield* Metric.update(restarts, 0)
  yield* life.enter("STOPPED")

  const stop = FiberHandle.clear(handle)
  const start = Effect.suspend(() => {
    if (life.state === "RUNNING" || life.state === "PAUSED") return Effect.void
    const work = options.work(gate).pipe(Effect.onExit(life.end), Effect.ignoreCause, annotate)
    return Effect.andThen(life.begin(), FiberHandle.run(handle, work, { startImmediately: true }))
  }).pipe(Effect.uninterruptible)
  /** Runs starts and stops one at a time. */
  const oneAtATime = Semaphore.withPermit(yield* Semaphore.make(1))

  const service: Service<E> = {
    name,
    state: Effect.sync(() => life.state),
    error: Effect.sync(() => life.error),
    start: annotate(oneAtATime(start)),
    stop: oneAtATime(stop),
    pause: annotate(life.pause),
    resume: annotate(life.resume),
    restart: annotate(oneAtATime(stop.pipe(Effect.andThen(Metric.update(restarts, 1)), Effect.andThen(start)))),
    await: Effect.suspend(() => Deferred.await(life.outcome)),
    metrics: options.metrics
  }
  return service
})
