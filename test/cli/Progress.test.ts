// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import * as Progress from "../../src/cli/Progress.ts"

const moment = { settled: 12_000, ticksPerSecond: 3456, waiting: 789, batches: 12, deadLettered: 0 }

describe("the line on a terminal", () => {
  it("says how far the run is", () => {
    assert.strictEqual(
      Progress.line(moment, 80),
      "12,000 ticks settled | 3,456 ticks/s | 789 in the queue | 12 batches"
    )
  })

  it("tells of dead letters once there are any", () => {
    assert.match(Progress.line({ ...moment, deadLettered: 5 }, 100), / \| 12 batches \| 5 dead-lettered$/u)
  })

  it("is shorter than the terminal is wide", () => {
    assert.lengthOf(Progress.line(moment, 40), 39)
  })
})

describe("elsewhere", () => {
  it.effect("logs how far the run is, every second at first and every ten seconds later", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const logger = Logger.make<unknown, void>(({ fiber, message }) => {
        logged.push([message, fiber.getRef(References.CurrentLogAnnotations)])
      })
      let written = 0
      const balance = Effect.sync(() => ({
        received: 900,
        written: (written += 500),
        duplicate: 0,
        deadLettered: 3,
        returned: 0,
        lost: 0,
        inFlight: 0,
        batches: 2,
        writtenBytes: 1,
        storedBytes: 1
      }))
      const fiber = yield* Progress.show(balance, Effect.succeed(7)).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.forkChild
      )
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(logged, [])
      yield* TestClock.adjust("2001 millis")
      const common = { waiting: 7, batches: 2, deadLettered: 3 }
      assert.deepStrictEqual(logged, [
        [["Progress"], { settled: 503, ticksPerSecond: 503, ...common }],
        [["Progress"], { settled: 1003, ticksPerSecond: 502, ...common }],
        [["Progress"], { settled: 1503, ticksPerSecond: 500, ...common }]
      ])
      yield* TestClock.adjust("37 seconds")
      assert.lengthOf(logged, 13)
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(logged, 14)
      yield* Fiber.interrupt(fiber)
    })
  )
})
