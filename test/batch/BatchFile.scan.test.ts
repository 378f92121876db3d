// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Delimited from "../../src/domain/Delimited.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import * as Stored from "../runs/storedRun.ts"

const watched = Effect.provide(LogWatch.layer())

const setup = Effect.fnUntraced(function* (ticks: Tick.Batch) {
  const storage = yield* Storage.makeMemory("memory")
  const stored = yield* Stored.store(storage, ticks)
  return { ...stored, storage, bytes: yield* Stored.bytesOf(storage, stored.key) }
})

describe("the scan of a batch", () => {
  it.effect("tells its size, its ticks, and the same checks as were made when it was written", () =>
    Effect.gen(function* () {
      const { bytes, checks, key, storage } = yield* setup(Stored.numbered(10, 90, 10))
      const seen: Array<number> = []
      const contents = yield* BatchFile.scan(storage, key, (more) => void seen.push(more))
      assert.deepStrictEqual(contents, {
        bytes: bytes.length,
        count: 9,
        stretches: [{ first: 10n, last: 90n, step: 10n }],
        repeated: 0,
        checks,
        problem: undefined
      })
      assert.deepStrictEqual(seen, [bytes.length])
    }).pipe(watched)
  )

  it.effect("counts ticks that are there more than once, in any order", () =>
    Effect.gen(function* () {
      const ticks = [3, 1, 2, 2, 3].map((tick) => TestTick.make("run", tick))
      const { key, storage } = yield* setup(Stored.batchOf(ticks))
      const { count, problem, repeated, stretches } = yield* BatchFile.scan(storage, key)
      assert.deepStrictEqual({ count, problem, repeated }, { count: 5, problem: undefined, repeated: 2 })
      assert.deepStrictEqual(stretches, [{ first: 1n, last: 3n, step: 1n }])
    }).pipe(watched)
  )

  it.effect("says where it is cut, what is before that, and reads no further", () =>
    Effect.gen(function* () {
      const { bytes, checks, key, storage, ticks } = yield* setup(Stored.numbered(1, 5))
      const cut = Delimited.encodedBytes(ticks.slice(0, 3)) + 2
      const contents = yield* BatchFile.scan(Stored.withObject(storage, key, bytes.subarray(0, cut)), key)
      assert.deepInclude(contents, { count: 3, bytes: cut, checks: checks.slice(0, 3) })
      assert.match(contents.problem ?? "", /^message 4 at byte \d+: the stream ends within the message/u)
    }).pipe(watched)
  )

  it.effect("finds ticks of another run, ticks that the name doesn't promise, and an empty file", () =>
    Effect.gen(function* () {
      const { key, storage } = yield* setup(Stored.numbered(1, 5))
      const problemOf = (ticks: ReadonlyArray<Tick.Tick>) => {
        const bytes = Buffer.concat([...Delimited.encode(ticks)])
        return Effect.map(BatchFile.scan(Stored.withObject(storage, key, bytes), key), ({ problem }) => problem)
      }
      assert.match((yield* problemOf(TestTick.range("other", 1, 5))) ?? "", /tick 1 belongs to another run$/u)
      assert.strictEqual(yield* problemOf(TestTick.range("run", 1, 6)), "it has ticks 1 to 6, but its name has others")
      assert.strictEqual(yield* problemOf([]), "it is empty")
      assert.isUndefined(yield* problemOf(TestTick.range("run", 1, 5)))
    }).pipe(watched)
  )

  it.effect("of one that is missing fails", () =>
    Effect.gen(function* () {
      const { key, storage } = yield* setup(Stored.numbered(1, 5))
      yield* storage.remove(key)
      assert.strictEqual((yield* Effect.flip(BatchFile.scan(storage, key))).reason._tag, "ObjectMissing")
    }).pipe(watched)
  )
})

describe("the salvage of a batch", () => {
  it.effect("gives what is before and after a damage, and says where that is", () =>
    Effect.gen(function* () {
      const { bytes, checks, key, storage, ticks } = yield* setup(Stored.numbered(1, 5))
      const offset = Delimited.encodedBytes(ticks.slice(0, 2))
      bytes.fill(0, offset, offset + 3)
      const found = yield* Stream.runCollect(BatchFile.salvage(Stored.withObject(storage, key, bytes), key, checks))
      const size = Delimited.encodedBytes(ticks.slice(2, 3))
      assert.deepStrictEqual(
        found.map((one) => (one._tag === "Tick" ? Number(one.tick.tickNumber) : [one.offset, one.bytes])),
        [1, 2, [offset, size], 4, 5]
      )
    }).pipe(watched)
  )

  it.effect("of an object that is no batch by its name fails", () =>
    Effect.gen(function* () {
      const { storage } = yield* setup(Stored.numbered(1, 5))
      const error = yield* Effect.flip(Stream.runDrain(BatchFile.salvage(storage, StorageKey.metadata(Stored.run))))
      assert.strictEqual(error.reason._tag, "ObjectDamaged")
    }).pipe(watched)
  )
})
