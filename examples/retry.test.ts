import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { NoSpace } from "tickvault/storage/StorageError"
import * as FaultyStorage from "tickvault/testing/FaultyStorage"
import * as TestPipeline from "tickvault/testing/TestPipeline"
import * as TestTick from "tickvault/testing/TestTick"

it.effect("tries a full disk again after exactly 1 s, 2 s and 4 s, and loses nothing", () =>
  Effect.gen(function* () {
    const { faults, keys, queue } = yield* TestPipeline.TestPipeline
    yield* faults.next("commit", FaultyStorage.repeat(FaultyStorage.fail(new NoSpace({ code: "ENOSPC" })), 3))
    yield* queue.offerAll(TestTick.range("run", 1, 10))

    yield* TestClock.adjust("5 seconds") // the batch is not full: it closes at its timeout
    yield* TestClock.adjust("7 seconds") // 1 + 2 + 4

    const commits = (yield* faults.calls).filter(({ operation }) => operation === "commit")
    assert.deepStrictEqual(
      commits.map(({ atMs }) => atMs),
      [5000, 6000, 8000, 12_000]
    )
    assert.deepStrictEqual(yield* keys, ["run/batch_0000000000000000001_0000000000000000010.pb"])
  }).pipe(Effect.provide(TestPipeline.layer()))
)
