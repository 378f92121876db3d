// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as TickSet from "../../src/domain/TickSet.ts"
import * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as LedgerLine from "../../src/ledger/LedgerLine.ts"
import * as Recall from "../../src/recall/Recall.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { IoFailure } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

const runId = RunId.make("run")
const io = new IoFailure({ code: "EIO" })

const range = (first: number, last: number) => TestTick.range("run", first, last)

/** A storage of earlier days with faults, and a recall that has not looked into it yet. */
const makeEarlier = Effect.gen(function* () {
  const { faults, storage } = FaultyStorage.make(yield* Storage.makeMemory("memory"))
  const recall = yield* Effect.provideService(Recall.make, Storage.Storage, storage)
  const put = Effect.fnUntraced(function* (ticks: ReadonlyArray<Tick.Tick>) {
    if (!Tick.isBatch(ticks)) return yield* Effect.die(new Error("a batch has ticks"))
    const key = StorageKey.batch(runId, ticks)
    const { checks, bytes } = yield* BatchFile.write(faults.underneath, key, ticks)
    return { key, checks, bytes, ticks }
  })
  return {
    faults,
    recall,
    put,
    /** Enters batches into the ledger; of some of them it says that other ticks are in it. */
    note: (batches: ReadonlyArray<Effect.Success<ReturnType<typeof put>>>, told?: ReadonlyArray<Tick.Tick>) =>
      Effect.gen(function* () {
        const log = yield* faults.underneath.append(StorageKey.ledger(runId, "earlier"))
        for (const { bytes, checks, key, ticks } of batches) {
          const numbers = (told ?? ticks).map(({ tickNumber }) => tickNumber)
          const stretches = LedgerEntry.fromStretches(TickSet.stretches(numbers))
          const entry = { _tag: "Commit", key, stretches, count: ticks.length, bytes, checksum: "00000000" } as const
          yield* log.append(LedgerLine.encode({ ...entry, committedAtMs: 1 }, checks))
        }
      }).pipe(Effect.scoped),
    numbers: (ticks: ReadonlyArray<Tick.Tick>) =>
      Effect.map(recall.among(new RunBatch(runId, ticks)), (found) =>
        found.map(({ tickNumber }) => Number(tickNumber))
      ),
    /** How often an operation was called of batches. */
    calls: (operation: FaultyStorage.Operation) =>
      Effect.map(faults.calls, (calls) =>
        calls.flatMap((call) => (call.operation === operation && call.key.includes("/batch_") ? [call.key] : []))
      )
  }
})

/** Two ticks with many between them. */
const pair = (index: number) => [...range(index, index), ...range(8000 + index, 8000 + index)]

const between = range(4000, 4003)

type Earlier = Effect.Success<typeof makeEarlier>

const on = <A, E>(test: (earlier: Earlier) => Effect.Effect<A, E, LogWatch.LogWatch>) =>
  Effect.flatMap(makeEarlier, test).pipe(Effect.provide(LogWatch.layer({ allow: [{ level: "Debug", message: /./u }] })))

const letItRun = Effect.andThen(TestClock.adjust(0), Effect.repeat(Effect.yieldNow, { times: 50 }))

describe("a recall", () => {
  it.effect("knows what was stored, however it was cut into batches", () =>
    on(({ note, numbers, put }) =>
      Effect.gen(function* () {
        yield* note([yield* put(range(1, 4)), yield* put(range(5, 8))])
        assert.deepStrictEqual(yield* numbers(range(3, 6)), [3, 4, 5, 6])
        assert.deepStrictEqual(yield* numbers(range(7, 10)), [7, 8])
        assert.deepStrictEqual(yield* numbers([...range(2, 2), ...range(20, 20), ...range(2, 2)]), [2, 2])
      })
    )
  )

  it.effect("knows batches that no ledger speaks of, of which each is read once for what is not in it", () =>
    on(({ calls, numbers, put }) =>
      Effect.gen(function* () {
        yield* put([...range(1, 1), ...range(9, 9)])
        assert.deepStrictEqual(yield* numbers(range(2, 4)), [])
        assert.deepStrictEqual(yield* numbers(range(5, 8)), [])
        assert.lengthOf(yield* calls("read"), 1)
        assert.deepStrictEqual(yield* numbers(range(8, 9)), [9])
      })
    )
  )

  it.effect("lists a run once, and asks nothing more of ticks that go on with it", () =>
    on(({ faults, note, numbers, put }) =>
      Effect.gen(function* () {
        yield* note([yield* put(range(1, 4))])
        for (let first = 5; first < 50; first += 5) assert.deepStrictEqual(yield* numbers(range(first, first + 4)), [])
        assert.deepStrictEqual(
          (yield* faults.calls).map(({ key, operation }) => `${operation} ${key}`),
          ["list run/batch_"]
        )
      })
    )
  )

  it.effect("asks the ledger once a hundred batches were read in vain, and reads none that has none of the ticks", () =>
    on(({ calls, faults, note, numbers, put }) =>
      Effect.gen(function* () {
        const all = Array.from({ length: 120 }, (_, index) => index)
        yield* note(yield* Effect.forEach([...all, ...all.map((index) => 20_000 + index)], (first) => put(pair(first))))
        assert.deepStrictEqual(yield* numbers(between), [])
        assert.lengthOf(yield* calls("read"), 120)
        assert.deepStrictEqual(yield* numbers([...range(24_000, 24_001), ...range(28_007, 28_007)]), [28_007])
        assert.lengthOf(yield* calls("read"), 121)
        const ledgers = (yield* faults.calls).filter(
          ({ key, operation }) => operation === "read" && key.includes("/ledger/")
        )
        assert.lengthOf(ledgers, 1)
      })
    )
  )

  it.effect("does not believe the ledger: what it says is there is looked for", () =>
    on(({ faults, note, numbers, put }) =>
      Effect.gen(function* () {
        yield* Effect.forEach(Array.from({ length: 100 }), (_, index) => put(pair(index)))
        const wrong = yield* put([...range(200, 203), ...range(9000, 9000)])
        const gone = yield* put(range(205, 208))
        yield* note([wrong], range(200, 9000))
        yield* note([gone])
        assert.deepStrictEqual(yield* numbers(range(199, 199)), [])
        yield* faults.underneath.remove(gone.key)
        assert.deepStrictEqual(yield* numbers(range(202, 207)), [202, 203])
      })
    )
  )

  it.effect("recalls nothing of ticks among which one has other bytes than the stored one of its number", () =>
    on(({ numbers, put }) =>
      Effect.gen(function* () {
        yield* put([...range(1, 1), TestTick.make("run", 2, 40), ...range(3, 3)])
        yield* LogWatch.expect("Warn", /^Stored ticks have the same numbers but other bytes/u, { times: 1 })
        assert.deepStrictEqual(yield* numbers(range(1, 3)), [])
        assert.deepStrictEqual(yield* numbers([...range(1, 1), ...range(3, 3)]), [1, 3])
        yield* put(range(2, 2))
        assert.deepStrictEqual(yield* numbers([...range(1, 1), ...range(3, 3)]), [1, 3])
      })
    )
  )

  it.effect("knows what a cut batch holds before its end", () =>
    on(({ faults, numbers, put }) =>
      Effect.gen(function* () {
        const { bytes, key } = yield* put(range(1, 4))
        const whole = Bytes.concat([...(yield* Stream.runCollect(faults.underneath.read(key)))])
        yield* faults.underneath.remove(key)
        yield* Storage.write(faults.underneath, key, [whole.subarray(0, bytes - 1)])
        assert.deepStrictEqual(yield* numbers(range(1, 5)), [1, 2, 3])
      })
    )
  )

  it.effect("makes a batch survive a crash before it is relied on, once", () =>
    on(({ calls, faults, note, numbers, put }) =>
      Effect.gen(function* () {
        const { key } = yield* put(range(1, 4))
        yield* note([yield* put(range(5, 8))])
        yield* LogWatch.expect("Warn", /^Stored batches can't be read/u, { times: 1 })
        yield* faults.next("secure", [FaultyStorage.fail(io)])
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [])
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [1, 2])
        assert.deepStrictEqual(yield* numbers(range(3, 4)), [3, 4])
        assert.deepStrictEqual<ReadonlyArray<string>>(yield* calls("secure"), [key, key])
      })
    )
  )

  it.effect("takes ticks for not stored while the storage can't be listed, says so and looks again after a pause", () =>
    on(({ faults, numbers, put }) =>
      Effect.gen(function* () {
        yield* put(range(1, 4))
        yield* LogWatch.expect("Warn", /^Stored batches can't be listed/u, { times: 2 })
        yield* faults.next("list", [FaultyStorage.fail(io), FaultyStorage.die(new Error("broken"))])
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [])
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [])
        yield* TestClock.adjust("1999 millis")
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [1, 2])
      })
    )
  )

  it.effect("reads the batches themselves when the ledger can't be read", () =>
    on(({ faults, numbers, put }) =>
      Effect.gen(function* () {
        yield* Effect.forEach(Array.from({ length: 100 }), (_, index) => put(pair(index)))
        yield* put(range(300, 303))
        assert.deepStrictEqual(yield* numbers(range(299, 299)), [])
        yield* faults.next("list", [FaultyStorage.fail(io)])
        assert.deepStrictEqual(yield* numbers(range(302, 305)), [302, 303])
      })
    )
  )

  it.effect("waits for a storage that hangs for its time at most, and is interrupted at once", () =>
    on(({ faults, numbers, put }) =>
      Effect.gen(function* () {
        yield* put(range(1, 4))
        yield* LogWatch.expect("Warn", /^Stored batches can't be listed/u, { times: 1 })
        yield* faults.always("list", FaultyStorage.stuck)
        const waiting = yield* Effect.forkChild(numbers(range(1, 2)))
        const impatient = yield* Effect.forkChild(numbers(range(1, 2)))
        yield* letItRun
        yield* Fiber.interrupt(impatient)
        yield* TestClock.adjust("29999 millis")
        yield* letItRun
        assert.isUndefined(waiting.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(waiting), [])
      })
    )
  )

  it.effect("reads nothing for a while after a read that hung, and then again", () =>
    on(({ faults, numbers, put }) =>
      Effect.gen(function* () {
        yield* put(range(1, 4))
        yield* LogWatch.expect("Warn", /^Stored batches can't be read/u, { times: 1 })
        yield* faults.next("read", [FaultyStorage.stuck])
        const waiting = yield* Effect.forkChild(numbers(range(1, 2)))
        yield* letItRun
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(yield* Fiber.join(waiting), [])
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [])
        yield* TestClock.adjust("1 seconds")
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [1, 2])
      })
    )
  )

  it.effect("looks once for many who ask at the same time", () =>
    on(({ faults, numbers, put }) =>
      Effect.gen(function* () {
        yield* put(range(1, 4))
        const held = Latch.makeUnsafe(false)
        yield* faults.next("list", [FaultyStorage.wait(held.await)])
        const asking = yield* Effect.forEach([1, 2, 3], (first) => Effect.forkChild(numbers(range(first, first + 1))))
        yield* letItRun
        yield* held.open
        assert.deepStrictEqual(yield* Effect.forEach(asking, (fiber) => Fiber.join(fiber)), [
          [1, 2],
          [2, 3],
          [3, 4]
        ])
        const lists = (yield* faults.calls).filter(({ key, operation }) => operation === "list" && key === "run/batch_")
        assert.lengthOf(lists, 1)
      })
    )
  )

  it.effect("looks again at a run that was forgotten", () =>
    on(({ numbers, put, recall }) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [])
        yield* put(range(1, 4))
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [])
        recall.forget(runId)
        assert.deepStrictEqual(yield* numbers(range(1, 2)), [1, 2])
      })
    )
  )
})
