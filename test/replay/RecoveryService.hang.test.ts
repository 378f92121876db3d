// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { DeadLetterQueue } from "../../src/deadletter/DeadLetterQueue.ts"
import * as RecoveryService from "../../src/replay/RecoveryService.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { settleDown } from "../persistence/harness.ts"
import { makeReplays, watched } from "./replays.ts"

type Call = "ids" | "get" | "remove"

const stuck = Effect.uninterruptible(Effect.never)

/** A service whose queue can hang for good in a call on a letter; `calls` says how often that happened. */
const makeRecovery = Effect.fnUntraced(function* () {
  yield* LogWatch.allow("Info", /^Service (started|stopped)$/u)
  const bench = yield* makeReplays()
  const hanging = new Set<string>()
  let calls = 0
  const meet = (call: Call, id = "") =>
    Effect.suspend(() => {
      if (!hanging.has(`${call} ${id}`)) return Effect.void
      calls++
      return stuck
    })
  const letters = bench.deadLetters
  const queue = DeadLetterQueue.of({
    ...letters,
    ids: Stream.unwrap(Effect.as(meet("ids"), letters.ids)),
    get: (id) => Effect.andThen(meet("get", id), letters.get(id)),
    remove: (id) => Effect.andThen(meet("remove", id), letters.remove(id))
  })
  const service = yield* RecoveryService.make("recovery", { writeTimeout: "10 seconds" }).pipe(
    Effect.provideService(DeadLetterQueue, queue),
    Effect.provideContext(bench.context)
  )
  return {
    ...bench,
    service,
    calls: () => calls,
    hang: (call: Call, id = "") => void hanging.add(`${call} ${id}`),
    heal: () => hanging.clear()
  }
})

const pass = (seconds: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), settleDown), { times: seconds - 1 })

describe("a recovery service", () => {
  it.effect("gives up a look at the letters that hangs, says so and looks again", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeRecovery()
        yield* LogWatch.expect("Warn", "Dead letters can't be looked at, trying again", { times: 1 })
        yield* bench.give(TestTick.range("run", 1, 3))
        bench.hang("ids")
        yield* bench.service.start
        yield* pass(20)
        bench.heal()
        yield* pass(60)
        assert.deepStrictEqual(yield* bench.ids, [])
        yield* bench.service.stop
      })
    )
  )

  it.effect.each(["get", "remove"] as const)(
    "replays the other letters although one hangs in %s, which it says",
    (call) =>
      watched(
        Effect.gen(function* () {
          const bench = yield* makeRecovery()
          yield* LogWatch.expect("Warn", "Dead letter could not be replayed and waits for its next turn", { times: 3 })
          const poor = yield* bench.give(TestTick.range("run", 1, 3))
          yield* bench.give(TestTick.range("other", 1, 3))
          bench.hang(call, poor)
          yield* bench.service.start
          yield* pass(41)
          assert.deepStrictEqual<ReadonlyArray<string>>(yield* bench.ids, [poor])
          yield* bench.give(TestTick.range("third", 1, 3))
          yield* pass(360)
          assert.deepStrictEqual<ReadonlyArray<string>>(yield* bench.ids, [poor])
          assert.strictEqual(bench.calls(), 1)
          yield* bench.service.stop
        })
      )
  )

  it.effect("stops although a replay hangs, after it has waited for it as long as for a write", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeRecovery()
        const poor = yield* bench.give(TestTick.range("run", 1, 3))
        bench.hang("remove", poor)
        yield* bench.service.start
        yield* settleDown
        const stopping = yield* Effect.forkChild(bench.service.stop)
        yield* pass(9)
        assert.strictEqual(yield* bench.service.state, "RUNNING")
        yield* pass(2)
        yield* Fiber.join(stopping)
        assert.strictEqual(yield* bench.service.state, "STOPPED")
      })
    )
  )
})
