// @module-tag integration
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as ServiceManager from "../../src/pipeline/ServiceManager.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { settleDown } from "../persistence/harness.ts"
import { letterOf } from "../replay/replays.ts"
import * as ScriptedFileSystem from "../support/ScriptedFileSystem.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"
import { good, small } from "../config/harness.ts"
import { watched } from "./managers.ts"

const recovering = (letters: object) =>
  small({
    resources: { letters, seen: { className: "IdempotencyTracker" } },
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
      const { config } = yield* good({ file: recovering({ className: "InMemoryDeadLetterQueue" }) })
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

it.effect("a replay that hangs doesn't keep the pipeline from ending", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.expect("Warn", "A replay of dead letters hangs and is left behind: its letter stays", {
        times: 1
      })
      const letters = {
        className: "FileDeadLetterQueue",
        options: { directory: `${yield* temporaryFolder}/letters` }
      }
      const { config } = yield* good({ file: recovering(letters) })
      const manager = yield* ServiceManager.make(config)
      const letter = yield* letterOf(TestTick.range("run", 1, 3))
      yield* manager.deadLetterQueues.get("letters")?.offer(letter) ?? Effect.void
      const hangs = yield* (yield* ScriptedFileSystem.ScriptedFileSystem).hang("remove", new RegExp(letter.id, "u"))
      yield* manager.startAll
      yield* hangs
      const shutdown = yield* Effect.forkDetach(manager.shutdown)
      yield* settleDown
      yield* TestClock.adjust("19 seconds")
      yield* settleDown
      assert.isUndefined(shutdown.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      yield* settleDown
      assert.isDefined(shutdown.pollUnsafe())
      yield* TestClock.adjust("10 seconds") // what closes the manager waits for the replay as long as for a write
    }).pipe(Effect.provide(ScriptedFileSystem.layer))
  )
)
