/** Services that are degraded: a storage and dead letters that both refuse, and what is logged of it. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { type Bench, noSpace, settleDown } from "./harness.ts"

export const bothRefuse = "Storage and dead-letter queue both refuse, keeping the batch and trying again"
export const stillRefuse = "Storage and dead-letter queue still refuse, the batch is kept"
export const acceptsAgain = "Storage or dead-letter queue accepts batches again"
export const givenUp = LogWatch.expect("Error", "Failed to write batch, giving up")

export const degradeTicks = TestTick.range("run", 1, 3)
export const degradeOptions = { persistence: { maxBatchSize: 3, maxRetries: 0 }, queue: { capacity: 6 } }

/** What is refused at 500 ms, in the words of both. */
export const refusal =
  'storage commit of "run/batch_0000000000000000001_0000000000000000003.pb" failed: no space left (ENOSPC): make room on ' +
  'the disk; dead-letter queue "letters": it is full with 1 letters: replay or drop some, or raise its capacity'

/** The lines of a service that is stopped while it is degraded and settles its batch at last. */
export const settledAtStop: ReadonlyArray<LogWatch.Allowed> = [
  { level: "Info", message: "Shutdown requested, writing partial batch" },
  { level: "Info", message: acceptsAgain }
]

/**
 * Has a service take `degradeTicks` in hand at 500 ms, which neither the storage nor the dead-letter queue takes. It
 * says so `times` times by the end of the test.
 */
export const degrade = Effect.fnUntraced(function* ({ faults, first, queue, setLetters }: Bench, times = 1) {
  yield* givenUp
  yield* LogWatch.expect("Error", bothRefuse, { times })
  yield* faults.always("commit", FaultyStorage.fail(noSpace))
  setLetters("full")
  yield* TestClock.adjust(500)
  yield* first.start
  yield* queue.offerAll(degradeTicks)
  yield* settleDown
  assert.strictEqual((yield* first.degraded)?.sinceMs, 500)
  assert.deepInclude(yield* first.metrics, { ticks_in_flight: 3, batches_failed: 0, ticks_lost: 0 })
})
