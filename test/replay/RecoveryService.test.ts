// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { Reason } from "../../src/deadletter/DeadLetter.ts"
import { DeadLetterError, DeadLetterQueue, LetterMissing } from "../../src/deadletter/DeadLetterQueue.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as RecoveryService from "../../src/replay/RecoveryService.ts"
import { NoSpace } from "../../src/storage/StorageError.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { metric, settleDown } from "../persistence/harness.ts"
import { randomFrom } from "../support/random.ts"
import { makeReplays, type Replays, watched } from "./replays.ts"

const noSpace = new NoSpace({ code: "ENOSPC" })
const name = (tick: Tick.Tick) => `${tick.simulationRunId}:${tick.tickNumber}`

const allowLifecycle = LogWatch.allow("Info", /^Service (started|stopped|paused|resumed)$/u)

/** A service that is stopped, with all that it works on. `seen` notes when it looks at a letter, in seconds. */
const makeRecovery = Effect.fnUntraced(function* (options: typeof RecoveryService.Options.Encoded = {}) {
  yield* allowLifecycle
  const bench = yield* makeReplays()
  const seen: Array<readonly [id: string, seconds: number]> = []
  let unreadable = false
  const error = new DeadLetterError({ queue: "letters", reason: new LetterMissing({ letter: "any" }) })
  const watchedQueue = DeadLetterQueue.of({
    ...bench.deadLetters,
    ids: Stream.suspend(() => (unreadable ? Stream.fail(error) : bench.deadLetters.ids)),
    get: (id) =>
      Effect.andThen(
        Effect.map(Clock.currentTimeMillis, (nowMs) => void seen.push([id, nowMs / 1000])),
        bench.deadLetters.get(id)
      )
  })
  const service = yield* RecoveryService.make("recovery", options).pipe(
    Effect.provideService(DeadLetterQueue, watchedQueue),
    Effect.provideContext(bench.context)
  )
  /** The seconds at which attempts to store were made. */
  const attempts = Effect.map(bench.faults.calls, (calls) =>
    calls.filter(({ operation }) => operation === "create").map(({ atMs }) => atMs / 1000)
  )
  return { ...bench, service, seen, attempts, setUnreadable: (now: boolean) => void (unreadable = now) }
})

const broken = (bench: Replays) => bench.faults.always("create", FaultyStorage.fail(noSpace))

const pass = (duration: Parameters<typeof TestClock.adjust>[0]) =>
  Effect.andThen(settleDown, Effect.andThen(TestClock.adjust(duration), settleDown))

describe("a recovery service", () => {
  it.effect("tells whoever awaits it what it died of", () =>
    watched(
      Effect.gen(function* () {
        yield* LogWatch.expect("Error", "Service failed", { times: 1 })
        yield* allowLifecycle
        const bench = yield* makeReplays()
        const faulty = DeadLetterQueue.of({ ...bench.deadLetters, ids: Stream.die("a fault of the queue") })
        const service = yield* RecoveryService.make("recovery").pipe(
          Effect.provideService(DeadLetterQueue, faulty),
          Effect.provideContext(bench.context)
        )
        yield* service.start
        const exit = yield* Effect.exit(service.await)
        assert.strictEqual(Exit.isFailure(exit) && Cause.squash(exit.cause), "a fault of the queue")
        assert.strictEqual(yield* service.state, "ERROR")
      })
    )
  )

  it.effect("looks at once and then every interval, and stores what the storage takes", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeRecovery()
        const ticks = TestTick.range("run", 1, 4)
        yield* bench.give(ticks)
        yield* bench.service.start
        yield* settleDown
        assert.deepStrictEqual(yield* bench.ids, [])
        yield* bench.give(TestTick.range("run", 5, 6))
        yield* pass("59999 millis")
        assert.lengthOf(yield* bench.ids, 1)
        yield* pass("1 millis")
        assert.deepStrictEqual(yield* bench.ids, [])
        assert.deepInclude(yield* bench.service.metrics, {
          looks: 2,
          letters_replayed: 2,
          replays_failed: 0,
          ticks_stored: 6,
          letters_waiting: 0
        })
        assert.strictEqual(yield* metric("persistence_dlq_replayed_total", { outcome: "stored" }), 2)
        yield* bench.service.stop
      })
    )
  )

  it.effect("waits twice as long after each failure, up to the limit, and stores when the storage heals", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeRecovery({ maxInterval: "8 minutes" })
        yield* bench.give(TestTick.range("run", 1, 3))
        yield* broken(bench)
        yield* bench.service.start
        for (let minute = 0; minute < 32; minute++) yield* pass("1 minute")
        const minutes = (yield* bench.attempts).map((seconds) => seconds / 60)
        assert.deepStrictEqual(minutes, [0, 1, 3, 7, 15, 23, 31])
        assert.deepInclude(yield* bench.service.metrics, { replays_failed: 7, letters_waiting: 1, letters_replayed: 0 })
        yield* bench.faults.heal
        for (let minute = 32; minute < 39; minute++) yield* pass("1 minute")
        assert.deepStrictEqual(yield* bench.ids, [])
        assert.deepInclude(yield* bench.service.metrics, { ticks_stored: 3, letters_waiting: 0, letters_replayed: 1 })
        yield* bench.service.stop
      })
    )
  )

  it.effect("makes no letter wait because another one fails", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeRecovery()
        const poor = yield* bench.give(TestTick.range("run", 1, 3))
        yield* broken(bench)
        yield* bench.service.start
        yield* pass("1 minute")
        yield* bench.faults.heal
        yield* bench.give(TestTick.range("other", 1, 3))
        yield* pass("1 minute")
        assert.deepStrictEqual<ReadonlyArray<string>>(yield* bench.ids, [poor])
        yield* pass("1 minute")
        assert.deepStrictEqual(yield* bench.ids, [])
        yield* bench.service.stop
      })
    )
  )

  it.effect("leaves letters alone that no waiting can help, and looks at their reason now and then", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeRecovery({ maxInterval: "10 minutes" })
        const reasons: ReadonlyArray<Reason> = ["validation", "mixed_run", "key_conflict", "internal"]
        for (const reason of reasons) yield* bench.give(TestTick.range(reason, 1, 2), reason)
        yield* bench.service.start
        for (let minute = 0; minute < 9; minute++) yield* pass("1 minute")
        assert.lengthOf(yield* bench.ids, 4)
        assert.lengthOf(bench.seen, 4)
        assert.deepStrictEqual(yield* bench.attempts, [])
        assert.deepInclude(yield* bench.service.metrics, { letters_left: 4, letters_waiting: 0, replays_failed: 0 })
        yield* pass("1 minute")
        assert.lengthOf(bench.seen, 8)
        yield* bench.service.stop
      })
    )
  )

  it.effect("takes it for no error that a letter is replayed or dropped meanwhile", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeRecovery()
        yield* LogWatch.expect("Warn", "Dead letter dropped, its ticks are gone", { times: 1 })
        const ids = yield* Effect.forEach([1, 2, 3], (run) => bench.give(TestTick.range(`run-${run}`, 1, 3)))
        yield* broken(bench)
        yield* bench.service.start
        yield* settleDown
        yield* bench.faults.heal
        yield* bench.replays.replay(ids[0] ?? "")
        yield* bench.replays.drop(ids[1] ?? "", "not needed")
        yield* pass("1 minute")
        assert.deepStrictEqual(yield* bench.ids, [])
        assert.deepInclude(yield* bench.service.metrics, { letters_replayed: 1, replays_failed: 3, letters_waiting: 0 })
        assert.strictEqual(yield* bench.service.state, "RUNNING")
        yield* bench.service.stop
      })
    )
  )

  it.effect("goes on when the queue can't be read, when the storage can't say what it has, and after a fault", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeRecovery()
        yield* LogWatch.expect("Warn", "Dead letter could not be replayed and waits for its next turn", { times: 2 })
        yield* bench.give(TestTick.range("run", 1, 3))
        yield* bench.faults.next("list", [FaultyStorage.fail(noSpace), FaultyStorage.die(new Error("a bug"))])
        yield* LogWatch.expect("Warn", "Dead letters can't be looked at, trying again", { times: 1 })
        bench.setUnreadable(true)
        yield* bench.service.start
        yield* settleDown
        bench.setUnreadable(false)
        for (let minute = 1; minute < 4; minute++) yield* pass("1 minute")
        assert.lengthOf(yield* bench.ids, 1)
        yield* pass("1 minute")
        assert.deepStrictEqual(yield* bench.ids, [])
        yield* bench.service.stop
      })
    )
  )

  it.effect("begins nothing while it is paused", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeRecovery()
        yield* bench.service.start
        yield* settleDown
        yield* bench.service.pause
        yield* bench.give(TestTick.range("run", 1, 3))
        yield* pass("10 minutes")
        assert.lengthOf(yield* bench.ids, 1)
        yield* bench.service.resume
        yield* settleDown
        assert.deepStrictEqual(yield* bench.ids, [])
        yield* bench.service.stop
      })
    )
  )

  it.effect("stops at once although a storage hangs, and lets go of the ticks", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeRecovery()
        const id = yield* bench.give(TestTick.range("run", 1, 3))
        yield* bench.faults.next("commit", [FaultyStorage.hang])
        yield* bench.service.start
        yield* settleDown
        yield* bench.service.stop
        assert.deepStrictEqual<ReadonlyArray<string>>(yield* bench.ids, [id])
        yield* bench.service.start
        yield* settleDown
        assert.deepStrictEqual(yield* bench.ids, [])
        yield* bench.service.stop
      })
    )
  )

  it.effect("may be stopped anywhere: no tick is lost or stored twice", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 100; seed++) yield* watched(stoppedAnywhere(seed))
    })
  )
})

const stoppedAnywhere = Effect.fnUntraced(function* (seed: number) {
  const random = randomFrom(seed)
  const bench = yield* makeRecovery({ interval: "10 millis", maxInterval: "40 millis" })
  yield* LogWatch.allow("Warn", /^(Dead letter could not be replayed|Ledger could not be (written|compared))/u)
  const all: Array<Tick.Tick> = []
  for (let letter = random.between(1, 4); letter > 0; letter--) {
    const ticks = TestTick.range(`run-${random.between(1, 2)}`, letter * 10, letter * 10 + random.between(0, 5))
    all.push(...ticks)
    yield* bench.give(ticks)
  }
  for (let round = random.between(1, 5); round > 0; round--) {
    const operation = random.pick(["create", "commit", "sync", "list"] as const)
    if (random.chance(0.5)) yield* bench.faults.next(operation, [FaultyStorage.failAfter(noSpace)])
    yield* bench.service.start
    yield* Effect.repeat(Effect.yieldNow, { times: random.between(0, 80) })
    if (random.chance(0.5)) yield* TestClock.adjust(random.between(1, 30))
    yield* bench.service.stop
    assert.strictEqual(yield* bench.service.state, "STOPPED")
  }
  yield* bench.faults.heal
  yield* bench.service.start
  for (let wait = 0; wait < 400 && (yield* bench.ids).length > 0; wait++) yield* pass("50 millis")
  yield* bench.service.stop
  assert.deepStrictEqual(yield* bench.ids, [], `seed ${seed}`)
  const stored = Object.values(yield* bench.files).flat()
  assert.deepStrictEqual(stored.map(name).sort(), all.map(name).sort(), `seed ${seed}`)
})
