// @module-tag unit
/** Batches whose last attempt has not answered, or was interrupted. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Compression from "../../src/batch/Compression.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as BatchWriter from "../../src/persistence/BatchWriter.ts"
import * as Portion from "../../src/persistence/Portion.ts"
import * as WriteOptions from "../../src/persistence/WriteOptions.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import * as BatchFile from "../support/batchFiles.ts"
import { acceptsAgain, bothRefuse } from "./degrade.ts"
import { advance, assertAccount, assertBalanced, io, onBench, settleDown } from "./harness.ts"

const first = TestTick.make("run", 1)
const ticks = [first, TestTick.make("run", 2), TestTick.make("run", 3)] as const
const key = StorageKey.batch(RunId.make("run"), ticks)
const shutdown = LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
const returned = LogWatch.expect("Error", "Batch could not be settled in time, returned to the queue", { times: 1 })
const givenUp = LogWatch.expect("Error", "Failed to write batch, giving up", { times: 1 })
const options = { persistence: { maxBatchSize: 3, shutdownTimeout: "10 seconds" } } as const

it.effect("counts as written, not as a duplicate, a batch that was returned and stored meanwhile", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* Effect.andThen(shutdown, returned)
      yield* bench.faults.next("commit", [FaultyStorage.late(Effect.sleep("1 minute")), FaultyStorage.hang])
      bench.setLetters("hang")
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      yield* settleDown
      const stop = yield* Effect.forkChild(bench.first.stop)
      yield* advance(10_000, 1000)
      yield* Fiber.join(stop)
      yield* advance(60_000, 10_000)
      assert.strictEqual((yield* bench.files).size, 1, "the first attempt has stored it")
      yield* bench.first.start
      yield* settleDown
      assert.deepInclude(yield* bench.first.metrics, {
        ticks_received: 6,
        ticks_returned: 3,
        ticks_written: 3,
        duplicate_ticks_detected: 0
      })
      yield* assertBalanced(bench.first)
      yield* assertAccount(bench.queue)
    })
  )
)

it.effect("counts as written, not as a duplicate, what an attempt stored before a defect", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* Effect.andThen(givenUp, LogWatch.expect("Error", bothRefuse, { times: 1 }))
      yield* LogWatch.expect("Info", acceptsAgain, { times: 1 })
      const breaks = BatchFile.write(bench.faults.underneath, key, ticks).pipe(
        Effect.orDie,
        Effect.andThen(Effect.die(new Error("broke after it was stored")))
      )
      yield* bench.faults.next("commit", [FaultyStorage.wait(breaks)])
      bench.setLetters("full")
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      yield* settleDown
      assert.isDefined(yield* bench.first.degraded)
      yield* advance(2000, 500)
      assert.deepInclude(yield* bench.first.metrics, { ticks_written: 3, duplicate_ticks_detected: 0 })
      assert.deepInclude(yield* bench.queue.account, { stored: 3, duplicate: 0, inHand: 0 })
    })
  )
)

it.effect("keeps the time of the first failure when a later attempt is interrupted", () =>
  onBench(options, [], (bench) =>
    Effect.gen(function* () {
      yield* shutdown
      yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* bench.faults.always("commit", FaultyStorage.hang)
      yield* bench.faults.next("commit", [FaultyStorage.fail(io)])
      yield* advance(100, 100)
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      yield* settleDown
      yield* advance(1900, 100)
      const stop = yield* Effect.forkChild(bench.first.stop)
      yield* advance(5000, 1000)
      yield* Fiber.join(stop)
      const [letter] = yield* bench.letters
      assert.deepInclude(letter, { firstFailureTimeMs: 100n, lastFailureTimeMs: 7000n, retryCount: 2 })
    })
  )
)

it.effect("gives back what is in flight when the stop itself meets a defect", () => {
  const recalls = [Effect.never, Effect.die(new Error("the tracker broke"))]
  const beforeRecall = Effect.suspend(() => recalls.shift() ?? Effect.void)
  return onBench({ ...options, beforeRecall }, [{ level: "Error", message: /^Service/u }], (bench) =>
    Effect.gen(function* () {
      yield* Effect.andThen(shutdown, returned)
      yield* bench.first.start
      yield* bench.queue.offerAll(ticks)
      yield* settleDown
      assert.deepInclude(yield* bench.queue.account, { inHand: 3 })
      yield* Effect.exit(bench.first.stop)
      assert.lengthOf(recalls, 0)
      assert.deepInclude(yield* bench.queue.account, { inHand: 0, returned: 3 })
      yield* assertBalanced(bench.first)
    })
  )
})

/** Settles ticks and counts nothing. */
const settle = (portion: Portion.Portion, some: Parameters<typeof Portion.remove>[1]) =>
  Effect.sync(() => Portion.remove(portion, some))

it.effect("settles in any case what the storage has answered for, however soon it is interrupted", () =>
  Effect.gen(function* () {
    const writeOptions = yield* Schema.decodeEffect(WriteOptions.Options)({})
    let interruptedAfterAnswer = 0
    for (let steps = 0; steps < 60; steps++) {
      let answered = false
      const slow = () =>
        Effect.andThen(
          Effect.sync(() => void (answered = true)),
          Effect.repeat(Effect.yieldNow, { times: 10 })
        )
      const make = yield* BatchWriter.make(writeOptions, 1).pipe(
        Effect.provideService(Storage.Storage, yield* Storage.makeMemory("memory")),
        Effect.provideService(Compression.Compression, Compression.none),
        Effect.provideService(IdempotencyTracker.IdempotencyTracker, IdempotencyTracker.discard)
      )
      const writer = make(settle, { ...BatchWriter.unobserved, attempted: slow })
      const batch = { ticks, reason: "size", enqueuedAtMs: 0, returned: false } as const
      const [portion] = Portion.divide(batch, "split", 0)
      assert(portion?._tag === "Storable")
      const storing = yield* Effect.forkChild(writer.store(portion), { startImmediately: true })
      for (let step = 0; step < steps; step++) yield* Effect.yieldNow
      if (answered && storing.pollUnsafe() === undefined) interruptedAfterAnswer++
      yield* Fiber.interrupt(storing)
      if (answered) assert.isTrue(portion.settled, `interrupted after ${steps} steps`)
    }
    assert.isAbove(interruptedAfterAnswer, 0)
  })
)
