// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as DeadLetterQueueContract from "../../src/testing/DeadLetterQueueContract.ts"
import { contract } from "../support/contract.ts"
import { letter } from "./letters.ts"

contract(
  "DeadLetterQueue (memory)",
  DeadLetterQueueContract.cases((capacity) => Layer.merge(DeadLetterQueue.layerMemory({ capacity }), LogWatch.layer()))
)

describe("a dead-letter queue in memory", () => {
  it.effect("holds 100 letters unless told otherwise", () =>
    Effect.gen(function* () {
      const queue = yield* DeadLetterQueue.makeMemory("dlq")
      for (let tick = 0; tick < 100; tick++) yield* queue.offer(yield* letter(tick, tick, tick))
      assert.include(
        (yield* Effect.flip(queue.offer(yield* letter(100, 100, 100)))).message,
        "it is full with 100 letters"
      )
      assert.include((yield* Effect.flip(DeadLetterQueue.makeMemory("dlq", { capacity: 0 }))).message, '["capacity"]')
    }).pipe(Effect.provide(LogWatch.layer()))
  )
})

describe("a dead-letter queue that discards", () => {
  it.effect("says at ERROR what is lost, and that it is", () =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", "Failed batch has no dead-letter queue configured, its ticks are lost", {
        times: 1
      })
      const queue = yield* DeadLetterQueue.DeadLetterQueue
      assert.strictEqual(yield* queue.offer(yield* letter(4, 6, 1000)), "discarded")
      assert.strictEqual(yield* queue.size, 0)
      assert.deepStrictEqual(yield* Stream.runCollect(queue.letters), [])
      const [line] = yield* LogWatch.lines
      assert.deepInclude(line?.annotations, { simulationRunId: "run", startTick: "4", endTick: "6", tickCount: "3" })
      assert.include(String(line?.annotations["reason"]), "no space left")
      const dropped = (yield* Metric.snapshot).find(
        ({ attributes, id }) => id === "persistence_dlq_dropped_total" && attributes?.["reason"] === "storage"
      )
      assert.deepInclude(dropped?.state, { count: 1 })
    }).pipe(
      Effect.provide(
        Layer.mergeAll(DeadLetterQueue.layerDiscard, LogWatch.layer()).pipe(
          Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))
        )
      )
    )
  )
})
