import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ServiceManager from "../../src/pipeline/ServiceManager.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { settleDown } from "../persistence/harness.ts"
import { letterOf } from "../recovery/replays.ts"
import { good, small } from "./config/harness.ts"
import { watched } from "./managers.ts"

const file = small({
  resources: { letters: { className: "InMemoryDeadLetterQueue" }, seen: { className: "IdempotencyTracker" } },
  ports: { dlq: "queue-out:letters", idempotencyTracker: "seen" },
  services: {
    recovery: {
      className: "RecoveryService",
      resources: { dlq: "queue-in:letters", storage: "storage-write:store", idempotencyTracker: "seen" }
    }
  }
})

it.effect("a configured recovery service replays while the pipeline runs, and doesn't keep it from ending", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.expect("Info", "Dead letter replayed", { times: 1 })
      const { config } = yield* good({ file })
      const manager = yield* ServiceManager.make(config)
      const letters = manager.deadLetterQueues.get("letters")
      const storage = manager.storages.get("store")
      assert(letters !== undefined && storage !== undefined)
      yield* letters.offer(yield* letterOf(TestTick.range("run", 1, 3)))
      yield* manager.startAll
      yield* settleDown
      assert.deepStrictEqual(yield* Stream.runCollect(letters.ids), [])
      assert.lengthOf(yield* Stream.runCollect(storage.list("run/batch_")), 1)
      const status = yield* manager.serviceStatus
      assert.deepInclude(
        status.find(({ name }) => name === "recovery"),
        { state: "RUNNING", degraded: undefined }
      )
      yield* manager.pause("recovery")
      yield* manager.resume("recovery")
      yield* manager.shutdown
      const states = (yield* manager.serviceStatus).map(({ name, state }) => [name, state])
      assert.deepStrictEqual(states, [
        ["persist", "STOPPED"],
        ["recovery", "STOPPED"]
      ])
    })
  )
)
