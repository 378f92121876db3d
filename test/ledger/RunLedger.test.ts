// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Checksum from "../../src/domain/Checksum.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as UnknownBatches from "../../src/ledger/UnknownBatches.ts"
import type * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as LedgerLine from "../../src/ledger/LedgerLine.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { NoSpace } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import * as Stored from "../runs/storedRun.ts"
import { settleDown, whileTimePasses } from "../persistence/harness.ts"
import * as InStorage from "../support/InStorage.ts"

const run = RunId.make("run")

const drop = (letter: string): LedgerEntry.Drop => ({
  _tag: "Drop",
  letter,
  stretches: [],
  count: 1,
  reason: "of no use",
  atMs: 7
})

/** `line` with `to` for `from` in its text, and the checksum that it must have then. */
const changed = (line: Uint8Array, from: string, to: string): Uint8Array => {
  const content = new TextDecoder().decode(line.subarray(8, -1)).replace(from, to)
  const bytes = new TextEncoder().encode(content)
  return new TextEncoder().encode(`${Checksum.toHex(Checksum.of(bytes))}${content}\n`)
}

const memory = FaultyStorage.layer.pipe(Layer.provideMerge(LogWatch.layer()))

/** A ledger on the storage of the context, which writes what waits when `effect` is done. */
const withLedger = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, Layer.fresh(RunLedger.layer), { local: true })

const entries = Effect.gen(function* () {
  const { underneath } = yield* FaultyStorage.FaultyStorage
  const items = yield* Stream.runCollect(InStorage.ledger(underneath, run))
  return items.map((item) => (item._tag === "Line" ? item.entry : item))
})

const letters = Effect.map(entries, (all) => all.flatMap((entry) => (entry._tag === "Drop" ? [entry.letter] : [])))

const record = (letter: string) => RunLedger.RunLedger.use((ledger) => ledger.record(run, drop(letter)))

const flush = RunLedger.RunLedger.use((ledger) => ledger.flush)

describe("a ledger", () => {
  it.effect("has what was noted once it is flushed, after the header of its log", () =>
    Effect.gen(function* () {
      yield* record("a")
      yield* record("b")
      yield* flush
      const [header, ...rest] = yield* entries
      assert.deepInclude(header, { _tag: "Header", version: 1, run: "run" })
      assert.deepStrictEqual(rest, [drop("a"), drop("b")])
    }).pipe(withLedger, Effect.provide(memory))
  )

  it.effect("has what was noted when its scope has closed, and goes on in a log of its own the next time", () =>
    Effect.gen(function* () {
      yield* withLedger(record("a"))
      yield* withLedger(record("b"))
      assert.sameMembers([...(yield* letters)], ["a", "b"])
      const { underneath } = yield* FaultyStorage.FaultyStorage
      assert.lengthOf(yield* Stream.runCollect(underneath.list("run/ledger/")), 2)
    }).pipe(Effect.provide(memory))
  )

  it.effect("noting doesn't wait for a storage that hangs, and closing waits five seconds for it", () =>
    Effect.gen(function* () {
      const { always } = yield* FaultyStorage.FaultyStorage
      yield* LogWatch.expect("Warn", /^Ledger entries could not be written/u, { times: 1 })
      yield* LogWatch.expect("Warn", /^Runs could not be compared with their ledgers in time/u, { times: 1 })
      yield* always("append", FaultyStorage.stuck)
      yield* whileTimePasses(withLedger(record("a")))
      assert.isAtMost(yield* Clock.currentTimeMillis, 5200)
    }).pipe(Effect.provide(memory))
  )

  it.effect("tries again what could not be written, in a new log, and says so once", () =>
    Effect.gen(function* () {
      const { next } = yield* FaultyStorage.FaultyStorage
      yield* LogWatch.expect("Warn", "Ledger could not be written, trying again", { times: 1 })
      const full = FaultyStorage.fail(new NoSpace({ code: "ENOSPC" }))
      // The header passes, the entry is refused; the new log's header is refused too.
      yield* next("append", [FaultyStorage.pass, FaultyStorage.failAfter(new NoSpace({ code: "ENOSPC" })), full])
      yield* withLedger(
        Effect.gen(function* () {
          yield* record("a")
          yield* settleDown
          yield* TestClock.adjust("1 second")
          yield* settleDown
          yield* TestClock.adjust("2 seconds")
          yield* settleDown
        })
      )
      assert.includeMembers([...(yield* letters)], ["a"])
    }).pipe(Effect.provide(memory))
  )

  it.effect(
    "writes again what was not made durable in a log that was given up, before it says that it is flushed",
    () =>
      Effect.gen(function* () {
        const { calls, next, underneath } = yield* FaultyStorage.FaultyStorage
        yield* LogWatch.expect("Warn", "Ledger could not be written, trying again", { times: 1 })
        yield* record("first") // the comparison that it starts makes it durable
        yield* settleDown
        yield* record("a")
        yield* settleDown
        // The log that has "a" is given up without having been synced since.
        const before = (yield* calls).length
        yield* next("append", [FaultyStorage.fail(new NoSpace({ code: "ENOSPC" }))])
        yield* record("b")
        yield* settleDown
        yield* whileTimePasses(flush)
        const synced = (yield* calls)
          .slice(before)
          .filter(({ operation }) => operation === "sync")
          .map(({ key }) => key)
        const durable: Array<string> = []
        for (const log of new Set(synced)) {
          const items = yield* Stream.runCollect(InStorage.log(underneath, yield* Effect.orDie(StorageKey.parse(log))))
          for (const item of items) {
            if (item._tag === "Line" && item.entry._tag === "Drop") durable.push(item.entry.letter)
          }
        }
        assert.includeMembers(durable, ["a", "b"])
      }).pipe(withLedger, Effect.provide(memory))
  )

  it.effect("is compared again, a minute later or at its end, when something stored may not have been noted", () =>
    Effect.gen(function* () {
      const { underneath } = yield* FaultyStorage.FaultyStorage
      yield* LogWatch.expect("Info", "Ledger entries made from stored batches", { times: 2 })
      const store = Effect.fnUntraced(function* (first: number, last: number) {
        const ticks = TestTick.range("run", first, last)
        assert(Tick.isBatch(ticks))
        yield* BatchFile.write(underneath, StorageKey.batch(run, ticks), ticks)
      })
      const commits = Effect.map(entries, (all) => all.filter(({ _tag }) => _tag === "Commit").length)
      const attend = RunLedger.RunLedger.use((ledger) => ledger.attend(run))
      yield* withLedger(
        Effect.gen(function* () {
          yield* record("a")
          yield* settleDown
          yield* store(1, 5)
          yield* attend
          yield* settleDown
          assert.strictEqual(yield* commits, 0)
          yield* TestClock.adjust("1 minute")
          yield* settleDown
          assert.strictEqual(yield* commits, 1)
          yield* store(6, 9)
          yield* attend
        })
      )
      assert.strictEqual(yield* commits, 2)
    }).pipe(Effect.provide(memory))
  )

  it.effect("gets entries for batches that a crash has left without one", () =>
    Effect.gen(function* () {
      const { underneath } = yield* FaultyStorage.FaultyStorage
      const ticks = TestTick.range("run", 1, 5)
      assert(Tick.isBatch(ticks))
      const key = StorageKey.batch(run, ticks)
      const { bytes, checks } = yield* BatchFile.write(underneath, key, ticks)
      yield* LogWatch.expect("Info", "Ledger entries made from stored batches", { times: 1 })
      yield* withLedger(Effect.andThen(record("a"), settleDown))
      const items = yield* Stream.runCollect(InStorage.ledger(underneath, run))
      const commit = items.find((item) => item._tag === "Line" && item.entry._tag === "Commit")
      assert(commit?._tag === "Line")
      assert.deepInclude(commit.entry, { key, count: 5, bytes, stretches: [[1n, 5n, 1n]] })
      assert.deepStrictEqual(commit.checks(), checks)
    }).pipe(Effect.provide(memory))
  )

  it.effect("gets an entry for a batch whose entry is damaged or none that is known here, and no other", () =>
    Effect.gen(function* () {
      const { underneath } = yield* FaultyStorage.FaultyStorage
      const stored = yield* Effect.forEach([1, 11, 21, 31], (first) =>
        Stored.store(underneath, Stored.numbered(first, first + 4))
      )
      const [known, damaged, wrong, unknown] = stored.map(({ line }) => line)
      assert(known !== undefined && damaged !== undefined && wrong !== undefined && unknown !== undefined)
      damaged[new TextDecoder().decode(damaged).indexOf('"count":5') + 8] = 54
      yield* Stored.log(underneath, [
        known,
        damaged,
        changed(wrong, '"count":5', '"count":"5"'),
        changed(unknown, '"Commit"', '"Submit"')
      ])
      yield* LogWatch.expect("Info", "Ledger entries made from stored batches", { times: 1 })
      yield* withLedger(Effect.andThen(record("a"), settleDown))
      const commits = (yield* entries).flatMap((entry) => (entry._tag === "Commit" ? [entry.key] : []))
      assert.deepStrictEqual(commits.toSorted(), stored.map(({ key }) => key).toSorted())
    }).pipe(Effect.provide(memory))
  )

  it.effect("gets none for a batch that is gone since it was listed, and those of the others", () =>
    Effect.gen(function* () {
      const { underneath } = yield* FaultyStorage.FaultyStorage
      const gone = yield* Stored.store(underneath, Stored.numbered(1, 5))
      const there = yield* Stored.store(underneath, Stored.numbered(6, 9))
      const vanishing = Stored.withObject(underneath, gone.key, undefined)
      yield* LogWatch.expect("Info", "Ledger entries made from stored batches", { times: 1 })
      yield* withLedger(Effect.andThen(record("a"), settleDown)).pipe(
        Effect.provideService(Storage.Storage, { ...vanishing, list: (prefix) => underneath.list(prefix) })
      )
      const commits = (yield* entries).flatMap((entry) => (entry._tag === "Commit" ? [entry.key] : []))
      assert.deepStrictEqual(commits, [there.key])
    }).pipe(Effect.provide(memory))
  )

  it.effect("is compared in small steps, between which others work", () =>
    Effect.gen(function* () {
      const { underneath } = yield* FaultyStorage.FaultyStorage
      const keys = Array.from({ length: 10_240 }, (_, index) => StorageKey.batch(run, Stored.numbered(index, index)))
      const commit = { _tag: "Commit", stretches: [], count: 0, bytes: 0, checksum: "", committedAtMs: 7 } as const
      const lines = keys.map((key) => LedgerLine.encode({ ...commit, key }))
      const log = StorageKey.ledger(run, "writer")
      const large = {
        ...underneath,
        list: (prefix: string) =>
          prefix === StorageKey.batchPrefix(run)
            ? Stream.fromArray(Arr.chunksOf(keys, 1024)).pipe(Stream.flatMap(Stream.fromArray))
            : Stream.succeed(log),
        read: () => Stream.map(Stream.fromArray(Arr.chunksOf(lines, 256)), (some) => Bytes.concat(some))
      }
      let steps = 0
      const others = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            Effect.sync(() => steps++),
            Effect.yieldNow
          ),
          { disableYield: true }
        )
      )
      assert.deepStrictEqual(
        yield* Effect.provideService(UnknownBatches.find(run, Effect.void), Storage.Storage, large),
        []
      )
      yield* Fiber.interrupt(others)
      assert.isAtLeast(steps, 10 + 40 + 10)
    }).pipe(Effect.provide(memory))
  )

  it.effect("gets one entry for a batch that was put back by hand, however often a process starts", () =>
    Effect.gen(function* () {
      const { underneath } = yield* FaultyStorage.FaultyStorage
      const ticks = TestTick.range("run", 1, 5)
      assert(Tick.isBatch(ticks))
      const key = StorageKey.batch(run, ticks)
      yield* BatchFile.write(underneath, key, ticks)
      const old = {
        ...underneath,
        stat: (asked: StorageKey.StorageKey) =>
          Effect.map(underneath.stat(asked), (stat) => stat && { ...stat, modifiedAtMs: 1000.5 })
      }
      yield* LogWatch.expect("Info", "Ledger entries made from stored batches", { times: 1 })
      const aside = { _tag: "SetAside", key, place: "gone", reason: "it was gone", atMs: 2000 } as const
      const start = withLedger(
        Effect.andThen(
          RunLedger.RunLedger.use((ledger) => ledger.record(run, aside)),
          settleDown
        )
      ).pipe(Effect.provideService(Storage.Storage, old))
      yield* start
      yield* start
      const commits = (yield* entries).flatMap((entry) => (entry._tag === "Commit" ? [entry] : []))
      assert.deepStrictEqual(
        commits.map(({ committedAtMs }) => committedAtMs),
        [2001]
      )
    }).pipe(Effect.provide(memory))
  )

  it.effect("gets none for a batch that it knows since it was put back, in whatever order it says so", () =>
    Effect.gen(function* () {
      const { underneath } = yield* FaultyStorage.FaultyStorage
      const { key, line } = yield* Stored.store(underneath, Stored.numbered(1, 5), { committedAtMs: 3000 })
      const aside = { _tag: "SetAside", key, place: "gone", reason: "it was gone", atMs: 2000 } as const
      const before = changed(line, '"committedAtMs":3000', '"committedAtMs":1000')
      yield* Stored.log(underneath, [line, LedgerLine.encode(aside), before])
      yield* withLedger(Effect.andThen(record("a"), settleDown))
      const commits = (yield* entries).flatMap((entry) => (entry._tag === "Commit" ? [entry.committedAtMs] : []))
      assert.deepStrictEqual(commits, [3000, 1000])
    }).pipe(Effect.provide(memory))
  )
})
