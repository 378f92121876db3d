// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/testing/TestClock"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { take } from "./batches.ts"

describe("the books", () => {
  it.effect("say what became of every tick", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("q")
      yield* queue.offerAll(TestTick.range("run", 1, 10))
      const { ticks } = yield* take(queue, { maxTicks: 8 })
      yield* queue.settle(ticks.slice(0, 1), "stored")
      yield* queue.settle(ticks.slice(1, 3), "duplicate")
      yield* queue.settle(ticks.slice(3, 4), "dead-lettered")
      yield* queue.settle(ticks.slice(4, 5), "lost")
      yield* queue.settle(ticks.slice(5, 7), "returned")
      yield* queue.settle([], "stored")
      assert.deepStrictEqual(yield* queue.account, {
        accepted: 10,
        waiting: 2,
        inHand: 1,
        stored: 1,
        duplicate: 2,
        deadLettered: 1,
        lost: 1,
        returned: 2
      })
    })
  )

  it.effect("are in the metrics, with the time that producers waited", () =>
    Effect.gen(function* () {
      const queue = yield* TickQueue.make("raw", { capacity: 2 })
      const values = Effect.map(Metric.snapshot, (all) =>
        Object.fromEntries(
          all.map(({ attributes, id, state }) => [
            `${id} ${attributes?.["queue"]}`,
            "count" in state ? state.count : "value" in state ? state.value : undefined
          ])
        )
      )
      assert.deepStrictEqual(yield* values, {
        "persistence_queue_depth raw": 0,
        "persistence_queue_capacity raw": 2,
        "persistence_queue_offered_total raw": 0,
        "persistence_queue_blocked_seconds_total raw": 0
      })
      const producer = yield* Effect.forkChild(queue.offerAll(TestTick.range("run", 1, 3)))
      yield* TestClock.adjust("1500 millis")
      yield* take(queue, { maxTicks: 2 })
      yield* Fiber.join(producer)
      yield* take(queue, { maxTicks: 1 })
      assert.deepStrictEqual(yield* values, {
        "persistence_queue_depth raw": 0,
        "persistence_queue_capacity raw": 2,
        "persistence_queue_offered_total raw": 3,
        "persistence_queue_blocked_seconds_total raw": 1.5
      })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
