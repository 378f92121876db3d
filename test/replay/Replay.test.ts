// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as BatchFile from "../support/batchFiles.ts"
import { IoFailure, NoSpace } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { metric, settleDown, whileTimePasses } from "../persistence/harness.ts"
import { randomFrom } from "../support/random.ts"
import { makeReplays, type Replays, watched } from "./replays.ts"

const pad = (tick: number) => tick.toString().padStart(19, "0")
const keyOf = (run: string, first: number, last: number) => `${run}/batch_${pad(first)}_${pad(last)}.pb`

const store = (bench: Replays, ticks: ReadonlyArray<Tick.Tick>) => {
  assert(Tick.isBatch(ticks))
  const runId = RunId.make(ticks[0].simulationRunId)
  return BatchFile.write(bench.faults.underneath, StorageKey.batch(runId, ticks), ticks)
}

const name = (tick: Tick.Tick) => `${tick.simulationRunId}:${tick.tickNumber}`

const noSpace = new NoSpace({ code: "ENOSPC" })

describe("a replay", () => {
  it.effect("stores the ticks under the key they would have had, notes it for good, and the letter is gone", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const ticks = TestTick.range("run", 3, 9, 20)
        const id = yield* bench.give(ticks)
        const replayed = yield* bench.replays.replay(id)
        assert.deepStrictEqual(replayed, { letter: id, stored: 7, duplicate: 0, remaining: 0, problem: undefined })
        assert.deepStrictEqual(yield* bench.files, { [keyOf("run", 3, 9)]: ticks })
        assert.deepStrictEqual(yield* bench.ids, [])
        const entries = yield* bench.entries("run")
        assert.deepStrictEqual(
          entries.map((entry) => entry._tag),
          ["Commit", "Replay"]
        )
        assert.deepInclude(entries[0], { count: 7, key: keyOf("run", 3, 9) })
        assert.deepInclude(entries[1], { letter: id, stored: 7, duplicate: 0, remaining: 0 })
        assert.strictEqual(yield* metric("persistence_dlq_replayed_ticks_total", { outcome: "stored" }), 7)
        assert.isUndefined(yield* metric("persistence_ticks_written_total"))
      })
    )
  )

  it.effect("takes what is stored already for duplicates, however it was cut into batches, and stores the rest", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const ticks = TestTick.range("run", 1, 10)
        yield* store(bench, ticks.slice(0, 2))
        yield* store(bench, ticks.slice(4, 7))
        const id = yield* bench.give(ticks)
        assert.deepInclude(yield* bench.replays.preview(id), { fresh: 5, duplicate: 5, refused: 0 })
        assert.deepInclude(yield* bench.replays.replay(id), { stored: 5, duplicate: 5, remaining: 0 })
        const stored = Object.values(yield* bench.files).flat()
        assert.lengthOf(stored, 10)
        assert.deepStrictEqual(yield* bench.ids, [])
      })
    )
  )

  it.effect("of a letter whose batch is stored to the last byte writes nothing", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const ticks = TestTick.range("run", 1, 4)
        yield* store(bench, ticks)
        const id = yield* bench.give(ticks)
        assert.deepInclude(yield* bench.replays.replay(id), { stored: 0, duplicate: 4, remaining: 0 })
        const calls = yield* bench.faults.calls
        assert.deepStrictEqual(
          calls.filter(({ operation }) => operation === "commit"),
          []
        )
        assert.strictEqual(yield* metric("persistence_dlq_replayed_total", { outcome: "duplicate" }), 1)
      })
    )
  )

  it.effect("secures what it finds stored before the letter goes, as nobody may have heard that it is durable", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const ticks = TestTick.range("run", 1, 4)
        yield* store(bench, ticks)
        const id = yield* bench.give(ticks)
        yield* bench.faults.next("secure", [FaultyStorage.fail(new IoFailure({ code: "EIO" }))])
        assert.strictEqual((yield* Effect.flip(bench.replays.replay(id)))._tag, "StorageError")
        assert.deepStrictEqual<ReadonlyArray<string>>(yield* bench.ids, [id])
        yield* bench.replays.replay(id)
        const secured = (yield* bench.faults.calls).filter(({ operation }) => operation === "secure")
        assert.deepStrictEqual(
          secured.map(({ key }) => key),
          [keyOf("run", 1, 4), keyOf("run", 1, 4)]
        )
        assert.deepStrictEqual(yield* bench.ids, [])
      })
    )
  )

  it.effect("makes the ledger's entry of what it finds stored, also when the run was compared with it before", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        yield* bench.replays.replay(yield* bench.give(TestTick.range("run", 1, 4)))
        yield* settleDown
        const ticks = TestTick.range("run", 5, 9)
        yield* store(bench, ticks)
        const replayed = yield* bench.replays.replay(yield* bench.give(ticks))
        assert.deepInclude(replayed, { stored: 0, duplicate: 5, remaining: 0 })
        // A run is compared with its ledger once a minute at most.
        yield* TestClock.adjust("1 minute")
        yield* settleDown
        const keys = (yield* bench.entries("run")).flatMap((entry) => (entry._tag === "Commit" ? [entry.key] : []))
        assert.deepStrictEqual<ReadonlyArray<string>>(keys, [keyOf("run", 1, 4), keyOf("run", 5, 9)])
      })
    )
  )

  it.effect("of a letter of several runs makes a file a run", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const [a, b] = [TestTick.range("a", 1, 2), TestTick.range("b", 1, 3)]
        const id = yield* bench.give([...a, ...b], "mixed_run")
        assert.deepInclude(yield* bench.replays.replay(id), { stored: 5, remaining: 0 })
        assert.deepStrictEqual(yield* bench.files, { [keyOf("a", 1, 2)]: a, [keyOf("b", 1, 3)]: b })
        for (const [run, stored] of [
          ["a", 2],
          ["b", 3]
        ] as const) {
          const [, replay] = yield* bench.entries(run)
          assert.deepInclude(replay, { _tag: "Replay", letter: id, stored, remaining: 0 })
        }
      })
    )
  )

  it.effect("leaves in the letter what still fails, and lengthens its history", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays({ maxRetries: 1 })
        const good = TestTick.range("good", 1, 3)
        const bad = TestTick.range("../bad", 1, 2)
        const id = yield* bench.give([...good, ...bad], "mixed_run")
        yield* TestClock.adjust("1 hour")
        const replayed = yield* bench.replays.replay(id)
        assert.deepInclude(replayed, { stored: 3, remaining: 2 })
        assert.include(replayed.problem, "../bad")
        const letter = yield* bench.deadLetters.get(id)
        assert.deepStrictEqual<ReadonlyArray<Tick.Tick>>(yield* DeadLetter.ticks(letter), bad)
        assert.strictEqual(letter.reason, "validation")
        assert.strictEqual(letter.message.firstFailureTimeMs, 1000n)
        assert.isAbove(Number(letter.message.lastFailureTimeMs), 3_000_000)
        assert.isAbove(letter.message.retryCount, 3)
        assert.deepInclude(yield* bench.replays.replay(id), { stored: 0, duplicate: 0, remaining: 2 })
      })
    )
  )

  it.effect("tries again like a live batch, and keeps the whole letter when the retries are spent", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const ticks = TestTick.range("run", 1, 3)
        const id = yield* bench.give(ticks)
        yield* bench.faults.always("commit", FaultyStorage.fail(noSpace))
        assert.deepInclude(yield* whileTimePasses(bench.replays.replay(id)), { stored: 0, remaining: 3 })
        const commits = (yield* bench.faults.calls).filter(({ operation }) => operation === "commit")
        assert.deepStrictEqual(
          commits.slice(1).map(({ atMs }, index) => atMs - (commits[index]?.atMs ?? 0)),
          [1000, 2000, 4000]
        )
        yield* bench.faults.heal
        assert.deepInclude(yield* bench.replays.replay(id), { stored: 3, remaining: 0 })
      })
    )
  )

  it.effect("never stores a tick whose number another tick has, and says so", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        yield* store(bench, [TestTick.make("run", 2, 5)])
        const id = yield* bench.give(TestTick.range("run", 1, 3))
        assert.deepInclude(yield* bench.replays.preview(id), { fresh: 2, duplicate: 0, refused: 1 })
        const replayed = yield* bench.replays.replay(id)
        assert.deepInclude(replayed, { stored: 2, duplicate: 0, remaining: 1 })
        assert.include(replayed.problem, "different bytes")
        assert.strictEqual((yield* bench.deadLetters.get(id)).reason, "key_conflict")
      })
    )
  )

  it.effect("keeps ticks that a live batch has in hand, or that are remembered as stored and are not", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const ticks = TestTick.range("run", 1, 5)
        const [inHand, remembered] = [ticks.slice(0, 2), ticks.slice(2, 3)]
        yield* bench.tracker.claim(new RunBatch(RunId.make("run"), [...inHand, ...remembered]))
        yield* bench.tracker.commit(new RunBatch(RunId.make("run"), remembered))
        yield* LogWatch.allow("Error", "Duplicate tick detected")
        yield* LogWatch.allow("Warn", "Entire batch was duplicates, skipping")
        const id = yield* bench.give(ticks)
        const replayed = yield* bench.replays.replay(id)
        assert.deepInclude(replayed, { stored: 2, duplicate: 0, remaining: 3 })
        assert.include(replayed.problem, "replay again later")
        assert.strictEqual((yield* bench.deadLetters.get(id)).reason, "storage")
        yield* store(bench, inHand)
        assert.deepInclude(yield* bench.replays.replay(id), { stored: 0, duplicate: 2, remaining: 1 })
      })
    )
  )

  it.effect("stores a tick once that a letter has twice, and never drops another tick of its number", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const [one, two] = TestTick.range("run", 1, 2)
        assert(one !== undefined && two !== undefined)
        const other = TestTick.make("run", 2, 50)
        const id = yield* bench.give([one, two, one, other], "mixed_run")
        const replayed = yield* bench.replays.replay(id)
        assert.deepInclude(replayed, { stored: 2, duplicate: 1, remaining: 1 })
        assert.deepStrictEqual(yield* bench.files, { [keyOf("run", 1, 2)]: [one, two] })
        const letter = yield* bench.deadLetters.get(id)
        assert.strictEqual(letter.reason, "key_conflict")
        assert.deepStrictEqual<ReadonlyArray<Tick.Tick>>(yield* DeadLetter.ticks(letter), [other])
      })
    )
  )

  it.effect("that stores nothing lengthens the history even when the ledger can't be written", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays({ maxRetries: 0 })
        const id = yield* bench.give(TestTick.range("run", 1, 3))
        yield* bench.faults.always("commit", FaultyStorage.fail(noSpace))
        yield* bench.faults.always("append", FaultyStorage.fail(noSpace))
        assert.deepInclude(yield* bench.replays.replay(id), { stored: 0, remaining: 3 })
        assert.strictEqual((yield* bench.deadLetters.get(id)).message.retryCount, 4)
        yield* bench.faults.heal
        assert.deepStrictEqual(yield* bench.entries("run"), [])
      })
    )
  )

  it.effect("keeps the letter when the outcome can't be noted, and finds duplicates the next time", () =>
    watched(
      Effect.gen(function* () {
        yield* LogWatch.allow("Warn", /^Ledger/u)
        const bench = yield* makeReplays()
        const id = yield* bench.give(TestTick.range("run", 1, 3))
        yield* bench.faults.always("sync", FaultyStorage.fail(new IoFailure({ code: "EIO" })))
        const error = yield* Effect.flip(bench.replays.replay(id))
        assert.strictEqual(error._tag, "StorageError")
        assert.deepStrictEqual<ReadonlyArray<string>>(yield* bench.ids, [id])
        yield* bench.faults.heal
        assert.deepInclude(yield* whileTimePasses(bench.replays.replay(id)), { stored: 0, duplicate: 3, remaining: 0 })
        assert.deepStrictEqual(yield* bench.ids, [])
      })
    )
  )

  it.effect("may be interrupted anywhere and repeated: no tick is lost or stored twice", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 300; seed++) {
        yield* watched(interruptedReplay(seed))
      }
    })
  )

  it.effect("says which letter there is none of, and which can't be read", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const error = yield* Effect.flip(bench.replays.replay("nothing"))
        assert.include(error.message, '"nothing"')
      })
    )
  )
})

const interruptedReplay = Effect.fnUntraced(function* (seed: number) {
  const random = randomFrom(seed)
  const bench = yield* makeReplays({ retryBackoffMs: 1 })
  const ticks = [...TestTick.range("a", 1, random.between(1, 9)), ...TestTick.range("b", 1, random.between(0, 4))]
  yield* store(
    bench,
    ticks.slice(0, random.between(1, ticks.length)).filter((tick) => tick.simulationRunId === "a")
  )
  const id = yield* bench.give(ticks)
  for (let attempt = random.between(1, 4); attempt > 0; attempt--) {
    if (random.chance(0.5)) yield* bench.faults.next("commit", [FaultyStorage.failAfter(noSpace)])
    const fiber = yield* bench.replays
      .replay(id)
      .pipe(Effect.provideService(MaxOpsBeforeYield, random.pick([12, 17, 50])), Effect.forkChild)
    yield* Effect.repeat(Effect.yieldNow, { times: random.between(0, 120) })
    if (random.chance(0.5)) yield* TestClock.adjust(random.between(1, 5))
    yield* Fiber.interrupt(fiber)
  }
  yield* bench.faults.heal
  yield* settleDown
  if ((yield* bench.ids).length > 0) {
    assert.deepInclude(yield* whileTimePasses(bench.replays.replay(id)), { remaining: 0 }, `seed ${seed}`)
  }
  const stored = Object.values(yield* bench.files).flat()
  assert.deepStrictEqual(stored.map(name).sort(), ticks.map(name).sort(), `seed ${seed}`)
  assert.deepStrictEqual(yield* bench.ids, [], `seed ${seed}`)
})

describe("dropping a letter", () => {
  it.effect("notes the ticks and the reason in the ledger before the letter goes", () =>
    watched(
      Effect.gen(function* () {
        yield* LogWatch.expect("Warn", "Dead letter dropped, its ticks are gone", { times: 1 })
        const bench = yield* makeReplays()
        const id = yield* bench.give(TestTick.range("run", 5, 8))
        assert.strictEqual(yield* bench.replays.drop(id, "made by mistake"), 4)
        assert.deepStrictEqual(yield* bench.ids, [])
        const [entry] = yield* bench.entries("run")
        assert.deepInclude(entry, {
          _tag: "Drop",
          letter: id,
          stretches: [[5n, 8n, 1n]],
          count: 4,
          reason: "made by mistake"
        })
      })
    )
  )
})
