// @module-tag unit
// Looks at the memory of the process. @effect-diagnostics nodeBuiltinImport:off
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Delimited from "../../src/domain/Delimited.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import type * as RunTicks from "../../src/runs/RunTicks.ts"
import type { Storage } from "../../src/storage/Storage.ts"
import { IoFailure, ObjectMissing } from "../../src/storage/StorageError.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { type Random, randomFrom } from "../support/random.ts"
import { note, numbers, numbersOf, run, store, storeNoted, tamper } from "./storedRun.ts"
import * as InStorage from "../support/InStorage.ts"

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

const memory = FaultyStorage.layer.pipe(Layer.provideMerge(LogWatch.layer()))

const setup = Effect.gen(function* () {
  const { storage, faults } = FaultyStorage.make((yield* FaultyStorage.FaultyStorage).underneath)
  /** Keys of the batches that were read since the storage was set up, in their order. */
  const readKeys = Effect.map(faults.calls, (calls) =>
    calls.flatMap(({ key, operation }) => (operation === "read" && key.includes("batch_") ? [key] : []))
  )
  return { storage, faults, readKeys, underneath: faults.underneath }
})

const ticksOf = (first: number, last: number, stuffing = 0) => TestTick.range("run", first, last, stuffing)

const collect = (storage: Storage["Service"], range: RunTicks.Range = {}) =>
  Effect.map(Stream.runCollect(InStorage.ticks(storage, run, range)), numbersOf)

/** The ticks before the failure, and the failure. */
const untilFailure = Effect.fnUntraced(function* (stream: ReturnType<typeof InStorage.ticks>) {
  const ticks: Array<Tick.Tick> = []
  const result = yield* Effect.result(Stream.runForEach(stream, (tick) => Effect.sync(() => void ticks.push(tick))))
  return { before: numbersOf(ticks), error: Result.isFailure(result) ? result.failure : undefined }
})

/** Ticks with random numbers, cut into batches as several writers would: interleaved, overlapping, in any order inside. */
const randomBatches = ({ between, chance }: Random) => {
  const writers = between(1, 4)
  const open: Array<Array<number>> = Array.from({ length: writers }, () => [])
  const batches: Array<Array<number>> = []
  const step = between(1, 5)
  for (let number = between(0, 50), left = between(1, 120); left > 0; left--, number += step) {
    if (chance(0.1)) continue
    for (let copies = chance(0.15) ? 2 : 1; copies > 0; copies--) {
      const writer = between(0, writers - 1)
      open[writer]?.push(number)
      if (chance(0.2)) batches.push(open[writer]?.splice(0) ?? [])
    }
  }
  return [...batches, ...open]
    .filter((batch) => batch.length > 0)
    .map((batch) => (chance(0.3) ? batch.toSorted(() => (chance(0.5) ? 1 : -1)) : batch))
}

const keyOf = (batch: ReadonlyArray<number>) =>
  `${Math.min(...batch)}`.padStart(19, "0") + `${Math.max(...batch)}`.padStart(19, "0")

describe("the ticks of a run", () => {
  it.effect("are those of all its batches in order, each once, between any two numbers", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 150; seed++) {
        yield* Effect.gen(function* () {
          const random = randomFrom(seed)
          const { readKeys, storage, underneath } = yield* setup
          // Two batches of one range have one key, and the second would be refused.
          const batches = [...new Map(randomBatches(random).map((batch) => [keyOf(batch), batch])).values()]
          for (const [index, batch] of batches.entries()) {
            const ticks = batch.map((number) => TestTick.make("run", number, index))
            yield* random.chance(0.5) ? storeNoted(underneath, ticks) : store(underneath, ticks)
          }
          const all = [...new Set(batches.flat())].sort((a, b) => a - b)
          const from = random.chance(0.3) ? undefined : random.between(0, 400)
          const to = random.chance(0.3) ? undefined : random.between(from ?? 0, 600)
          const within = (number: number) => number >= (from ?? 0) && number <= (to ?? Infinity)
          const range = {
            from: from === undefined ? undefined : BigInt(from),
            to: to === undefined ? undefined : BigInt(to)
          }
          const found = yield* Stream.runCollect(InStorage.ticks(storage, run, range))
          assert.deepStrictEqual(numbersOf(found), all.filter(within), `seed ${seed}`)
          const needed = batches.filter(
            (batch) => Math.max(...batch) >= (from ?? 0) && Math.min(...batch) <= (to ?? 1e9)
          )
          assert.lengthOf(yield* readKeys, needed.length, `seed ${seed}`)
          const byKey = batches.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
          for (const tick of found) {
            const holder = byKey.find((batch) => batch.includes(Number(tick.tickNumber)))
            const expected = TestTick.make("run", tick.tickNumber, batches.indexOf(holder ?? []))
            assert.deepStrictEqual(tick, expected, `seed ${seed}: the first batch by key counts`)
          }
          const salvaged = yield* Stream.runCollect(InStorage.salvagedTicks(storage, run, range))
          assert.deepStrictEqual(
            salvaged,
            found.map((tick) => ({ _tag: "Tick", tick }))
          )
        }).pipe(Effect.provide(Layer.fresh(memory), { local: true }))
      }
    })
  )

  it.effect("are read batch by batch, as they are asked for", () =>
    Effect.gen(function* () {
      const { readKeys, storage, underneath } = yield* setup
      const keys = yield* Effect.forEach([1, 11, 21], (first) => storeNoted(underneath, ticksOf(first, first + 9)))
      const ten = yield* Stream.runCollect(Stream.take(InStorage.ticks(storage, run), 10))
      assert.deepStrictEqual(numbersOf(ten), numbers(1, 10))
      assert.deepStrictEqual(yield* readKeys, keys.slice(0, 1))
    }).pipe(Effect.provide(memory))
  )

  it.effect("are read two batches ahead once a second one is asked for", () =>
    Effect.gen(function* () {
      const { readKeys, storage, underneath } = yield* setup
      const keys = yield* Effect.forEach(numbers(0, 9), (index) =>
        storeNoted(underneath, ticksOf(index * 10, index * 10 + 9))
      )
      yield* Stream.runDrain(Stream.take(InStorage.ticks(storage, run), 11))
      assert.deepStrictEqual(yield* readKeys, keys.slice(0, 4))
    }).pipe(Effect.provide(memory))
  )

  it.effect("begin at any tick without a look into the batches before it", () =>
    Effect.gen(function* () {
      const { readKeys, storage, underneath } = yield* setup
      const keys = yield* Effect.forEach(numbers(0, 9), (index) =>
        storeNoted(underneath, ticksOf(index * 10, index * 10 + 9))
      )
      assert.deepStrictEqual(yield* collect(storage, { from: 55n, to: 71n }), numbers(55, 71))
      assert.deepStrictEqual(yield* readKeys, keys.slice(5, 8))
    }).pipe(Effect.provide(memory))
  )

  it.effect("of a run that there is not are none", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      assert.deepStrictEqual(yield* collect(storage), [])
      yield* storeNoted(underneath, ticksOf(5, 9))
      assert.deepStrictEqual(yield* collect(storage, { from: 10n }), [])
      assert.deepStrictEqual(yield* collect(storage, { from: 9n, to: 5n }), [])
    }).pipe(Effect.provide(memory))
  )

  it.effect("have numbers of 63 bits", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      const largest = 2n ** 63n - 1n
      yield* storeNoted(underneath, [TestTick.make("run", largest - 1n), TestTick.make("run", largest)])
      const found = yield* Stream.runCollect(InStorage.ticks(storage, run, { from: largest, to: largest }))
      assert.deepStrictEqual(
        found.map(({ tickNumber }) => tickNumber),
        [largest]
      )
    }).pipe(Effect.provide(memory))
  )

  it.effect("are held in memory only while their batches overlap", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      const perBatch = 8
      const stuffing = 128 * 1024
      const batches = 40
      for (let index = 0; index < batches; index++) {
        yield* store(underneath, ticksOf(index * perBatch, index * perBatch + perBatch - 1))
      }
      // Made anew at each reading: what is held is held by the stream.
      const made = (key: string) => {
        const [, first = "", last = ""] = /_(\d+)_(\d+)\.pb$/u.exec(key) ?? []
        return [...Delimited.encode(ticksOf(Number(first), Number(last), stuffing))]
      }
      const heavy = { ...storage, read: (key: string) => Stream.suspend(() => Stream.fromIterable(made(key))) }
      const held: Array<number> = []
      yield* Stream.runForEach(InStorage.ticks(heavy, run), ({ tickNumber }) =>
        Effect.sync(() => {
          if (Number(tickNumber) % perBatch > 0) return
          collectGarbage()
          held.push(process.memoryUsage().arrayBuffers)
        })
      )
      assert.lengthOf(held, batches)
      // The median: memory that is free already is not always given back at once.
      const median = held.toSorted((left, right) => left - right)[batches / 2] ?? 0
      const growth = median - Math.min(...held)
      assert.isBelow(growth, 4 * perBatch * stuffing, `${held.map((bytes) => Math.round(bytes / 1e6)).join(" ")} MB`)
    }).pipe(Effect.provide(memory))
  )
})

describe("a damaged batch", () => {
  it.effect("ends the ticks after all before the damage, and is named", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      yield* storeNoted(
        underneath,
        [1, 3, 5, 12].map((number) => TestTick.make("run", number))
      )
      const damaged = ticksOf(6, 10, 20)
      const key = yield* storeNoted(underneath, damaged)
      yield* storeNoted(underneath, ticksOf(20, 25))
      const offset = Delimited.encodedBytes(damaged.slice(0, 3))
      yield* tamper(underneath, key, (bytes) => bytes.slice(0, offset + 5))
      const { before, error } = yield* untilFailure(InStorage.ticks(storage, run))
      assert.deepStrictEqual(before, [1, 3, 5, 6, 7, 8])
      assert.strictEqual(error?.key, key)
      assert.strictEqual(error?.reason._tag, "ObjectDamaged")
      assert.include(error?.message, "message 4 at byte")
    }).pipe(Effect.provide(memory))
  )

  it.effect("whose ticks are in no order ends them before the first that is not given", () =>
    Effect.gen(function* () {
      for (const noted of [true, false]) {
        const { storage, underneath } = yield* Effect.provide(setup, Layer.fresh(memory))
        const damaged = [1, 2, 3, 7, 5, 6, 4, 8, 9].map((number) => TestTick.make("run", number, 20))
        const key = yield* noted
          ? storeNoted(underneath, damaged)
          : Effect.map(store(underneath, damaged), ({ key }) => key)
        const offset = Delimited.encodedBytes(damaged.slice(0, 4))
        yield* tamper(underneath, key, (bytes) => bytes.fill(0xff, offset, offset + 10))
        const { before, error } = yield* untilFailure(InStorage.ticks(storage, run))
        // Without a ledger nobody knows what was damaged, but what is intact behind it is known.
        assert.deepStrictEqual(before, [1, 2, 3])
        assert.strictEqual(error?.reason._tag, "ObjectDamaged")
      }
    })
  )

  it.effect("is found by its checksum too, where the form of the message is good", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      const key = yield* storeNoted(underneath, ticksOf(1, 5, 20))
      const last = Delimited.encodedBytes(ticksOf(1, 4, 20)) - 1
      yield* tamper(underneath, key, (bytes) => bytes.with(last, 8))
      const { before, error } = yield* untilFailure(InStorage.ticks(storage, run))
      assert.deepStrictEqual(before, [1, 2, 3])
      assert.include(error?.message, "its checksum differs from the one in the ledger of the run")
    }).pipe(Effect.provide(memory))
  )

  it.effect("that was cut between two ticks is found by its name, without a ledger", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      const { key } = yield* store(underneath, ticksOf(1, 5))
      yield* tamper(underneath, key, (bytes) => bytes.slice(0, Delimited.encodedBytes(ticksOf(1, 3))))
      const { before, error } = yield* untilFailure(InStorage.ticks(storage, run))
      assert.deepStrictEqual(before, [1, 2, 3])
      assert.include(error?.message, "it has ticks 1 to 3, but its name has others")
    }).pipe(Effect.provide(memory))
  )

  it.effect("costs the ticks that are damaged, and they are told", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      const key = yield* storeNoted(underneath, ticksOf(1, 5, 20))
      yield* storeNoted(underneath, ticksOf(6, 8))
      const offset = Delimited.encodedBytes(ticksOf(1, 2, 20))
      const bytes = Delimited.encodedBytes(ticksOf(3, 3, 20))
      yield* tamper(underneath, key, (stored) => stored.with(offset + bytes - 1, 8))
      const found = yield* Stream.runCollect(InStorage.salvagedTicks(storage, run))
      assert.deepStrictEqual(
        found.flatMap((one) => (one._tag === "Tick" ? [Number(one.tick.tickNumber)] : [])),
        [1, 2, 4, 5, 6, 7, 8]
      )
      assert.deepStrictEqual(
        found.filter(({ _tag }) => _tag === "Gone"),
        [
          {
            _tag: "Gone",
            key,
            problem: "its checksum differs from the one in the ledger of the run",
            places: [{ offset, bytes }],
            ticks: [{ first: 3n, last: 3n, step: 0n }]
          }
        ]
      )
      const outside = yield* Stream.runCollect(InStorage.salvagedTicks(storage, run, { from: 4n }))
      assert.isTrue(
        outside.every(({ _tag }) => _tag === "Tick"),
        "nothing that is asked for is gone"
      )
    }).pipe(Effect.provide(memory))
  )

  it.effect("without a ledger gives what can be read, and the place of the rest", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      const { key } = yield* store(underneath, ticksOf(1, 5, 20))
      const offset = Delimited.encodedBytes(ticksOf(1, 2, 20))
      yield* tamper(underneath, key, (bytes) => bytes.with(offset + 1, 0x0f))
      const found = yield* Stream.runCollect(InStorage.salvagedTicks(storage, run))
      const [gone] = found.flatMap((one) => (one._tag === "Gone" ? [one] : []))
      assert.deepStrictEqual(gone?.places, [{ offset, bytes: Delimited.encodedBytes(ticksOf(3, 3, 20)) }])
      assert.isUndefined(gone?.ticks)
      assert.lengthOf(found, 5)
    }).pipe(Effect.provide(memory))
  )

  it.effect("that was cut tells the ticks behind the cut", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      const key = yield* storeNoted(underneath, ticksOf(1, 9))
      const kept = Delimited.encodedBytes(ticksOf(1, 4))
      yield* tamper(underneath, key, (bytes) => bytes.slice(0, kept))
      const found = yield* Stream.runCollect(InStorage.salvagedTicks(storage, run))
      const [gone] = found.flatMap((one) => (one._tag === "Gone" ? [one] : []))
      assert.deepStrictEqual(gone?.places, [{ offset: kept, bytes: Delimited.encodedBytes(ticksOf(5, 9)) }])
      assert.deepStrictEqual(gone?.ticks, [{ first: 5n, last: 9n, step: 1n }])
    }).pipe(Effect.provide(memory))
  )

  it.effect("that is missing is told where its ticks were, unless it was set aside", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      yield* storeNoted(underneath, ticksOf(1, 3))
      const key = yield* storeNoted(underneath, ticksOf(4, 6))
      yield* storeNoted(underneath, ticksOf(7, 9))
      yield* underneath.remove(key)
      const salvaged = Stream.runCollect(InStorage.salvagedTicks(storage, run))
      assert.deepStrictEqual(
        (yield* salvaged).map((one) => (one._tag === "Tick" ? Number(one.tick.tickNumber) : one.ticks)),
        [1, 2, 3, [{ first: 4n, last: 6n, step: 1n }], 7, 8, 9]
      )
      yield* note(underneath, { _tag: "SetAside", key, place: "elsewhere", reason: "damaged", atMs: 1000 })
      assert.lengthOf(yield* salvaged, 6)
      yield* storeNoted(underneath, ticksOf(4, 6), { committedAtMs: 1001 })
      yield* underneath.remove(key)
      assert.lengthOf(yield* salvaged, 7, "it was made again and lost")
    }).pipe(Effect.provide(memory))
  )

  it.effect("that is missing ends the stream after the ticks before it, and is named", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      yield* storeNoted(underneath, ticksOf(1, 3))
      const key = yield* storeNoted(underneath, ticksOf(4, 6))
      yield* storeNoted(underneath, ticksOf(7, 9))
      yield* underneath.remove(key)
      const { before, error } = yield* untilFailure(InStorage.ticks(storage, run))
      assert.deepStrictEqual(before, [1, 2, 3])
      assert.deepInclude(error, { key, reason: new ObjectMissing() })
      const within = yield* untilFailure(InStorage.ticks(storage, run, { from: 5n }))
      assert.deepStrictEqual([within.before, within.error?.key], [[], key])
      assert.deepStrictEqual(yield* collect(storage, { to: 3n }), [1, 2, 3])
      assert.deepStrictEqual(yield* collect(storage, { from: 7n }), [7, 8, 9])
    }).pipe(Effect.provide(memory))
  )

  it.effect("that is missing at the end ends the stream there", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      yield* storeNoted(underneath, ticksOf(1, 3))
      const key = yield* storeNoted(underneath, ticksOf(4, 6))
      yield* underneath.remove(key)
      const { before, error } = yield* untilFailure(InStorage.ticks(storage, run))
      assert.deepStrictEqual([before, error?.key], [[1, 2, 3], key])
    }).pipe(Effect.provide(memory))
  )

  it.effect("that is missing is not missed when its ticks are in others, up to the first that is not", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      yield* storeNoted(underneath, ticksOf(1, 3))
      const key = yield* storeNoted(underneath, ticksOf(4, 8))
      yield* store(underneath, ticksOf(2, 5))
      yield* storeNoted(underneath, ticksOf(6, 7))
      yield* storeNoted(underneath, ticksOf(10, 12))
      yield* underneath.remove(key)
      const { before, error } = yield* untilFailure(InStorage.ticks(storage, run))
      assert.deepStrictEqual([before, error?.key], [numbers(1, 7), key])
      assert.deepStrictEqual(yield* collect(storage, { to: 7n }), numbers(1, 7))
      yield* storeNoted(underneath, ticksOf(8, 9))
      assert.deepStrictEqual(yield* collect(storage), numbers(1, 12))
    }).pipe(Effect.provide(memory))
  )

  it.effect("that was made again after it was set aside is whole by either entry", () =>
    Effect.gen(function* () {
      const { storage, underneath } = yield* setup
      const key = yield* storeNoted(underneath, ticksOf(1, 5))
      yield* underneath.setAside(key)
      assert.strictEqual(yield* storeNoted(underneath, ticksOf(1, 5, 3)), key)
      assert.deepStrictEqual(yield* collect(storage), numbers(1, 5))
    }).pipe(Effect.provide(memory))
  )

  it.effect("never crashes a reader, whatever byte of it is changed and wherever it is cut", () =>
    Effect.gen(function* () {
      const { underneath } = yield* setup
      const ticks = ticksOf(1, 4, 5)
      const key = yield* storeNoted(underneath, ticks)
      const size = Delimited.encodedBytes(ticks)
      const damages = [
        ...numbers(0, size - 1).map((at) => (bytes: Uint8Array) => bytes.with(at, (bytes[at] ?? 0) ^ 0xff)),
        ...numbers(0, size - 1).map((at) => (bytes: Uint8Array) => bytes.slice(0, at))
      ]
      for (const damage of damages) {
        const storage: Storage["Service"] = {
          ...underneath,
          read: (one) => (one === key ? Stream.map(underneath.read(one), damage) : underneath.read(one))
        }
        const { before, error } = yield* untilFailure(InStorage.ticks(storage, run))
        assert.strictEqual(error?.key, key)
        assert.deepStrictEqual(before, numbers(1, 4).slice(0, before.length))
        const found = yield* Stream.runCollect(InStorage.salvagedTicks(storage, run))
        const intact = found.flatMap((one) => (one._tag === "Tick" ? [one.tick] : []))
        const gone = found.flatMap((one) => (one._tag === "Gone" ? LedgerEntry.fromStretches(one.ticks ?? []) : []))
        for (const tick of intact) assert.deepStrictEqual(tick, ticks[Number(tick.tickNumber) - 1])
        assert.isAbove(gone.length, 0)
      }
    }).pipe(Effect.provide(memory))
  )

  it.effect("is not what a failing storage is", () =>
    Effect.gen(function* () {
      const { faults, storage, underneath } = yield* setup
      yield* storeNoted(underneath, ticksOf(1, 5))
      yield* faults.next("read", [FaultyStorage.pass, FaultyStorage.fail(new IoFailure({ code: "EIO" }))])
      const error = yield* Effect.flip(Stream.runCollect(InStorage.salvagedTicks(storage, run)))
      assert.strictEqual(error.reason._tag, "IoFailure")
    }).pipe(Effect.provide(memory))
  )
})
