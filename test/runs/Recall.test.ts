import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as TickSet from "../../src/domain/TickSet.ts"
import * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as LedgerLine from "../../src/ledger/LedgerLine.ts"
import * as Recall from "../../src/runs/Recall.ts"
import * as BatchFile from "../../src/storage/BatchFile.ts"
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
  const recall = yield* Recall.make(storage)
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
      Effect.map(recall.among(runId, ticks), (found) => found.map(({ tickNumber }) => Number(tickNumber))),
    /** How often an operation was called of batches. */
    calls: (operation: FaultyStorage.Operation) =>
      Effect.map(faults.calls, (calls) =>
        calls.flatMap((call) => (call.operation === operation && call.key.includes("/batch_") ? [call.key] : []))
      )
  }
})

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

  it.effect("reads no batch of which the ledger says that none of the ticks is in it", () =>
    on(({ calls, note, numbers, put }) =>
      Effect.gen(function* () {
        const even = Array.from({ length: 5 }, (_, index) => TestTick.make("run", 2 * index))
        yield* note([yield* put(even)])
        assert.deepStrictEqual(yield* numbers([1, 3, 5].map((number) => TestTick.make("run", number))), [])
        assert.deepStrictEqual(yield* calls("read"), [])
      })
    )
  )

  it.effect("does not believe the ledger: what it says is there is looked for", () =>
    on(({ faults, note, numbers, put }) =>
      Effect.gen(function* () {
        const wrong = yield* put(range(1, 4))
        const gone = yield* put(range(5, 8))
        yield* note([wrong], range(1, 8))
        yield* note([gone])
        assert.deepStrictEqual(yield* numbers(range(9, 9)), [])
        yield* faults.underneath.remove(gone.key)
        assert.deepStrictEqual(yield* numbers(range(3, 7)), [3, 4])
      })
    )
  )

  it.effect("recalls nothing of ticks among which one has other bytes than the stored one of its number", () =>
    on(({ numbers, put }) =>
      Effect.gen(function* () {
        yield* put([...range(1, 1), TestTick.make("run", 2, 40), ...range(3, 3)])
        yield* LogWatch.expect("Warn", /^Other ticks are stored under these numbers/u, { times: 1 })
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
    on(({ faults, note, numbers, put }) =>
      Effect.gen(function* () {
        yield* note([yield* put(range(1, 4))])
        assert.deepStrictEqual(yield* numbers(range(9, 9)), [])
        yield* faults.next("list", [FaultyStorage.fail(io)])
        assert.deepStrictEqual(yield* numbers(range(2, 3)), [2, 3])
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
