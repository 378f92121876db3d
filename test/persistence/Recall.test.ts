// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tick from "../../src/domain/Tick.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import {
  advance,
  assertAccount,
  assertBalanced,
  type Bench,
  io,
  metric,
  numbers,
  onBench,
  settleDown,
  whileTimePasses
} from "./harness.ts"

const range = (first: number, last: number) => TestTick.range("run", first, last)

/** Stores `ticks` as an earlier process did. */
const before = Effect.fnUntraced(function* ({ faults }: Bench, ticks: ReadonlyArray<Tick.Tick>) {
  if (Tick.isBatch(ticks)) {
    yield* Effect.orDie(BatchFile.write(faults.underneath, StorageKey.batch(RunId.make("run"), ticks), ticks))
  }
})

const stored = (bench: Bench) => Effect.map(bench.files, (files) => [...files.values()].map((ticks) => numbers(ticks)))

const options = { recalls: true, persistence: { maxBatchSize: 3 } } as const

for (const copies of [false, true]) {
  const how = copies ? ", told with copies of the ticks" : ""
  it.effect(
    `settles as duplicate what an earlier process has stored, in whatever batches, and stores the rest${how}`,
    () =>
      onBench({ ...options, copies }, [], (bench) =>
        Effect.gen(function* () {
          const { first, queue } = bench
          yield* LogWatch.expect("Info", "Ticks are stored already", { times: 2 })
          yield* before(bench, range(2, 5))
          yield* first.start
          yield* queue.offerAll(range(1, 9))
          yield* settleDown
          assert.deepStrictEqual(yield* stored(bench), [[1], [2, 3, 4, 5], [6], [7, 8, 9]])
          assert.deepInclude(yield* first.metrics, { ticks_received: 9, ticks_written: 5, duplicate_ticks_detected: 4 })
          assert.strictEqual(yield* metric("persistence_duplicate_ticks_total", { source: "storage" }), 4)
          assert.strictEqual(yield* metric("persistence_duplicate_ticks_total", { source: "tracker" }), 0)
          assert.deepInclude(yield* queue.account, { stored: 5, duplicate: 4, inHand: 0 })
        })
      )
  )
}

it.effect("stores ticks again rather than lose them when the storage can't say what it has", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      const { faults, first, queue } = bench
      yield* LogWatch.expect("Warn", /^Stored batches can't be listed/u, { times: 1 })
      yield* before(bench, range(1, 4))
      yield* faults.next("list", [FaultyStorage.fail(io)])
      yield* first.start
      yield* queue.offerAll(range(1, 3))
      yield* settleDown
      assert.deepStrictEqual(yield* stored(bench), [
        [1, 2, 3],
        [1, 2, 3, 4]
      ])
      assert.deepInclude(yield* queue.account, { stored: 3, duplicate: 0, inHand: 0 })
    })
  )
)

it.effect("goes on without recalling when the storage hangs, and stores", () =>
  onBench(options, [{ level: "Warn", message: /^Ledger|^Runs could not be compared/u }], (bench) =>
    Effect.gen(function* () {
      const { faults, first, queue } = bench
      yield* LogWatch.expect("Warn", /^Stored batches can't be listed/u, { times: 1 })
      yield* faults.next("list", [FaultyStorage.stuck])
      yield* first.start
      yield* queue.offerAll(range(1, 3))
      yield* settleDown
      assert.deepInclude(yield* queue.account, { stored: 0, inHand: 3 })
      yield* advance(31_000, 1000)
      assert.deepInclude(yield* queue.account, { stored: 3, inHand: 0 })
    })
  )
)

it.effect("stores its batch when it is stopped while the storage hangs at being asked", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      const { faults, first, letters, queue } = bench
      yield* LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
      yield* LogWatch.allow("Warn", /^Stored batches can't be listed/u)
      yield* faults.always("list", FaultyStorage.stuck)
      yield* first.start
      yield* queue.offerAll(range(1, 3))
      yield* settleDown
      yield* whileTimePasses(first.stop)
      assert.lengthOf(yield* letters, 0)
      yield* assertBalanced(first)
      yield* assertAccount(queue)
      assert.deepInclude(yield* queue.account, { stored: 3, inHand: 0 })
    })
  )
)
