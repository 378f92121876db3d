// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as LogWatch from "../../src/testing/LogWatch.ts"

/** The message of the verdict on `test`; empty when it passes. */
const verdict = <A, E>(test: Effect.Effect<A, E, LogWatch.LogWatch>, layer = LogWatch.layer()) =>
  Effect.map(Effect.exit(Effect.provide(test, layer)), (exit) => {
    if (Exit.isSuccess(exit)) return ""
    const error = Cause.squash(exit.cause)
    assert.isTrue(Schema.is(LogWatch.UnexpectedLog)(error), String(error))
    return String(error)
  })

it.effect("passes a test that logs nothing", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* verdict(Effect.void), "")
  })
)

it.effect("names an unexpected line with its level, annotations and cause", () =>
  Effect.gen(function* () {
    const message = yield* verdict(
      Effect.logError("Disk is gone", Cause.fail("EIO")).pipe(Effect.annotateLogs({ key: "a/b" }))
    )
    assert.include(message, "1 unexpected log lines")
    assert.include(message, "Error Disk is gone key=a/b")
    assert.include(message, "EIO")
  })
)

it.effect.each(["Trace", "Debug", "Info", "Warn", "Error", "Fatal"] as const)("watches lines of level %s", (level) =>
  Effect.gen(function* () {
    const log = Effect.logWithLevel(level)("a line")
    assert.include(yield* verdict(log), `${level} a line`)
    assert.strictEqual(yield* verdict(Effect.andThen(LogWatch.expect(level, "a line"), log)), "")
  })
)

it.effect("fails when an expected line is missing", () =>
  Effect.gen(function* () {
    const message = yield* verdict(LogWatch.expect("Warn", /retr/u))
    assert.include(message, "Warn /retr/u (at least 1 times, logged 0 times)")
  })
)

it.effect("counts the lines that are expected a number of times", () =>
  Effect.gen(function* () {
    const twice = Effect.andThen(Effect.logInfo("again"), Effect.logInfo("again"))
    assert.strictEqual(yield* verdict(Effect.andThen(LogWatch.expect("Info", "again", { times: 2 }), twice)), "")
    assert.include(
      yield* verdict(Effect.andThen(LogWatch.expect("Info", "again", { times: 3 }), twice)),
      "Info again (3 times, logged 2 times)"
    )
    assert.include(
      yield* verdict(Effect.andThen(LogWatch.expect("Info", "again", { times: 1 }), twice)),
      "Info again (1 times, logged 2 times)"
    )
  })
)

it.effect("expects what was logged before as well", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* verdict(Effect.andThen(Effect.logInfo("early"), LogWatch.expect("Info", "early"))), "")
  })
)

it.effect("takes a string for the whole sentence and a level for exactly this one", () =>
  Effect.gen(function* () {
    const log = Effect.logInfo("Service started")
    assert.include(yield* verdict(Effect.andThen(LogWatch.allow("Info", "Service"), log)), "Info Service started")
    assert.include(yield* verdict(Effect.andThen(LogWatch.allow("Warn", "Service started"), log)), "Service started")
    assert.strictEqual(yield* verdict(Effect.andThen(LogWatch.allow("Any", /^Service/u), log)), "")
  })
)

it.effect("allows a line any number of times, or not at all", () =>
  Effect.gen(function* () {
    const layer = LogWatch.layer({ allow: [{ level: "Debug", message: "tick" }] })
    assert.strictEqual(yield* verdict(Effect.void, layer), "")
    assert.strictEqual(yield* verdict(Effect.repeat(Effect.logDebug("tick"), { times: 4 }), layer), "")
  })
)

it.effect("watches forked fibers and what a layer on top of it logs while it starts and stops", () =>
  Effect.gen(function* () {
    const forked = Effect.flatMap(Effect.forkChild(Effect.logDebug("from a fiber")), Fiber.join)
    assert.include(yield* verdict(forked), "Debug from a fiber")

    const app = Layer.effectDiscard(
      Effect.andThen(
        Effect.logInfo("opened"),
        Effect.addFinalizer(() => Effect.logInfo("closed"))
      )
    )
    const message = yield* verdict(Effect.void, Layer.provideMerge(app, LogWatch.layer()))
    assert.include(message, "Info opened")
    assert.include(message, "Info closed")
  })
)

it.effect("gives the lines so far with their annotations", () =>
  Effect.gen(function* () {
    yield* LogWatch.allow("Info", "stored")
    yield* Effect.annotateLogs(Effect.logInfo("stored"), { ticks: 3 })
    const [line, ...more] = yield* LogWatch.lines
    assert.strictEqual(more.length, 0)
    assert.strictEqual(line?.level, "Info")
    assert.strictEqual(line?.message, "stored")
    assert.deepStrictEqual(line?.annotations, { ticks: 3 })
  }).pipe(Effect.provide(LogWatch.layer()))
)
