// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { acceptsAgain, bothRefuse, degradeOptions as options, givenUp, stillRefuse } from "./degrade.ts"
import {
  advance,
  assertAccount,
  assertBalanced,
  type Bench,
  type LetterFault,
  noSpace,
  numbers,
  onBench,
  settleDown,
  ticksOf
} from "./harness.ts"

const ticks = TestTick.range("run", 1, 3)

/** A service whose storage refuses at 0 and whose letters don't answer: degraded at 30 s. */
const begin = Effect.fnUntraced(function* (bench: Bench, letters: LetterFault) {
  yield* givenUp
  yield* LogWatch.expect("Error", bothRefuse, { times: 1 })
  yield* LogWatch.allow("Warn", stillRefuse)
  yield* bench.faults.always("commit", FaultyStorage.fail(noSpace))
  bench.setLetters(letters)
  yield* bench.first.start
  yield* bench.queue.offerAll(ticks)
  yield* settleDown
  yield* advance(29_000, 1000)
  yield* advance(999, 999)
  assert.isUndefined(yield* bench.first.degraded)
  yield* advance(1, 1)
  const degraded = yield* bench.first.degraded
  assert.deepInclude(degraded, { sinceMs: 30_000, nextTryMs: 31_000 })
  assert.include(degraded?.cause, "no space left (ENOSPC)")
  assert.include(degraded?.cause, 'dead-letter queue "letters": no answer in time (writeTimeout)')
  assert.deepInclude(yield* bench.queue.account, { inHand: 3, lost: 0 })
})

it.effect.each([
  ["hang", "hang"],
  ["hang and can't be interrupted", "stuck"]
] as const)("is degraded when the letters %s, and stores when the storage is well", ([, fault]) =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* begin(bench, fault)
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* advance(300_000, 5000)
      assert.deepInclude(yield* bench.first.degraded, { sinceMs: 30_000 })
      yield* bench.faults.heal
      yield* advance(95_000, 5000)
      assert.isUndefined(yield* bench.first.degraded)
      assert.deepStrictEqual([...(yield* bench.files).values()], [ticks])
      assert.deepInclude(yield* bench.queue.account, { stored: 3, inHand: 0, deadLettered: 0 })
      yield* assertBalanced(bench.first)
    })
  )
)

it.effect("asks for the letter first when it may be kept, and has its ticks there and not in the storage too", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* begin(bench, "late")
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* bench.faults.heal
      bench.setLetters("none")
      yield* advance(60_000, 1000)
      const [letter, ...others] = yield* bench.letters
      assert.lengthOf(others, 0)
      assert.deepStrictEqual(numbers(yield* ticksOf(letter!)), [1, 2, 3])
      assert.strictEqual((yield* bench.files).size, 0)
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 3, stored: 0, inHand: 0 })
      yield* assertBalanced(bench.first)
    })
  )
)

it.effect("still asks for the letter first after a refusal, when an offer before it may be kept", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* begin(bench, "stuck")
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      bench.setLetters("full")
      yield* advance(1500, 500)
      assert.isDefined(yield* bench.first.degraded)
      yield* bench.faults.heal
      bench.setLetters("none")
      yield* advance(60_000, 1000)
      assert.lengthOf(yield* bench.letters, 1)
      assert.strictEqual((yield* bench.files).size, 0)
      assert.deepInclude(yield* bench.queue.account, { deadLettered: 3, stored: 0, inHand: 0 })
    })
  )
)

it.effect("has ticks in both at most, when the letter is kept late and only the storage answers", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* begin(bench, "late")
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* bench.faults.heal
      bench.setLetters("full")
      yield* advance(60_000, 1000)
      assert.deepStrictEqual([...(yield* bench.files).values()], [ticks])
      assert.lengthOf(yield* bench.letters, 1, "a replay finds that its ticks are stored")
      assert.deepInclude(yield* bench.queue.account, { stored: 3, deadLettered: 0, inHand: 0 })
      yield* assertBalanced(bench.first)
    })
  )
)

it.effect("holds the producer back while both hang for hours with few attempts out, and then everything flows", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* Effect.andThen(givenUp, LogWatch.expect("Error", bothRefuse, { times: 1 }))
      yield* LogWatch.allow("Warn", stillRefuse)
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      yield* bench.faults.always("commit", FaultyStorage.stuck)
      bench.setLetters("stuck")
      yield* bench.first.start
      const producer = yield* Effect.forkChild(bench.queue.offerAll(TestTick.range("run", 1, 30)))
      yield* advance(4 * 3_600_000, 30_000)
      assert.isUndefined(producer.pollUnsafe())
      assert.deepInclude(yield* bench.queue.account, { accepted: 15, inHand: 9, waiting: 6, lost: 0 })
      const begun = (yield* bench.faults.calls).filter(({ operation }) => operation === "commit").length
      assert.isAtLeast(begun, 7)
      assert.isAtMost(begun, 9)
      yield* bench.faults.heal
      yield* advance(8 * 3_600_000, 60_000)
      yield* Fiber.join(producer)
      const stored = [...(yield* bench.files).values()].flatMap(numbers)
      assert.deepStrictEqual(stored, numbers(TestTick.range("run", 1, 30)))
      assert.deepInclude(yield* bench.queue.account, { stored: 30, inHand: 0, deadLettered: 0 })
      yield* assertBalanced(bench.first)
      yield* assertAccount(bench.queue)
    })
  )
)
