// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Attempts from "../../src/service/Attempts.ts"

const limit = Duration.seconds(10)
const stuck = Effect.uninterruptible(Effect.never)

const make = Effect.map(Scope.make(), (scope) => Attempts.make(limit, scope))

/** Tries `work` again and again, half a minute between two, for `total`; gives when an attempt was begun. */
const insist = Effect.fnUntraced(function* (
  attempts: Attempts.Attempts,
  work: Effect.Effect<void>,
  total: Duration.Input
) {
  const begun: Array<number> = []
  const noted = Effect.andThen(
    Effect.map(Clock.currentTimeMillis, (nowMs) => void begun.push(nowMs)),
    work
  )
  const tries = attempts.run(noted).pipe(Effect.ignore, Effect.delay("30 seconds"), Effect.forever)
  const fiber = yield* Effect.forkChild(tries, { startImmediately: true })
  yield* TestClock.adjust(total)
  yield* Fiber.interrupt(fiber)
  return begun
})

it.effect("gives what answers in time, and fails with what it fails with", () =>
  Effect.gen(function* () {
    const attempts = yield* make
    assert.strictEqual(yield* attempts.run(Effect.succeed(7)), 7)
    assert.strictEqual(yield* Effect.flip(attempts.run(Effect.fail("no"))), "no")
    const slow = yield* Effect.forkChild(attempts.run(Effect.delay(Effect.succeed(8), "9999 millis")))
    yield* TestClock.adjust("9999 millis")
    assert.strictEqual(yield* Fiber.join(slow), 8)
  })
)

it.effect.each([
  ["hangs", Effect.never],
  ["hangs and can't be interrupted", stuck]
] as const)("gives up what %s at the limit", ([, work]) =>
  Effect.gen(function* () {
    const attempts = yield* make
    const fiber = yield* Effect.forkChild(Effect.flip(attempts.run(work)), { startImmediately: true })
    yield* TestClock.adjust("9999 millis")
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust(1)
    const error = yield* Fiber.join(fiber)
    assert.deepInclude(error, { _tag: "Overdue", begun: true, code: "writeTimeout" })
  })
)

it.effect("has what ends late do its work, and tells nobody", () =>
  Effect.gen(function* () {
    const attempts = yield* make
    let done = false
    const late = Effect.uninterruptible(
      Effect.delay(
        Effect.sync(() => void (done = true)),
        "1 minute"
      )
    )
    const fiber = yield* Effect.forkChild(Effect.flip(attempts.run(late)), { startImmediately: true })
    yield* TestClock.adjust(limit)
    yield* Fiber.join(fiber)
    assert.isFalse(done)
    yield* TestClock.adjust("50 seconds")
    assert.isTrue(done)
  })
)

it.effect("begins as many of those that end when told to as it is asked for", () =>
  Effect.gen(function* () {
    const begun = yield* insist(yield* make, Effect.never, "1 hour")
    assert.strictEqual(begun.length, 90, "one in 40 seconds")
  })
)

it.effect("begins fewer and fewer while those that were abandoned don't end: a dozen or so a day", () =>
  Effect.gen(function* () {
    const begun = yield* insist(yield* make, stuck, "1 day")
    assert.deepStrictEqual(begun.slice(0, 2), [30_000, 70_000])
    const pauses = begun.slice(1).map((atMs, index) => atMs - begun[index]!)
    for (const [index, pause] of pauses.slice(1).entries()) {
      assert.isAtLeast(pause, 40_000 * 2 ** index)
      assert.isAtMost(pause, 40_000 * 2 ** index + 30_000)
    }
    assert.isAtLeast(begun.length, 12)
    assert.isAtMost(begun.length, 15)
  })
)

it.effect("fails at once with what it does not begin, and begins again when one has ended", () =>
  Effect.gen(function* () {
    const attempts = yield* make
    const held = Latch.makeUnsafe(false)
    for (let count = 0; count < 2; count++) {
      const fiber = yield* Effect.forkChild(attempts.run(Effect.uninterruptible(held.await)))
      yield* TestClock.adjust(1)
      yield* Fiber.interrupt(fiber)
    }
    let begun = false
    const error = yield* Effect.flip(attempts.run(Effect.sync(() => void (begun = true))))
    assert.deepInclude(error, { _tag: "Overdue", begun: false, code: "earlier attempts still hang" })
    assert.isFalse(begun)
    yield* held.open
    yield* Effect.yieldNow
    yield* attempts.run(Effect.sync(() => void (begun = true)))
    assert.isTrue(begun)
  })
)

it.effect("has a clean slate after an answer, whatever never ends", () =>
  Effect.gen(function* () {
    const attempts = yield* make
    assert.strictEqual((yield* insist(attempts, stuck, "10 minutes")).length, 5)
    assert.deepInclude(yield* Effect.flip(attempts.run(Effect.void)), { begun: false })
    yield* TestClock.adjust("10 minutes")
    assert.strictEqual(yield* Effect.flip(attempts.run(Effect.fail("no space"))), "no space")
    for (let count = 0; count < 10; count++) yield* attempts.run(Effect.void)
    assert.deepStrictEqual((yield* insist(attempts, stuck, "80 seconds")).length, 2)
  })
)

it.effect("begins two of each that may be under way at a time, and then one after each pause", () =>
  Effect.gen(function* () {
    const attempts = Attempts.make(limit, yield* Scope.make(), 2)
    let begun = 0
    const tries = attempts
      .run(
        Effect.andThen(
          Effect.sync(() => void begun++),
          stuck
        )
      )
      .pipe(Effect.ignore, Effect.delay("1 second"), Effect.forever)
    for (let loop = 0; loop < 2; loop++) yield* Effect.forkChild(tries, { startImmediately: true })
    yield* TestClock.adjust("25 seconds")
    assert.strictEqual(begun, 4)
    yield* TestClock.adjust("10 minutes")
    assert.isAtLeast(begun, 5)
    assert.isAtMost(begun, 7)
  })
)

it.effect("takes those that are under way for none that hang", () =>
  Effect.gen(function* () {
    const attempts = Attempts.make(limit, yield* Scope.make(), 2)
    const slow = attempts.run(Effect.sleep("9 seconds"))
    const all = yield* Effect.forkChild(
      Effect.all(
        Array.from({ length: 6 }, () => slow),
        { concurrency: 6 }
      )
    )
    yield* TestClock.adjust("9 seconds")
    assert.lengthOf(yield* Fiber.join(all), 6)
  })
)
