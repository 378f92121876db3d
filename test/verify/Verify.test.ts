// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import { create, toBinary } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RunId from "../../src/domain/RunId.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import { SimulationMetadataSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import type * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as LedgerLine from "../../src/ledger/LedgerLine.ts"
import type * as Verify from "../../src/verify/Verify.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { IoFailure, StorageError } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import * as Stored from "../runs/storedRun.ts"
import * as InStorage from "../support/InStorage.ts"

type Port = Storage.Storage["Service"]

const watched = Effect.provide(LogWatch.layer())

/** A storage with these batches and a ledger of them. */
const storageOf = Effect.fnUntraced(function* (...batches: ReadonlyArray<Tick.Batch>) {
  const storage = yield* Storage.makeMemory("memory")
  const stored = yield* Effect.forEach(batches, (ticks) => Stored.store(storage, ticks))
  yield* Stored.log(
    storage,
    stored.map(({ line }) => line)
  )
  return storage
})

const verify = (storage: Port, ...letters: InStorage.Letters["letters"]) =>
  InStorage.verify(storage, Stored.run, { letters })

/** State and findings without what is the same in all tests. */
const look = (storage: Port, ...letters: InStorage.Letters["letters"]) =>
  Effect.map(verify(storage, ...letters), ({ findings, missing, state, ticks }) => ({
    state,
    ticks,
    missing,
    findings
  }))

const keyOf = (first: number, last: number) => StorageKey.batch(Stored.run, Stored.numbered(first, last))

const noted = (storage: Port, ...entries: ReadonlyArray<LedgerEntry.Entry>) =>
  Stored.log(
    storage,
    entries.map((entry) => LedgerLine.encode(entry)),
    "later"
  )

const describeMetadata = (storage: Port, samplingInterval: string, more: Readonly<Record<string, string>> = {}) => {
  const userMetadata = { samplingInterval, ...more }
  const metadata = create(SimulationMetadataSchema, { simulationRunId: "run", userMetadata })
  return Storage.write(storage, StorageKey.metadata(Stored.run), [toBinary(SimulationMetadataSchema, metadata)])
}

describe("a run", () => {
  it.effect("is whole when every tick is stored as it was written", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5), Stored.numbered(6, 9))
      const { bytes, ...verdict } = yield* verify(storage)
      assert.deepStrictEqual(verdict, {
        run: "run",
        state: "whole",
        ticks: 9,
        first: 1n,
        last: 9n,
        step: 1n,
        files: 2,
        missing: 0,
        waiting: 0,
        dropped: 0,
        counts: {},
        findings: []
      })
      assert.isAbove(bytes, 50)
    }).pipe(watched)
  )

  it.effect("is whole when it has every n-th tick, and has a hole where one of those is missing", () =>
    Effect.gen(function* () {
      const whole = yield* storageOf(Stored.numbered(10, 50, 10), Stored.numbered(60, 90, 10))
      assert.deepInclude(yield* verify(whole), { state: "whole", step: 10n, ticks: 9 })
      const without = yield* storageOf(Stored.numbered(10, 50, 10), Stored.numbered(80, 90, 10))
      assert.deepStrictEqual(yield* look(without), {
        state: "broken",
        ticks: 7,
        missing: 2,
        findings: [{ _tag: "Hole", first: 60n, last: 70n, count: 2 }]
      })
    }).pipe(watched)
  )

  it.effect("has holes on the grid that its metadata tell, though its ticks have a wider one in common", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(10, 30, 20), Stored.numbered(50, 50))
      assert.strictEqual((yield* verify(storage)).state, "whole")
      yield* describeMetadata(storage, "10")
      assert.deepStrictEqual((yield* verify(storage)).findings, [
        { _tag: "Hole", first: 20n, last: 20n, count: 1 },
        { _tag: "Hole", first: 40n, last: 40n, count: 1 }
      ])
    }).pipe(watched)
  )

  it.effect("is not whole with metadata that can't be read", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 3))
      yield* Storage.write(storage, StorageKey.metadata(Stored.run), [Uint8Array.of(10, 200)])
      const { findings, state } = yield* verify(storage)
      assert.strictEqual(state, "broken")
      assert.deepInclude(findings[0], { _tag: "DamagedFile", key: "run/metadata.pb" })
    }).pipe(watched)
  )

  it.effect("has holes where a file is gone, at its end too", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5), Stored.numbered(6, 9))
      yield* storage.remove(keyOf(6, 9))
      assert.deepStrictEqual(yield* look(storage), {
        state: "broken",
        ticks: 5,
        missing: 4,
        findings: [
          { _tag: "Hole", first: 6n, last: 9n, count: 4 },
          { _tag: "MissingFile", key: keyOf(6, 9), first: 6n, last: 9n, count: 4, missing: 4 }
        ]
      })
    }).pipe(watched)
  )

  it.effect("misses no file whose ticks are all in others", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5), Stored.numbered(4, 6), Stored.numbered(6, 9))
      yield* storage.remove(keyOf(4, 6))
      assert.deepStrictEqual(yield* look(storage), {
        state: "whole",
        ticks: 9,
        missing: 0,
        findings: [{ _tag: "MissingFile", key: keyOf(4, 6), first: 4n, last: 6n, count: 3, missing: 0 }]
      })
    }).pipe(watched)
  )

  it.effect("has holes but no file that is gone where one was set aside; made again it is whole", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5), Stored.numbered(6, 9))
      const place = yield* storage.setAside(keyOf(6, 9))
      yield* noted(storage, { _tag: "SetAside", key: keyOf(6, 9), place, reason: "damaged", atMs: 8 })
      assert.deepStrictEqual((yield* verify(storage)).counts, { Hole: 1 })
      const again = yield* Stored.store(
        storage,
        Stored.batchOf([6, 7, 8, 9].map((tick) => TestTick.make("run", tick, 3))),
        { committedAtMs: 9 }
      )
      yield* Stored.log(storage, [again.line], "again")
      assert.deepInclude(yield* verify(storage), { state: "whole", ticks: 9 })
      yield* storage.remove(keyOf(6, 9))
      assert.deepStrictEqual((yield* verify(storage)).counts, { Hole: 1, MissingFile: 1 })
    }).pipe(watched)
  )

  it.effect("is not damaged where one has the key of another that was set aside, but not known either", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5))
      const place = yield* storage.setAside(keyOf(1, 5))
      yield* noted(storage, { _tag: "SetAside", key: keyOf(1, 5), place, reason: "damaged", atMs: 8 })
      yield* Stored.store(storage, Stored.batchOf(TestTick.range("run", 1, 5, 3)))
      assert.deepStrictEqual((yield* verify(storage)).counts, { UnknownFile: 1 })
    }).pipe(watched)
  )

  it.effect("is not whole with a file that the ledger doesn't know", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5))
      yield* Stored.store(storage, Stored.numbered(6, 9))
      assert.deepStrictEqual(yield* look(storage), {
        state: "broken",
        ticks: 9,
        missing: 0,
        findings: [{ _tag: "UnknownFile", key: keyOf(6, 9), first: 6n, last: 9n, count: 4 }]
      })
    }).pipe(watched)
  )

  it.effect("is not whole with a file of other bytes than the ledger says; what is intact in it counts", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.batchOf(TestTick.range("run", 1, 5, 20)))
      const bytes = yield* Stored.bytesOf(storage, keyOf(1, 5))
      bytes[bytes.length - 1] = 99
      const { findings, ...rest } = yield* look(Stored.withObject(storage, keyOf(1, 5), bytes))
      assert.deepStrictEqual(rest, { state: "broken", ticks: 4, missing: 1 })
      assert.deepInclude(findings[0], { _tag: "Hole", first: 5n, last: 5n })
      assert.deepInclude(findings[1], {
        _tag: "DamagedFile",
        key: keyOf(1, 5),
        first: 1n,
        last: 5n,
        count: 5,
        intact: 4
      })
    }).pipe(watched)
  )

  it.effect("is not whole with a file of another run, or of other ticks than its name says", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5))
      const other = [...TestTick.range("other", 6, 9)]
      for (const ticks of [other, TestTick.range("run", 6, 8)]) {
        const copy = yield* Storage.makeMemory("copy")
        const { key } = yield* Stored.store(copy, Stored.batchOf(ticks))
        const lying = Stored.withObject(storage, keyOf(6, 9), yield* Stored.bytesOf(copy, key))
        const listed = {
          ...lying,
          list: (prefix: string) => Stream.concat(storage.list(prefix), Stream.succeed(keyOf(6, 9)))
        }
        const { findings, state } = yield* look(listed)
        assert.strictEqual(state, "broken")
        assert.isTrue(findings.some((finding) => finding._tag === "DamagedFile" && finding.key === keyOf(6, 9)))
      }
    }).pipe(watched)
  )

  it.effect(
    "is not whole with a file that the medium can't read, and can't be looked at when nothing can be read",
    () =>
      Effect.gen(function* () {
        const storage = yield* storageOf(Stored.numbered(1, 5), Stored.numbered(6, 9))
        const failure = new StorageError({ operation: "read", key: "k", reason: new IoFailure({ code: "EIO" }) })
        const bad: Port = {
          ...storage,
          read: (key) => (key === keyOf(6, 9) ? Stream.fail(failure) : storage.read(key))
        }
        const { findings, missing } = yield* look(bad)
        assert.strictEqual(missing, 4)
        assert.deepInclude(findings[1], { _tag: "DamagedFile", key: keyOf(6, 9), intact: 0 })
        const dead: Port = { ...storage, list: () => Stream.fail(failure) }
        assert.strictEqual(yield* Effect.flip(verify(dead)), failure)
      }).pipe(watched)
  )

  it.effect("that nothing is stored of is not whole", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.makeMemory("memory")
      yield* describeMetadata(storage, "1")
      assert.deepStrictEqual((yield* look(storage)).findings, [{ _tag: "NothingStored" }])
    }).pipe(watched)
  )
})

describe("the beginning of a run", () => {
  it.effect("is missed when the metadata say which tick is the first one", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(40, 90, 10))
      yield* describeMetadata(storage, "10", { firstTick: "10" })
      assert.deepStrictEqual(yield* look(storage), {
        state: "broken",
        ticks: 6,
        missing: 3,
        findings: [{ _tag: "Hole", first: 10n, last: 30n, count: 3 }]
      })
    }).pipe(watched)
  )

  it.effect("is the first tick that anything tells of when they don't", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(40, 90, 10))
      yield* describeMetadata(storage, "10")
      assert.strictEqual((yield* look(storage)).state, "whole")
    }).pipe(watched)
  )
})

describe("ticks that are stored twice", () => {
  it.effect(
    "are duplicates when their bytes are the same: nothing is missing, and the run is not as it should be",
    () =>
      Effect.gen(function* () {
        const storage = yield* storageOf(Stored.numbered(1, 5), Stored.numbered(4, 9), Stored.numbered(10, 12))
        assert.deepStrictEqual(yield* look(storage), {
          state: "broken",
          ticks: 12,
          missing: 0,
          findings: [{ _tag: "Duplicate", first: 4n, last: 5n, count: 2, keys: [keyOf(1, 5), keyOf(4, 9)] }]
        })
      }).pipe(watched)
  )

  it.effect("are a conflict when they are not", () =>
    Effect.gen(function* () {
      const other = [4, 5, 6, 7].map((tick) => TestTick.make("run", tick, tick === 5 ? 9 : 0))
      const storage = yield* storageOf(Stored.numbered(1, 5), Stored.batchOf(other))
      assert.deepStrictEqual(yield* look(storage), {
        state: "broken",
        ticks: 7,
        missing: 0,
        findings: [
          { _tag: "Conflict", first: 5n, last: 5n, count: 1, keys: [keyOf(1, 5), keyOf(4, 7)] },
          { _tag: "Duplicate", first: 4n, last: 4n, count: 1, keys: [keyOf(1, 5), keyOf(4, 7)] }
        ]
      })
    }).pipe(watched)
  )

  it.effect("are a conflict when a single byte differs", () =>
    Effect.gen(function* () {
      const same = TestTick.range("run", 4, 7, 9)
      const other = same.map((tick) => ({ ...tick, payload: tick.payload.with(tick.payload.length - 1, 8) }))
      const storage = yield* storageOf(Stored.batchOf(same), Stored.batchOf(other.slice(1)))
      assert.deepStrictEqual((yield* look(storage)).findings, [
        { _tag: "Conflict", first: 5n, last: 7n, count: 3, keys: [keyOf(4, 7), keyOf(5, 7)] }
      ])
    }).pipe(watched)
  )

  it.effect("are found within one file", () =>
    Effect.gen(function* () {
      const [one, two, three] = [1, 2, 3].map((tick) => TestTick.make("run", tick))
      const storage = yield* storageOf(Stored.batchOf([one, two, two, three].flatMap((tick) => tick ?? [])))
      const { findings, ticks } = yield* look(storage)
      assert.strictEqual(ticks, 3)
      assert.deepStrictEqual(findings, [
        { _tag: "Duplicate", first: 2n, last: 2n, count: 1, keys: [keyOf(1, 3), keyOf(1, 3)] }
      ])
    }).pipe(watched)
  )

  it.effect("are none when files only lie across each other: nothing is read a second time", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 9, 2), Stored.numbered(2, 8, 2))
      const reads: Array<string> = []
      const counting: Port = {
        ...storage,
        read: (key) => {
          reads.push(key)
          return storage.read(key)
        }
      }
      assert.deepInclude(yield* look(counting), { state: "whole", ticks: 9, findings: [] })
      assert.lengthOf(
        reads.filter((key) => key.includes("batch_")),
        2
      )
    }).pipe(watched)
  )
})

describe("ticks in dead letters", () => {
  it.effect("stand between a run and wholeness, and are no holes", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5), Stored.numbered(8, 9))
      const { letter, line } = yield* Stored.letterOf(Stored.numbered(6, 7))
      yield* Stored.log(storage, [line], "letters")
      const verdict = yield* verify(storage, yield* Stored.queueOf(letter))
      assert.deepInclude(verdict, { state: "dead-letters", ticks: 7, waiting: 2, missing: 0 })
      assert.deepStrictEqual(verdict.findings, [
        { _tag: "WaitingLetter", letter: letter.id, reason: "storage", first: 6n, last: 7n, count: 2 }
      ])
    }).pipe(watched)
  )

  it.effect("are found in a letter that the ledger doesn't know, and in one that has ticks of other runs too", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5))
      const mixed = Stored.batchOf([...TestTick.range("run", 6, 7), ...TestTick.range("other", 3, 9)])
      const { letter } = yield* Stored.letterOf(mixed)
      const { counts, state, waiting } = yield* verify(storage, yield* Stored.queueOf(letter))
      assert.deepStrictEqual(
        { counts, state, waiting },
        {
          counts: { WaitingLetter: 1, UnknownLetter: 1 },
          state: "dead-letters",
          waiting: 2
        }
      )
    }).pipe(watched)
  )

  it.effect("that no run can have wait too, and make no hole", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5))
      const { letter } = yield* Stored.letterOf(Stored.batchOf([TestTick.make("run", -5), TestTick.make("run", 6)]))
      const verdict = yield* verify(storage, yield* Stored.queueOf(letter))
      assert.deepInclude(verdict, { state: "dead-letters", first: 1n, last: 6n, waiting: 1, missing: 0 })
    }).pipe(watched)
  )

  it.effect("of other runs don't matter", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5))
      const { letter } = yield* Stored.letterOf(Stored.batchOf(TestTick.range("other", 6, 7)))
      assert.strictEqual((yield* verify(storage, yield* Stored.queueOf(letter))).state, "whole")
    }).pipe(watched)
  )

  it.effect("are missing when the letter has vanished, unless it was replayed", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5))
      const { letter, line } = yield* Stored.letterOf(Stored.numbered(6, 7))
      yield* Stored.log(storage, [line], "letters")
      const queue = yield* Stored.queueOf()
      assert.deepStrictEqual(yield* look(storage, queue), {
        state: "broken",
        ticks: 5,
        missing: 2,
        findings: [
          { _tag: "Hole", first: 6n, last: 7n, count: 2 },
          { _tag: "VanishedLetter", letter: letter.id, first: 6n, last: 7n, count: 2, missing: 2 }
        ]
      })
      yield* noted(storage, { _tag: "Replay", letter: letter.id, stored: 0, duplicate: 0, remaining: 2, atMs: 8 })
      assert.deepInclude(yield* verify(storage, queue), { state: "broken", missing: 2 })
      const replayed = yield* Stored.store(storage, Stored.numbered(6, 7))
      yield* Stored.log(storage, [replayed.line], "replay")
      assert.deepInclude(yield* verify(storage, queue), { state: "whole", counts: { VanishedLetter: 1 } })
      yield* noted(storage, { _tag: "Replay", letter: letter.id, stored: 2, duplicate: 0, remaining: 0, atMs: 9 })
      assert.deepInclude(yield* verify(storage, queue), { state: "whole", counts: {} })
    }).pipe(watched)
  )

  it.effect("that were dropped on purpose are told, and their holes are explained", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5), Stored.numbered(8, 9))
      const { letter, line } = yield* Stored.letterOf(Stored.numbered(6, 7))
      yield* Stored.log(storage, [line], "letters")
      const drop = { letter: letter.id, stretches: [[6n, 7n, 1n]], count: 2, reason: "of no use", atMs: 9 } as const
      yield* noted(storage, { _tag: "Drop", ...drop })
      const verdict = yield* verify(storage, yield* Stored.queueOf())
      assert.deepInclude(verdict, { state: "broken", missing: 0, dropped: 2, counts: { DroppedLetter: 1 } })
    }).pipe(watched)
  )

  it.effect("may be in any damaged letter that no ledger knows", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5))
      const { letter } = yield* Stored.letterOf(Stored.numbered(6, 7))
      const queue = Stored.withLetterBytes(yield* Stored.queueOf(letter), letter, Uint8Array.of(1))
      assert.deepInclude(yield* verify(storage, queue), { state: "dead-letters", counts: { DamagedLetter: 1 } })
    }).pipe(watched)
  )
})

/** `storage` in which `happens` as soon as the listed batches have been read. */
const during = (storage: Port, happens: Effect.Effect<unknown, StorageError>): Port => {
  let done = false
  return {
    ...storage,
    list: (prefix) =>
      prefix.endsWith("/ledger/") && !done
        ? Stream.unwrap(
            Effect.suspend(() => {
              done = true
              return Effect.as(happens, storage.list(prefix))
            })
          )
        : storage.list(prefix)
  }
}

describe("beside a pipeline at work", () => {
  it.effect("a batch that is stored meanwhile is neither damage nor a hole", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5), Stored.numbered(10, 12))
      const more = Effect.gen(function* () {
        const next = yield* Stored.store(storage, Stored.numbered(13, 15))
        yield* Stored.log(storage, [next.line], "other")
        // Its entry is on its way.
        yield* Stored.store(storage, Stored.numbered(6, 9))
      })
      assert.deepInclude(yield* verify(during(storage, more)), { state: "whole", counts: {}, ticks: 15 })
    }).pipe(watched)
  )

  it.effect("a letter that comes or is replayed meanwhile has not vanished", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5))
      const { letter, line } = yield* Stored.letterOf(Stored.numbered(6, 7))
      const queue = yield* Stored.queueOf()
      const comes = Effect.andThen(Effect.orDie(queue.offer(letter)), Stored.log(storage, [line], "letters"))
      assert.deepInclude(yield* verify(during(storage, comes), queue), { state: "dead-letters", waiting: 2 })
    }).pipe(watched)
  )

  it.effect("the torn end of a ledger is told, and is no damage", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5))
      const { line } = yield* Stored.letterOf(Stored.numbered(6, 7))
      yield* Stored.log(storage, [line.subarray(0, 30)], "torn")
      assert.deepInclude(yield* verify(storage), { state: "whole", counts: { TornLedger: 1 } })
    }).pipe(watched)
  )
})

describe("verdicts", () => {
  it.effect("on all runs come one by one, with progress", () =>
    Effect.gen(function* () {
      const storage = yield* storageOf(Stored.numbered(1, 5), Stored.numbered(6, 9))
      yield* Stored.store(storage, Stored.batchOf(TestTick.range("zebra", 1, 3)), {}, RunId.make("zebra"))
      const seen: Array<string> = []
      const onProgress = ({ files, of, run }: Verify.Progress) => void seen.push(`${run} ${files}/${of}`)
      const verdicts = yield* Stream.runCollect(InStorage.verifyAll(storage, { letters: [], onProgress }))
      assert.deepStrictEqual(
        verdicts.map(({ run, state }) => [run, state]),
        [
          ["run", "whole"],
          ["zebra", "broken"]
        ]
      )
      assert.strictEqual(
        seen.findLast((line) => line.startsWith("run ")),
        "run 2/2"
      )
      assert.strictEqual(seen.at(-1), "zebra 1/1")
    }).pipe(watched)
  )

  it.effect("keep a thousand findings of a kind and count all", () =>
    Effect.gen(function* () {
      const ticks = Array.from({ length: 1800 }, (_, index) =>
        TestTick.make("run", index * 2 + (index % 3 === 0 ? 1 : 0))
      )
      const { counts, findings } = yield* verify(yield* storageOf(Stored.batchOf(ticks)))
      assert.isAbove(counts["Hole"] ?? 0, 1000)
      assert.lengthOf(findings, 1000)
    }).pipe(watched)
  )
})
