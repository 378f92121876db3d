// @module-tag unit
// @effect-diagnostics nodeBuiltinImport:off
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { zstdCompressSync, zstdDecompressSync } from "node:zlib"
import * as Delimited from "../../src/domain/Delimited.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as TrustedBatches from "../../src/resume/internal/TrustedBatches.ts"
import * as RunFigures from "../../src/summary/RunFigures.ts"
import * as RunSummary from "../../src/summary/RunSummary.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { randomFrom } from "../support/random.ts"
import { batchOf, run, store, storeNoted, tamper } from "./storedRun.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as InStorage from "../support/InStorage.ts"

const random = randomFrom(23)

/** Ticks `first` to `last` with bytes of chance, a hundredth of a block each. */
const ticksOf = (first: number, last: number): Tick.Batch =>
  batchOf(
    TestTick.range("run", first, last, 1400).map(({ payload, ...rest }) => {
      const varied = payload.slice()
      for (let at = payload.length - 1200; at < payload.length; at++) varied[at] = random.between(0, 255)
      return { ...rest, payload: varied }
    })
  )

const first = ticksOf(1, 400)
const second = ticksOf(401, 800)

/** A compressed run of two batches that its ledger knows. */
const setup = Effect.gen(function* () {
  const storage = BatchFile.compressing(yield* Storage.makeMemory("memory"), "zstd")
  const keys = [yield* storeNoted(storage, first), yield* storeNoted(storage, second)] as const
  return { storage, keys }
})

const numbersOf = (ticks: ReadonlyArray<Tick.Tick>) => ticks.map(({ tickNumber }) => Number(tickNumber))

const findings = (storage: Storage.Storage["Service"]) =>
  Effect.map(InStorage.verify(storage, run, { letters: [] }), (verdict) => verdict.findings)

describe("a compressed run", () => {
  it.effect("is whole, and its figures are those of its ticks beside the size of its files", () =>
    Effect.gen(function* () {
      const { keys, storage } = yield* setup
      const bytes = Delimited.encodedBytes([...first, ...second])
      const verdict = yield* InStorage.verify(storage, run, { letters: [] })
      assert.deepInclude(verdict, { state: "whole", ticks: 800, files: 2, bytes, findings: [] })
      const summary = yield* InStorage.summary(storage, run)
      const sizes = yield* Effect.forEach(keys, (key) => Effect.map(storage.stat(key), (stat) => stat?.bytes ?? 0))
      assert.strictEqual(summary.bytes, (sizes[0] ?? 0) + (sizes[1] ?? 0))
      assert.isBelow(summary.bytes, bytes)
      assert.deepStrictEqual(RunSummary.troubles(summary), [])
      assert.strictEqual(RunFigures.of(summary).bytes, bytes)
      assert.deepStrictEqual([...(yield* Stream.runCollect(InStorage.ticks(storage, run)))], [...first, ...second])
    })
  )

  it.effect("may be compressed again by hand, or decompressed in place", () =>
    Effect.gen(function* () {
      for (const change of [
        (bytes: Uint8Array) => new Uint8Array(zstdCompressSync(zstdDecompressSync(bytes))),
        (bytes: Uint8Array) => new Uint8Array(zstdDecompressSync(bytes))
      ]) {
        const { keys, storage } = yield* setup
        yield* tamper(storage, keys[1], change)
        assert.deepStrictEqual(yield* findings(storage), [])
        assert.lengthOf(yield* Stream.runCollect(InStorage.ticks(storage, run)), 800)
        const scope = yield* Scope.Scope
        const ledger = yield* RunLedger.make.pipe(Effect.provideService(Storage.Storage, storage), Scope.provide(scope))
        const trusted = yield* TrustedBatches.find(run).pipe(
          Effect.provideService(Storage.Storage, storage),
          Effect.provideService(RunLedger.RunLedger, ledger)
        )
        assert.deepStrictEqual(trusted.setAside, [], "its size is another one, its ticks are what was written")
        assert.strictEqual(trusted.size, 2)
      }
    }).pipe(Effect.scoped, Effect.provide(LogWatch.layer({ allow: [{ level: "Debug", message: /./u }] })))
  )

  it.effect("names what is lost with the end of a file, and gives the rest", () =>
    Effect.gen(function* () {
      const { keys, storage } = yield* setup
      yield* tamper(storage, keys[0], (bytes) => bytes.subarray(0, bytes.length / 2))
      const found = yield* Stream.runCollect(InStorage.salvagedTicks(storage, run))
      const ticks = found.flatMap((one) => (one._tag === "Tick" ? [one.tick] : []))
      const [gone, ...others] = found.flatMap((one) => (one._tag === "Gone" ? [one] : []))
      assert.deepStrictEqual(others, [])
      const intact = ticks.length - second.length
      assert.isAbove(intact, 80)
      assert.deepStrictEqual(ticks, [...first.slice(0, intact), ...second])
      assert.include(gone?.problem, "the zstd compression is damaged or cut")
      assert.deepStrictEqual(gone?.ticks, [{ first: BigInt(intact + 1), last: 400n, step: 1n }])
      const [place] = gone?.places ?? []
      assert.strictEqual(place?.offset, Delimited.encodedBytes(first.slice(0, intact)))
      assert.strictEqual((place?.offset ?? 0) + (place?.bytes ?? 0), Delimited.encodedBytes(first))
      const all = yield* findings(storage)
      assert.deepStrictEqual(
        all.map(({ _tag }) => _tag),
        ["Hole", "DamagedFile"]
      )
      assert.deepInclude(all[0], { first: BigInt(intact + 1), last: 400n, count: 400 - intact })
      assert.deepInclude(all[1], { key: keys[0], count: 400, intact })
      const error = yield* Effect.flip(Stream.runCollect(InStorage.ticks(storage, run)))
      assert.strictEqual(error.reason._tag, "ObjectDamaged")
      assert.lengthOf(yield* Stream.runCollect(Stream.take(InStorage.ticks(storage, run), intact)), intact)
    })
  )

  it.effect("loses nothing but the ticks of changed bytes where the compression goes on after them", () =>
    Effect.gen(function* () {
      const { keys, storage } = yield* setup
      // Bytes of chance stand in the file as they are: one is another one now, and what follows it is as it was.
      yield* tamper(storage, keys[0], (bytes) => {
        const changed = bytes.slice()
        const at = Math.floor(bytes.length / 2)
        changed[at] = (changed[at] ?? 0) ^ 1
        return changed
      })
      const found = yield* Stream.runCollect(InStorage.salvagedTicks(storage, run))
      const ticks = found.flatMap((one) => (one._tag === "Tick" ? [one.tick] : []))
      const wanted = new Map([...first, ...second].map((tick) => [tick.tickNumber, tick]))
      for (const tick of ticks) assert.deepStrictEqual(tick, wanted.get(tick.tickNumber))
      const gone = found.flatMap((one) => (one._tag === "Gone" ? (one.ticks ?? []) : []))
      const lost = gone.reduce(
        (total, one) => total + Number(one.step === 0n ? 1n : (one.last - one.first) / one.step + 1n),
        0
      )
      assert.strictEqual(ticks.length + lost, 800)
      assert.isAbove(lost, 0)
    })
  )

  it.effect("gets the entries that it lacks, with the size of its files", () =>
    Effect.gen(function* () {
      const storage = BatchFile.compressing(yield* Storage.makeMemory("memory"), "zstd")
      const { bytes, storedBytes } = yield* store(storage, first)
      assert.deepStrictEqual(
        (yield* findings(storage)).map(({ _tag }) => _tag),
        ["UnknownFile"]
      )
      assert.deepInclude(yield* InStorage.rebuild(storage, run, { letters: [] }), { files: 1, damaged: [] })
      assert.deepStrictEqual(yield* findings(storage), [])
      const entries = yield* Stream.runCollect(InStorage.ledger(storage, run))
      const commits = entries.flatMap((one) => (one._tag === "Line" && one.entry._tag === "Commit" ? [one.entry] : []))
      assert.lengthOf(commits, 1)
      assert.deepInclude(commits[0], { bytes, storedBytes })
    })
  )

  it.effect("names ticks that two processes have stored in two ways at the same time", () =>
    Effect.gen(function* () {
      const { storage } = yield* setup
      yield* Storage.write(storage, StorageKey.batch(run, first), [...Delimited.encode(first)])
      const all = yield* findings(storage)
      assert.deepStrictEqual(
        all.map(({ _tag }) => _tag),
        ["UnknownFile", "Duplicate"]
      )
      assert.deepStrictEqual(
        numbersOf(yield* Stream.runCollect(InStorage.ticks(storage, run))),
        numbersOf([...first, ...second])
      )
    })
  )
})
