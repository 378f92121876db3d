// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Service from "../../src/service/Service.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"

const watched = Layer.merge(
  LogWatch.layer(),
  Layer.sync(Metric.MetricRegistry, () => new Map())
)

const expectLines = Effect.fnUntraced(function* (lines: Record<string, number>) {
  for (const [line, times] of Object.entries(lines)) {
    yield* LogWatch.expect(line === "failed" ? "Error" : "Info", `Service ${line}`, { times })
  }
})

/** Work that counts seconds while it isn't paused, and counts how often it was begun and interrupted. */
const counting = () => {
  const seen = { begun: 0, seconds: 0, interrupted: 0 }
  const work = (gate: Service.PauseGate) =>
    Effect.sync(() => void seen.begun++).pipe(
      Effect.andThen(
        Effect.forever(
          gate.open.pipe(
            Effect.andThen(
              Effect.timeoutOrElse(Effect.as(gate.closed, 0), { duration: "1 second", orElse: () => Effect.succeed(1) })
            ),
            Effect.tap((done) => Effect.sync(() => (seen.seconds += done)))
          )
        )
      ),
      Effect.onInterrupt(() => Effect.sync(() => void seen.interrupted++))
    )
  return { seen, work }
}

const make = <E>(work: (gate: Service.PauseGate) => Effect.Effect<void, E>) =>
  Service.make("persistence-1", { work, metrics: Effect.succeed({ ticks: 3 }) })

/** What `effect` dies of. */
const dies = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.exit(effect), (exit) => (Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined))

describe("a service", () => {
  it.effect("is made stopped, runs once started, and is stopped by stop", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 1, stopped: 1 })
      const { seen, work } = counting()
      const service = yield* make(work)
      assert.strictEqual(service.name, "persistence-1")
      assert.deepStrictEqual(yield* service.metrics, { ticks: 3 })
      assert.strictEqual(yield* service.state, "STOPPED")
      yield* service.await
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(seen.begun, 0)
      yield* service.start
      assert.strictEqual(yield* service.state, "RUNNING")
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(seen, { begun: 1, seconds: 3, interrupted: 0 })
      yield* service.stop
      assert.strictEqual(yield* service.state, "STOPPED")
      assert.deepStrictEqual(seen, { begun: 1, seconds: 3, interrupted: 1 })
      yield* service.await
    }).pipe(Effect.provide(watched))
  )

  it.effect("does nothing when it is told what it does already", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 1, paused: 1, resumed: 1, stopped: 1 })
      const { seen, work } = counting()
      const service = yield* make(work)
      yield* service.stop
      yield* service.pause
      yield* service.resume
      assert.strictEqual(yield* service.state, "STOPPED")
      yield* service.start
      yield* service.start
      yield* service.resume
      assert.strictEqual(yield* service.state, "RUNNING")
      yield* service.pause
      yield* service.pause
      yield* service.start
      assert.strictEqual(yield* service.state, "PAUSED")
      yield* service.resume
      assert.strictEqual(seen.begun, 1)
      yield* service.stop
      yield* service.stop
      assert.strictEqual(yield* service.state, "STOPPED")
    }).pipe(Effect.provide(watched))
  )

  it.effect("begins nothing while it is paused, and goes on where it was", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 1, paused: 1, resumed: 1, stopped: 1 })
      const { seen, work } = counting()
      const service = yield* make(work)
      yield* service.start
      yield* TestClock.adjust("2 seconds")
      yield* service.pause
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(seen, { begun: 1, seconds: 2, interrupted: 0 })
      yield* service.resume
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(seen, { begun: 1, seconds: 4, interrupted: 0 })
      yield* service.stop
    }).pipe(Effect.provide(watched))
  )

  it.effect("can be stopped while it is paused, and is not paused when it starts again", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 2, paused: 1, stopped: 2 })
      const { seen, work } = counting()
      const service = yield* make(work)
      yield* service.start
      yield* service.pause
      yield* service.stop
      assert.strictEqual(yield* service.state, "STOPPED")
      yield* service.start
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, { begun: 2, seconds: 1, interrupted: 1 })
      yield* service.stop
    }).pipe(Effect.provide(watched))
  )

  it.effect("can be paused by its own work", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 1, paused: 1, resumed: 1, stopped: 1 })
      let steps = 0
      const service = yield* make((gate) =>
        gate.pause.pipe(Effect.andThen(gate.open), Effect.andThen(Effect.sync(() => void steps++)))
      )
      yield* service.start
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* service.state, "PAUSED")
      assert.strictEqual(steps, 0)
      yield* service.resume
      yield* service.await
      assert.strictEqual(steps, 1)
    }).pipe(Effect.provide(watched))
  )

  it.effect("is stopped when its work is done, and can be started again", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 2, stopped: 2 })
      const service = yield* make(() => Effect.sleep("1 second"))
      for (let round = 0; round < 2; round++) {
        yield* service.start
        const waiting = yield* Effect.forkChild(service.await)
        yield* TestClock.adjust("999 millis")
        assert.isUndefined(waiting.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(waiting)
        assert.strictEqual(yield* service.state, "STOPPED")
      }
    }).pipe(Effect.provide(watched))
  )

  it.effect("is in error with its cause when its work fails, takes nobody with it, and can be started again", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 2, failed: 1, stopped: 1 })
      let fails = true
      const service = yield* make(() => (fails ? Effect.delay(Effect.fail("disk gone"), "1 second") : Effect.never))
      yield* service.start
      assert.isUndefined(yield* service.error)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Effect.flip(service.await), "disk gone")
      assert.strictEqual(yield* service.state, "ERROR")
      const cause = yield* service.error
      assert.strictEqual(cause === undefined ? undefined : Cause.squash(cause), "disk gone")
      yield* service.stop
      yield* service.pause
      yield* service.resume
      assert.strictEqual(yield* service.state, "ERROR")
      fails = false
      yield* service.start
      assert.strictEqual(yield* service.state, "RUNNING")
      assert.isUndefined(yield* service.error)
      yield* service.stop
      const failed = (yield* LogWatch.lines).find(({ level }) => level === "Error")
      assert.deepInclude(failed?.annotations, { service: "persistence-1" })
      assert.include(Cause.pretty(failed?.cause ?? Cause.empty), "disk gone")
    }).pipe(Effect.provide(watched))
  )

  it.effect("is in error when its work dies, and while it was paused, too", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 1, failed: 1, paused: 1 })
      const service = yield* make(() => Effect.delay(Effect.die("a bug"), "1 second"))
      yield* service.start
      yield* service.pause
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* dies(service.await), "a bug")
      assert.strictEqual(yield* service.state, "ERROR")
      const cause = yield* service.error
      assert.isTrue(cause !== undefined && Cause.hasDies(cause))
    }).pipe(Effect.provide(watched))
  )

  it.effect("tells its failure to all who await it, until it is started again", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 2, failed: 1, stopped: 1 })
      let fails = true
      const service = yield* make(() => (fails ? Effect.delay(Effect.fail("no"), "1 second") : Effect.never))
      yield* service.start
      const early = yield* Effect.forkChild(Effect.flip(service.await), { startImmediately: true })
      // Started again in the very step in which it fails: whoever waited for the first life learns how that ended.
      const again = yield* service.await.pipe(
        Effect.catch(() => service.stop),
        Effect.andThen(Effect.sync(() => void (fails = false))),
        Effect.andThen(Effect.suspend(() => service.start)),
        Effect.forkChild({ startImmediately: true })
      )
      const late = yield* Effect.forkChild(Effect.flip(service.await), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(early), "no")
      assert.strictEqual(yield* Fiber.join(late), "no")
      yield* Fiber.join(again)
      const waiting = yield* Effect.forkChild(service.await, { startImmediately: true })
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(waiting.pollUnsafe())
      yield* service.stop
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(watched))
  )

  it.effect("that fails does not end the wait for others", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 2, failed: 1, stopped: 1 })
      const failing = yield* make(() => Effect.delay(Effect.fail("no"), "1 second"))
      const working = yield* make(() => Effect.sleep("3 seconds"))
      yield* Effect.andThen(failing.start, working.start)
      const all = yield* Effect.forkChild(Service.awaitAll([failing, working]), { startImmediately: true })
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(all.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(all), [Exit.fail("no"), Exit.void])
    }).pipe(Effect.provide(watched))
  )

  it.effect("is stopped, then started, by restart, from every state", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 4, stopped: 3, paused: 1, failed: 1 })
      const { seen, work } = counting()
      let fails = false
      const service = yield* make((gate) => (fails ? Effect.fail("no") : work(gate)))
      yield* service.restart
      assert.strictEqual(yield* service.state, "RUNNING")
      yield* service.pause
      fails = true
      yield* service.restart
      yield* Effect.flip(service.await)
      assert.strictEqual(yield* service.state, "ERROR")
      fails = false
      yield* service.restart
      yield* service.restart
      assert.strictEqual(yield* service.state, "RUNNING")
      yield* service.stop
      assert.deepStrictEqual(seen, { begun: 3, seconds: 0, interrupted: 3 })
      const restarts = (yield* Metric.snapshot).find(({ id }) => id === "persistence_service_restarts_total")
      assert.deepInclude(restarts?.state, { count: 4 })
    }).pipe(Effect.provide(watched))
  )

  it.effect("waits at stop until its work has settled what it had in hand", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 1, stopped: 1 })
      let settled = false
      const settle = Effect.sync(() => void (settled = true))
      const service = yield* make(() => Effect.onInterrupt(Effect.never, () => Effect.delay(settle, "3 seconds")))
      yield* service.start
      const stop = yield* Effect.forkChild(service.stop)
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(stop.pollUnsafe())
      assert.strictEqual(yield* service.state, "RUNNING")
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(stop)
      assert.isTrue(settled)
      assert.strictEqual(yield* service.state, "STOPPED")
    }).pipe(Effect.provide(watched))
  )

  it.effect("is interrupted and waited for when its scope closes", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 1, stopped: 1 })
      const scope = yield* Scope.make()
      const interrupted = yield* Deferred.make<void>()
      let settled = false
      const service = yield* Scope.provide(
        make(() =>
          Effect.onInterrupt(Effect.never, () =>
            Deferred.succeed(interrupted, undefined).pipe(
              Effect.andThen(Effect.sleep("3 seconds")),
              Effect.andThen(Effect.sync(() => void (settled = true)))
            )
          )
        ),
        scope
      )
      yield* service.start
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Deferred.await(interrupted)
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(closing)
      assert.isTrue(settled)
      assert.strictEqual(yield* service.state, "STOPPED")
    }).pipe(Effect.provide(watched))
  )

  it.effect("shows its state in the metrics, 1 for the present one", () =>
    Effect.gen(function* () {
      yield* expectLines({ started: 2, paused: 1, resumed: 1, stopped: 1, failed: 1 })
      let fails = false
      const service = yield* make(() => (fails ? Effect.fail("no") : Effect.never))
      const states = Effect.map(Metric.snapshot, (all) =>
        all
          .filter(({ id, state }) => id === "persistence_service_state" && "value" in state && state.value === 1)
          .map(({ attributes }) => `${attributes?.["service"]} ${attributes?.["state"]}`)
          .join()
      )
      assert.strictEqual(yield* states, "persistence-1 stopped")
      yield* service.start
      assert.strictEqual(yield* states, "persistence-1 running")
      yield* service.pause
      assert.strictEqual(yield* states, "persistence-1 paused")
      yield* service.resume
      assert.strictEqual(yield* states, "persistence-1 running")
      yield* service.stop
      fails = true
      yield* service.start
      yield* Effect.flip(service.await)
      assert.strictEqual(yield* states, "persistence-1 error")
    }).pipe(Effect.provide(watched))
  )
})
