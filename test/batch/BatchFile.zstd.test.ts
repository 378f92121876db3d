// @module-tag integration
// @effect-diagnostics nodeBuiltinImport:off
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib"
import type { Compression } from "../../src/batch/Compression.ts"
import * as Delimited from "../../src/domain/Delimited.ts"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { NoSpace } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { randomFrom } from "../support/random.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const run = RunId.make("run")
const platform = Layer.merge(NodeServices.layer, LogWatch.layer())

const batchOf = (ticks: ReadonlyArray<Tick.Tick>): Tick.Batch => {
  assert(Tick.isBatch(ticks))
  return ticks
}

const random = randomFrom(11)

/** Ticks of which `zstd` makes several blocks, as their bytes are of chance. */
const batch = batchOf(
  Array.from({ length: 40 }, (_, index) => {
    const { payload, simulationRunId, tickNumber } = TestTick.make("run", index + 1, 20_000)
    const varied = payload.slice()
    for (let at = payload.length - 15_000; at < payload.length; at++) varied[at] = random.between(0, 255)
    return { simulationRunId, tickNumber, payload: varied }
  })
)
const plain = Bytes.concat([...Delimited.encode(batch)])

const memory = (compression: "none" | "zstd" = "zstd", compressionLevel = 1) =>
  Effect.map(Storage.makeMemory("memory"), (storage) => BatchFile.compressing(storage, compression, compressionLevel))

/** A storage that writes into `storage` in another way. */
const otherWay = (storage: Storage.Storage["Service"], compression: Compression["Service"]): BatchFile.Compressing => ({
  ...storage,
  compression
})

const put = (storage: BatchFile.Compressing, ticks: Tick.Batch = batch) =>
  BatchFile.write(storage, BatchFile.keyOf(storage, new RunBatch(run, ticks)), ticks)

const keys = (storage: Storage.Storage["Service"]) =>
  Effect.map(Stream.runCollect(storage.list("")), (all): ReadonlyArray<string> => all)

const bytesOf = (storage: Storage.Storage["Service"], key: StorageKey.StorageKey) =>
  Effect.map(Stream.runCollect(storage.read(key)), (chunks) => Bytes.concat(chunks))

const readAll = (storage: Storage.Storage["Service"], key: StorageKey.StorageKey) =>
  Stream.runCollect(BatchFile.read(storage, key))

/** `bytes` as an object under the key of the batch. */
const holding = Effect.fnUntraced(function* (bytes: Uint8Array) {
  const storage = yield* memory()
  const key = BatchFile.keyOf(storage, new RunBatch(run, batch))
  yield* Storage.write(storage, key, [bytes])
  return { storage, key }
})

const compress = (bytes: Uint8Array, level = 1) =>
  new Uint8Array(
    zstdCompressSync(bytes, {
      params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 }
    })
  )

describe("a compressed batch", () => {
  it.effect("is one frame that has the size and the checksum of the delimited ticks in it", () =>
    Effect.gen(function* () {
      const storage = yield* memory()
      const { checks, ...written } = yield* put(storage)
      const key = "run/batch_0000000000000000001_0000000000000000040.pb.zst"
      const stored = yield* bytesOf(storage, written.key)
      assert.deepEqual(
        { ...written, key: String(written.key) },
        {
          outcome: "created",
          key,
          bytes: plain.length,
          storedBytes: stored.length
        }
      )
      assert.isBelow(stored.length, plain.length)
      assert.deepStrictEqual(new Uint8Array(zstdDecompressSync(stored)), plain)
      const descriptor = stored[4] ?? 0
      assert.strictEqual(descriptor & 4, 4, "has a checksum")
      assert.isAbove(descriptor >> 6, 0, "has its size")
      assert.lengthOf(checks, batch.length)
      assert.deepStrictEqual([...(yield* readAll(storage, written.key))], [...batch])
      const contents = yield* BatchFile.scan(storage, written.key)
      assert.deepInclude(contents, { bytes: plain.length, count: 40, problem: undefined, repeated: 0 })
      assert.deepStrictEqual(contents.checks, checks)
    })
  )

  it.effect("has the checks that it has without compression", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* put(yield* memory())).checks, (yield* put(yield* memory("none"))).checks)
    })
  )

  it.effect("is read by what it holds, whatever its name says", () =>
    Effect.gen(function* () {
      for (const bytes of [plain, compress(plain)]) {
        const storage = yield* memory()
        for (const codec of ["none", "zstd"] as const) {
          const key = StorageKey.batch(run, batch, codec)
          yield* Storage.write(storage, key, [bytes])
          assert.lengthOf(yield* readAll(storage, key), 40)
          assert.isUndefined((yield* BatchFile.scan(storage, key)).problem)
        }
      }
    })
  )

  it.effect("can't be taken for delimited ticks", () =>
    Effect.gen(function* () {
      const { storage, key } = yield* holding(compress(plain))
      const decoder = new Delimited.Decoder()
      const { error, frames } = decoder.push(yield* bytesOf(storage, key))
      const isRefused =
        error !== undefined ||
        decoder.end() !== undefined ||
        frames.every((one) => Delimited.tick(one)._tag === "Failure")
      assert.isTrue(isRefused)
    })
  )

  // Fields that are not of the contract come first: of four bytes with the number 758, and of 77 bytes with the number 5.
  const runId = [10, 3, ...new TextEncoder().encode("run")]
  it.effect.each([
    ["a frame", [0xb5, 0x2f, 0xfd, 1, 2, 3, ...runId, 16, 7, 0x9a, 6, 24, ...Array(24).fill(9)]],
    ["a frame to skip", [0x2a, 0x4d, 0x18, ...Array(76).fill(9), ...runId, 16, 7]]
  ] as const)("is what ticks become that begin as %s does, whatever is asked for", ([, bytes]) =>
    Effect.gen(function* () {
      const payload = Uint8Array.from(bytes)
      const ticks = batchOf([{ simulationRunId: "run", tickNumber: 7n, payload }])
      const storage = yield* memory("none")
      const { bytes: written, key, outcome, storedBytes } = yield* put(storage, ticks)
      assert.deepStrictEqual([outcome, written], ["created", payload.length + 1])
      assert.isTrue(StorageKey.isCompressed(key))
      assert.strictEqual((yield* bytesOf(storage, key)).length, storedBytes)
      assert.deepStrictEqual([...(yield* readAll(storage, key))], [...ticks])
      assert.isUndefined((yield* BatchFile.scan(storage, key)).problem)
      assert.strictEqual((yield* put(storage, ticks)).outcome, "identical")
    })
  )

  it.effect("is known again where its file had been compressed by hand", () =>
    Effect.gen(function* () {
      const storage = yield* memory("none")
      const { key } = yield* put(storage)
      yield* storage.remove(key)
      yield* Storage.write(storage, key, [compress(plain)])
      assert.strictEqual((yield* put(storage)).outcome, "identical")
      const others = batchOf(batch.map((tick) => TestTick.make("run", tick.tickNumber)))
      assert.strictEqual((yield* Effect.flip(put(storage, others))).reason._tag, "KeyConflict")
    })
  )

  it.effect("leaves nothing when it is interrupted or the medium fails", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const rootDirectory = yield* temporaryFolder
      const files = BatchFile.compressing(yield* FileStorage.make("files", { rootDirectory }), "zstd")
      const { faults, ...faulty } = FaultyStorage.make(files)
      const storage = BatchFile.compressing(faulty.storage, "zstd")
      for (const operation of ["create", "write", "commit"] as const) {
        yield* faults.next(operation, [FaultyStorage.fail(new NoSpace({ code: "ENOSPC" }))])
        const error = yield* Effect.flip(put(storage))
        assert.strictEqual(error.reason._tag, "NoSpace")
        assert.deepStrictEqual(yield* fs.readDirectory(`${rootDirectory}/run`).pipe(Effect.orElseSucceed(() => [])), [])
      }
      for (let yields = 0; yields < 60; yields++) {
        const fiber = yield* Effect.forkChild(put(files), { startImmediately: true })
        yield* Effect.repeat(Effect.yieldNow, { times: yields * 3 })
        yield* Fiber.interrupt(fiber)
        const left = yield* fs.readDirectory(`${rootDirectory}/run`).pipe(Effect.orElseSucceed(() => []))
        assert.deepStrictEqual(
          left.filter((name) => name.startsWith(".")),
          [],
          `after ${yields}`
        )
      }
      yield* put(files)
      assert.deepStrictEqual(yield* fs.readDirectory(`${rootDirectory}/run`), [
        "batch_0000000000000000001_0000000000000000040.pb.zst"
      ])
    }).pipe(Effect.provide(platform))
  )
})

describe("ticks that are stored already", () => {
  const few = batchOf(batch.slice(0, 8))
  const ways: ReadonlyArray<Compression["Service"]> = [
    { codec: "none" },
    { codec: "zstd", level: 1 },
    { codec: "zstd", level: 19 }
  ]

  it.effect("are found again in whatever way they were stored, and not stored twice", () =>
    Effect.gen(function* () {
      for (const before of ways) {
        for (const after of ways) {
          const storage = yield* memory()
          const first = yield* put(otherWay(storage, before), few)
          const second = yield* put(otherWay(storage, after), few)
          assert.deepStrictEqual(second, { ...first, outcome: "identical" })
          assert.lengthOf(yield* keys(storage), 1)
        }
      }
    })
  )

  it.effect("are a conflict when others have their key, in whatever way those were stored", () =>
    Effect.gen(function* () {
      const other = batchOf(few.map((tick, index) => (index === 3 ? TestTick.make("run", 4, 9) : tick)))
      const longer = batchOf([...few, TestTick.make("run", 5, 3)])
      const shorter = batchOf(few.filter((_, index) => index !== 3))
      for (const before of ways) {
        for (const after of ways) {
          for (const ticks of [other, longer, shorter]) {
            const storage = yield* memory()
            yield* put(otherWay(storage, before), few)
            const error = yield* Effect.flip(put(otherWay(storage, after), ticks))
            assert.strictEqual(error.reason._tag, "KeyConflict")
            assert.lengthOf(yield* keys(storage), 1)
          }
        }
      }
    })
  )

  it.effect("are not what an empty file is that a crash left behind under the other name", () =>
    Effect.gen(function* () {
      const storage = yield* memory("zstd")
      const key = BatchFile.keyOf(storage, new RunBatch(run, batch))
      yield* Storage.write(storage, StorageKey.sibling(key), [])
      assert.strictEqual((yield* put(storage)).outcome, "created")
      assert.deepStrictEqual(yield* Stream.runCollect(BatchFile.read(storage, key)), [...batch])
      const { storage: taken } = yield* holding(new Uint8Array())
      assert.strictEqual((yield* Effect.flip(put(taken))).reason._tag, "KeyConflict", "under its own it is in the way")
    })
  )

  it.effect("are a conflict with what is damaged", () =>
    Effect.gen(function* () {
      const bytes = compress(plain)
      for (const damaged of [bytes.slice(0, 1000), Bytes.concat([bytes, Uint8Array.of(1)])]) {
        for (const way of ways) {
          const { storage } = yield* holding(damaged)
          const error = yield* Effect.flip(put(otherWay(storage, way)))
          assert.strictEqual(error.reason._tag, "KeyConflict")
        }
      }
    })
  )

  it.effect("cost one look at the other name, and are made durable when they are found there", () =>
    Effect.gen(function* () {
      for (const way of ways) {
        const { faults, storage } = FaultyStorage.make(yield* memory())
        const calls = () => Effect.map(faults.calls, (all) => all.map(({ operation }) => operation))
        yield* put(otherWay(storage, way))
        const first = yield* calls()
        assert.strictEqual(first.filter((operation) => operation === "stat").length, 1)
        assert.notInclude(first, "read")
        yield* put(otherWay(storage, way.codec === "none" ? { codec: "zstd", level: 1 } : { codec: "none" }))
        assert.deepStrictEqual((yield* calls()).slice(first.length), ["stat", "read", "secure"])
      }
    })
  )
})

/** Numbers of the ticks that come before a failure, and what fails. */
const upToDamage = Effect.fnUntraced(function* (storage: Storage.Storage["Service"], key: StorageKey.StorageKey) {
  const numbers: Array<number> = []
  const error = yield* BatchFile.read(storage, key).pipe(
    Stream.runForEach(({ tickNumber }) => Effect.sync(() => numbers.push(Number(tickNumber)))),
    Effect.flip
  )
  return { numbers, error }
})

const oneTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

/** The places of the blocks of one frame, and where it ends. */
const blocksOf = (bytes: Uint8Array) => {
  const ends: Array<number> = []
  for (let at = 10, isLast = false; !isLast;) {
    const header = (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) * 256 + (bytes[at + 2] ?? 0) * 65_536
    isLast = (header & 1) === 1
    at += 3 + (header >> 3)
    ends.push(at)
  }
  return ends
}

describe("a damaged compression", () => {
  const bytes = compress(plain)

  it.effect("gives all that comes before the damage, however much of the object is gone", () =>
    Effect.gen(function* () {
      const ends = blocksOf(bytes)
      assert.isAbove(ends.length, 5)
      for (const [block, end] of ends.entries()) {
        if (block === ends.length - 1) continue
        const { storage, key } = yield* holding(bytes.slice(0, end + 5))
        const { error, numbers } = yield* upToDamage(storage, key)
        assert.strictEqual(error.reason._tag, "ObjectDamaged")
        const before = zstdDecompressSync(bytes.slice(0, end + 5), { finishFlush: constants.ZSTD_e_continue }).length
        const readable = batch.filter((_, index) => Delimited.encodedBytes(batch.slice(0, index + 1)) <= before).length
        assert.deepStrictEqual(numbers, oneTo(readable), `cut after block ${block}`)
        const contents = yield* BatchFile.scan(storage, key)
        assert.include(contents.problem, "the zstd compression is damaged or cut")
        assert.strictEqual(contents.count, readable)
        assert.strictEqual(yield* BatchFile.size(storage, key), before)
      }
    })
  )

  it.effect("is told wherever a byte is another one, and no tick that differs passes for what was written", () =>
    Effect.gen(function* () {
      const { checks } = yield* put(yield* memory())
      const payloads = new Map(batch.map(({ payload, tickNumber }) => [tickNumber, payload]))
      for (let times = 0; times < 50; times++) {
        const at = times < 20 ? times : random.between(0, bytes.length - 1)
        const damaged = bytes.slice()
        damaged[at] = (damaged[at] ?? 0) ^ (1 << random.between(0, 7))
        const { storage, key } = yield* holding(damaged)
        const contents = yield* BatchFile.scan(storage, key)
        // What is left of a header that has a bit more or less may say the same.
        if (contents.problem === undefined) assert.deepStrictEqual(contents.checks, checks, `byte ${at}`)
        const found = yield* Stream.runCollect(BatchFile.salvage(storage, key, checks))
        for (const one of found) {
          if (one._tag === "Tick") assert.deepStrictEqual(one.tick.payload, payloads.get(one.tick.tickNumber))
        }
      }
    })
  )

  it.effect("has every tick intact when only the checksum of the frame is wrong", () =>
    Effect.gen(function* () {
      const damaged = bytes.slice()
      damaged[bytes.length - 1] = (damaged[bytes.length - 1] ?? 0) ^ 1
      const { storage, key } = yield* holding(damaged)
      const contents = yield* BatchFile.scan(storage, key)
      assert.include(contents.problem, "damaged or cut")
      assert.strictEqual(contents.count, batch.length)
    })
  )

  it.effect("is what follows the frame and is none; further frames and those to be skipped are not", () =>
    Effect.gen(function* () {
      const skippable = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9)
      const half = Delimited.encodedBytes(batch.slice(0, 20))
      const two = Bytes.concat([compress(plain.slice(0, half)), skippable, compress(plain.slice(half))])
      const good = yield* holding(two)
      assert.isUndefined((yield* BatchFile.scan(good.storage, good.key)).problem)
      for (const garbage of [Uint8Array.of(0), new Uint8Array(5000), Uint8Array.of(0x28, 0xb5, 0x2f), plain]) {
        const { storage, key } = yield* holding(Bytes.concat([bytes, garbage]))
        const contents = yield* BatchFile.scan(storage, key)
        assert.isDefined(contents.problem, `${garbage.length} bytes after the frame`)
        assert.strictEqual(contents.count, batch.length)
      }
    })
  )

  it.effect("is a frame without ticks, and one that asks for more memory than a reader gives", () =>
    Effect.gen(function* () {
      const empty = yield* holding(compress(new Uint8Array()))
      assert.strictEqual((yield* BatchFile.scan(empty.storage, empty.key)).problem, "it is empty")
      // A window of 2^41 bytes, the largest that there is.
      const huge = yield* holding(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 1, 0, 0))
      const { problem } = yield* BatchFile.scan(huge.storage, huge.key)
      assert.include(problem, "needs a window of more than 134217728 bytes")
    })
  )

  it.effect("does not fill the memory with what few bytes are decompressed to", () =>
    Effect.gen(function* () {
      const zeros = compress(new Uint8Array(64 * 1024 * 1024))
      const { storage, key } = yield* holding(Bytes.concat(Array.from({ length: 200 }, () => zeros)))
      // Messages without a byte, which are no ticks: the first of 12 GiB says so.
      assert.include((yield* BatchFile.scan(storage, key)).problem, "message 1 at byte 0")
    })
  )
})
