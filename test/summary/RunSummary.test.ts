// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Delimited from "../../src/domain/Delimited.ts"
import * as TickSet from "../../src/domain/TickSet.ts"
import * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as RunFigures from "../../src/summary/RunFigures.ts"
import * as RunSummary from "../../src/summary/RunSummary.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { commitOf, note, numbers, run, store, storeNoted, tamper } from "../runs/storedRun.ts"
import * as InStorage from "../support/InStorage.ts"

const memory = FaultyStorage.layer.pipe(Layer.provideMerge(LogWatch.layer()))

const setup = Effect.map(FaultyStorage.FaultyStorage, ({ underneath }) => underneath)

const every = (first: number, last: number, step: number) =>
  numbers(first, last, step).map((number) => TestTick.make("run", number))

const written = (service: string, more: Partial<NonNullable<LedgerEntry.Commit["write"]>> = {}) => ({
  write: { service, flushReason: "size" as const, attempts: 1, enqueuedAtMs: 1000, tookMs: 5, ...more }
})

const letter = (id: string, first: number, last: number): LedgerEntry.Letter => ({
  _tag: "Letter",
  id,
  stretches: LedgerEntry.fromStretches(TickSet.stretches(numbers(first, last).map(BigInt))),
  count: last - first + 1,
  reason: "NoSpace",
  service: "persistence-1",
  atMs: 2000
})

const replay = (id: string, remaining: number, atMs: number): LedgerEntry.Replay => ({
  _tag: "Replay",
  letter: id,
  stored: 3,
  duplicate: 1,
  remaining,
  atMs
})

describe("the summary of a run", () => {
  it.effect("has its ticks, range, step, bytes and times, and reads no batch", () =>
    Effect.gen(function* () {
      const { faults, storage } = FaultyStorage.make(yield* setup)
      yield* storeNoted(faults.underneath, every(10, 100, 10), { committedAtMs: 5000 })
      yield* storeNoted(faults.underneath, every(110, 200, 10), { committedAtMs: 3000 })
      const summary = yield* InStorage.summary(storage, run)
      assert.deepInclude(summary, { ticks: 20n, first: 10n, last: 200n, step: 10n, missing: 0n, damagedLines: 0 })
      assert.deepInclude(summary, { firstCommitMs: 3000, lastCommitMs: 5000 })
      assert.strictEqual(summary.bytes, Delimited.encodedBytes(every(10, 200, 10)))
      assert.deepStrictEqual(RunSummary.troubles(summary), [])
      const read = (yield* faults.calls).filter(({ key, operation }) => operation === "read" && key.includes("batch"))
      assert.deepStrictEqual(read, [])
    }).pipe(Effect.provide(memory))
  )

  it.effect("counts a tick once that is in two batches", () =>
    Effect.gen(function* () {
      const storage = yield* setup
      yield* storeNoted(storage, every(1, 10, 1))
      yield* storeNoted(storage, every(6, 15, 1))
      assert.strictEqual((yield* InStorage.summary(storage, run)).ticks, 15n)
    }).pipe(Effect.provide(memory))
  )

  it.effect("says what is missing: ticks between others, files, bytes, entries", () =>
    Effect.gen(function* () {
      const storage = yield* setup
      yield* storeNoted(storage, every(1, 10, 1))
      const cut = yield* storeNoted(storage, every(21, 30, 1))
      const gone = yield* storeNoted(storage, every(31, 40, 1))
      yield* store(storage, every(41, 50, 1))
      yield* tamper(storage, cut, (bytes) => bytes.slice(1))
      yield* storage.remove(gone)
      const summary = yield* InStorage.summary(storage, run)
      assert.deepStrictEqual(RunSummary.troubles(summary), [
        { _tag: "gone", files: 1 },
        { _tag: "size", files: 1 },
        { _tag: "missing", ticks: 20n },
        { _tag: "unknown", files: 1 }
      ])
      assert.strictEqual(summary.ticks, 20n)
      assert.deepStrictEqual(
        summary.batches.map(({ first }) => first),
        [1n, 21n, 31n, 41n]
      )
    }).pipe(Effect.provide(memory))
  )

  it.effect("doesn't miss what waits in letters or was dropped, and says so", () =>
    Effect.gen(function* () {
      const storage = yield* setup
      yield* storeNoted(storage, every(1, 10, 1))
      yield* storeNoted(storage, every(31, 40, 1))
      yield* note(storage, letter("a", 11, 20))
      yield* note(storage, letter("b", 21, 25))
      yield* note(storage, { _tag: "Drop", letter: "b", stretches: [], count: 5, reason: "of no use", atMs: 3000 })
      const summary = yield* InStorage.summary(storage, run)
      assert.deepStrictEqual(RunSummary.troubles(summary), [
        { _tag: "missing", ticks: 5n },
        { _tag: "letters", ticks: 10n },
        { _tag: "dropped", ticks: 5n }
      ])
      assert.deepStrictEqual(
        summary.letters.map(({ dropReason, fate, id }) => [id, fate, dropReason]),
        [
          ["a", "waiting", undefined],
          ["b", "dropped", "of no use"]
        ]
      )
    }).pipe(Effect.provide(memory))
  )

  it.effect("follows a letter through its replays, told in any order and twice", () =>
    Effect.gen(function* () {
      const storage = yield* setup
      yield* note(storage, replay("a", 0, 4000))
      yield* note(storage, replay("a", 6, 3000))
      yield* note(storage, replay("a", 6, 3000))
      yield* note(storage, letter("a", 1, 10))
      yield* note(storage, replay("b", 2, 3000))
      const [a, b] = (yield* InStorage.summary(storage, run)).letters
      assert.deepInclude(a, { fate: "replayed", replays: 2, stored: 6, duplicate: 2, remaining: 0, count: 10 })
      assert.deepInclude(b, { fate: "waiting", replays: 1, remaining: 2, count: 0, reason: undefined })
    }).pipe(Effect.provide(memory))
  )

  it.effect("doesn't miss a batch that was set aside, but one that was made again and is gone", () =>
    Effect.gen(function* () {
      const storage = yield* setup
      yield* storeNoted(storage, every(1, 10, 1))
      const key = yield* storeNoted(storage, every(11, 20, 1))
      yield* storage.setAside(key)
      yield* note(storage, { _tag: "SetAside", key, place: "elsewhere", reason: "damaged", atMs: 1000 })
      const summary = yield* InStorage.summary(storage, run)
      assert.deepStrictEqual(RunSummary.troubles(summary), [])
      assert.lengthOf(summary.setAside, 1)
      yield* storeNoted(storage, every(11, 20, 1), { committedAtMs: 1001 })
      assert.deepStrictEqual(RunSummary.troubles(yield* InStorage.summary(storage, run)), [])
      yield* storage.remove(key)
      assert.deepStrictEqual(RunSummary.troubles(yield* InStorage.summary(storage, run)), [{ _tag: "gone", files: 1 }])
    }).pipe(Effect.provide(memory))
  )

  it.effect("judges no gaps where the step is not known", () =>
    Effect.gen(function* () {
      const storage = yield* setup
      yield* store(storage, every(10, 100, 10))
      const summary = yield* InStorage.summary(storage, run)
      assert.deepInclude(summary, { ticks: 0n, step: undefined, missing: 0n, first: 10n, last: 100n })
    }).pipe(Effect.provide(memory))
  )

  it.effect("takes the entry that tells how a batch was written over one made afterwards, in either order", () =>
    Effect.gen(function* () {
      const storage = yield* setup
      for (const [first, entries] of [
        [1, [written("a"), {}]],
        [11, [{}, written("a")]]
      ] as const) {
        const ticks = every(first, first + 9, 1)
        const stored = yield* store(storage, ticks)
        for (const [index, more] of entries.entries()) {
          yield* note(storage, commitOf(ticks, stored, { committedAtMs: 1000 + index, ...more }))
        }
      }
      const { batches } = yield* InStorage.summary(storage, run)
      assert.deepStrictEqual(
        batches.map(({ commit }) => commit?.write?.service),
        ["a", "a"]
      )
    }).pipe(Effect.provide(memory))
  )

  it.effect("of a run without anything is empty", () =>
    Effect.gen(function* () {
      const summary = yield* InStorage.summary(yield* setup, run)
      assert.deepInclude(summary, { ticks: 0n, bytes: 0, first: undefined, step: undefined, firstCommitMs: undefined })
      assert.deepStrictEqual(RunSummary.troubles(summary), [])
      assert.deepInclude(RunFigures.of(summary), { ticks: 0, seconds: undefined, retries: 0 })
    }).pipe(Effect.provide(memory))
  )
})

describe("the figures of a run", () => {
  it.effect("are over its time of writing, by service and by flush reason", () =>
    Effect.gen(function* () {
      const storage = yield* setup
      yield* storeNoted(storage, every(1, 10, 1), { committedAtMs: 3000, ...written("b", { attempts: 3 }) })
      yield* storeNoted(storage, every(11, 25, 1), { committedAtMs: 6000, ...written("a", { flushReason: "timeout" }) })
      yield* storeNoted(storage, every(26, 30, 1), { committedAtMs: 4000 })
      const figures = RunFigures.of(yield* InStorage.summary(storage, run))
      assert.deepInclude(figures, { ticks: 30, seconds: 5, attempts: 4, retries: 2 })
      assert.deepStrictEqual(
        figures.byService.map(({ attempts, files, name, ticks }) => [name, files, ticks, attempts]),
        [
          ["a", 1, 15, 1],
          ["b", 1, 10, 3],
          [undefined, 1, 5, 0]
        ]
      )
      assert.deepStrictEqual(
        figures.byFlushReason.map(({ name, ticks }) => [name, ticks]),
        [
          ["size", 10],
          ["timeout", 15],
          [undefined, 5]
        ]
      )
    }).pipe(Effect.provide(memory))
  )
})
