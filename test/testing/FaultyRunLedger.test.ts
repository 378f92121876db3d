// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as RunId from "../../src/domain/RunId.ts"
import type { Drop } from "../../src/ledger/LedgerEntry.ts"
import { RunLedger } from "../../src/ledger/RunLedger.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { IoFailure } from "../../src/storage/StorageError.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyRunLedger from "../../src/testing/FaultyRunLedger.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"

const run = RunId.make("run")

const drop: Drop = { _tag: "Drop", letter: "a", stretches: [], count: 1, reason: "of no use", atMs: 7 }

const faulty = FaultyRunLedger.layer.pipe(
  Layer.provide(Layer.orDie(Storage.layerMemory)),
  Layer.provideMerge(LogWatch.layer())
)

describe("faults of a ledger", () => {
  it.effect("make a flush fail, after which nothing is lost", () =>
    Effect.gen(function* () {
      const faults = yield* FaultyRunLedger.FaultyRunLedger
      const ledger = yield* RunLedger
      yield* faults.next("flush", [Fault.fail(new IoFailure({ code: "EIO" }))])
      yield* ledger.record(run, drop)
      assert.strictEqual((yield* Effect.flip(ledger.flush)).reason._tag, "IoFailure")
      yield* ledger.flush
      assert.deepStrictEqual(
        (yield* faults.calls).map(({ key, operation }) => [operation, key]),
        [
          ["record", "run"],
          ["flush", ""],
          ["flush", ""]
        ]
      )
    }).pipe(Effect.provide(faulty))
  )

  it.effect("hold up whoever records, or let him die", () =>
    Effect.gen(function* () {
      const faults = yield* FaultyRunLedger.FaultyRunLedger
      const ledger = yield* RunLedger
      yield* faults.next("record", [Fault.slow("3 seconds"), Fault.die("no")])
      const recording = yield* Effect.forkChild(ledger.record(run, drop))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(recording)
      assert.strictEqual(yield* Clock.currentTimeMillis, 3000)
      assert.isTrue(Exit.hasDies(yield* Effect.exit(ledger.record(run, drop))))
      yield* faults.underneath.flush
    }).pipe(Effect.provide(faulty))
  )
})
