// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Balance from "../../src/pipeline/Balance.ts"
import * as Delimited from "../../src/domain/Delimited.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { failing, noSpace, onBench, settleDown } from "../persistence/harness.ts"

it.effect("says of each tick once what has become of it, at every moment", () =>
  onBench({ instances: 2, persistence: { maxBatchSize: 4, maxRetries: 0 } }, failing, (bench) =>
    Effect.gen(function* () {
      const balance = Balance.of([bench.queue], bench.services)
      const check = Effect.gen(function* () {
        const { deadLettered, duplicate, inFlight, lost, received, returned, written } = yield* balance
        assert.strictEqual(received, written + duplicate + deadLettered + returned + lost + inFlight)
      })
      assert.deepStrictEqual(yield* balance, {
        received: 0,
        written: 0,
        duplicate: 0,
        deadLettered: 0,
        returned: 0,
        lost: 0,
        inFlight: 0,
        batches: 0,
        writtenBytes: 0,
        storedBytes: 0
      })
      yield* bench.faults.next("commit", [FaultyStorage.fail(noSpace)])
      for (const { start } of bench.services) yield* start
      const ticks = TestTick.range("run", 1, 12)
      yield* bench.queue.offerAll(ticks)
      for (let turn = 0; turn < 200; turn++) yield* Effect.andThen(Effect.yieldNow, check)
      yield* settleDown
      assert.deepInclude(yield* balance, { received: 12, written: 8, deadLettered: 4, inFlight: 0, batches: 2 })
      const files = yield* bench.files
      const bytes = [...files.values()].reduce((total, stored) => total + Delimited.encodedBytes(stored), 0)
      assert.strictEqual((yield* balance).storedBytes, bytes)
    })
  )
)

it.effect("is settled when nothing is in flight, returned or lost", () =>
  Effect.sync(() => {
    const settled: Balance.Balance = {
      received: 6,
      written: 1,
      duplicate: 2,
      deadLettered: 3,
      returned: 0,
      lost: 0,
      inFlight: 0,
      batches: 1,
      writtenBytes: 1,
      storedBytes: 9
    }
    assert.isTrue(Balance.isSettled(settled))
    for (const part of ["returned", "lost", "inFlight"]) assert.isFalse(Balance.isSettled({ ...settled, [part]: 1 }))
  })
)
