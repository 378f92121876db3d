// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { zstdCompressSync } from "node:zlib"
import * as BatchFile from "../../src/batch/BatchFile.ts"
import * as Compression from "../../src/batch/Compression.ts"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as FileStorageKind from "../../src/kinds/FileStorageKind.ts"
import * as InMemoryStorageKind from "../../src/kinds/InMemoryStorageKind.ts"
import * as Pipeline from "../../src/Pipeline.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { randomFrom } from "../support/random.ts"

const random = randomFrom(7)
const plain = Uint8Array.from({ length: 5000 }, (_, index) => (index % 97) ^ random.between(0, 3))
const compressed = new Uint8Array(zstdCompressSync(plain))

/** `bytes` in chunks of `size`. */
const chunked = (bytes: Uint8Array, size: number) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.slice(index * size, (index + 1) * size))
  ).pipe(Stream.rechunk(1))

const collect = <E>(bytes: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(Compression.decompressed(bytes)), (chunks) => Bytes.concat(chunks))

const kind = (kind: typeof FileStorageKind.kind | typeof InMemoryStorageKind.kind) => (options: object) =>
  Effect.map(Effect.fromResult(kind.configure("storage-main", options)), (configured) => configured.options)

it.effect("is that of zstd in files and none in memory, unless something else is asked for", () =>
  Effect.gen(function* () {
    for (const [decode, expected] of [
      [kind(FileStorageKind.kind), "zstd"],
      [Schema.decodeEffect(Pipeline.Options), "zstd"],
      [Schema.decodeEffect(Compression.Options), "zstd"],
      [kind(InMemoryStorageKind.kind), "none"]
    ] as const) {
      assert.deepInclude(yield* decode({}), { compression: expected, compressionLevel: 1 })
      for (const compression of ["zstd", "none"] as const) {
        assert.deepInclude(yield* decode({ compression }), { compression })
      }
    }
  })
)

it.effect.each([
  ["layerNone", Compression.layerNone, false],
  ["layer that compresses nothing", Compression.layer({ compression: "none" }), false],
  ["layer", Compression.layer(), true]
] as const)("of %s is that of new batches, in their names and in their bytes", ([, layer, compressed]) =>
  Effect.gen(function* () {
    const storage = yield* Storage.Storage
    const ticks = TestTick.range("run", 1, 3)
    assert(Tick.isBatch(ticks))
    const { key } = yield* BatchFile.write(yield* BatchFile.keyOf(new RunBatch(RunId.make("run"), ticks)), ticks)
    assert.strictEqual(StorageKey.isCompressed(key), compressed)
    const bytes = Bytes.concat(yield* Stream.runCollect(storage.read(key)))
    assert.strictEqual(Compression.isCompressed(bytes), compressed)
    assert.deepStrictEqual([...(yield* Stream.runCollect(BatchFile.read(key)))], [...ticks])
  }).pipe(Effect.provide(Layer.merge(layer, Storage.layerMemory)))
)

it.effect.each([0, 23])("has no level %s", (compressionLevel) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Effect.provide(Effect.void, Compression.layer({ compressionLevel })))
    assert.include(error.message, "must be a whole number from 1 to 22")
  })
)

it.effect.each([1, 2, 3, 4, 5, 7, 64, 1000, 1_000_000])("decompresses what comes in chunks of %s bytes", (size) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* collect(chunked(compressed, size)), plain)
  })
)

/** The same in chunks that are overwritten once the next is pulled. */
const lent = (bytes: Uint8Array, size: number) => {
  const buffer = new Uint8Array(size)
  return chunked(bytes, size).pipe(
    Stream.map((chunk) => {
      buffer.set(chunk)
      return buffer.subarray(0, chunk.length)
    })
  )
}

it.effect.each([1, 2, 3, 5, 7, 64])("decompresses and cuts chunks of %s bytes that are only lent", (size) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* collect(lent(compressed, size)), plain)
    const steps = yield* Stream.runCollect(Compression.upToDamage(lent(compressed, size)))
    assert.deepStrictEqual(Bytes.concat(steps), plain)
  })
)

it.effect.each([1, 2, 3, 4, 5, 1000])("passes on what is not compressed, in chunks of %s bytes", (size) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* collect(chunked(plain, size)), plain)
  })
)

it.effect.each([0, 1, 2, 3, 4])("passes on a stream of %s bytes", (size) =>
  Effect.gen(function* () {
    const few = plain.slice(0, size)
    assert.deepStrictEqual(yield* collect(chunked(few, 1)), few)
  })
)

it.effect("takes empty chunks for nothing", () =>
  Effect.gen(function* () {
    const empty = Stream.succeed(new Uint8Array(0))
    const bytes = Stream.concat(empty, Stream.concat(chunked(compressed, 3), empty))
    assert.deepStrictEqual(yield* collect(bytes), plain)
  })
)

it.effect("does not take the beginning of the magic number for all of it", () =>
  Effect.gen(function* () {
    for (const prefix of [compressed.slice(0, 3), Uint8Array.of(0x28, 0xb5, 0x2f, 0xfc, 1, 2)]) {
      assert.deepStrictEqual(yield* collect(chunked(prefix, 1)), prefix)
    }
  })
)

it.effect("decompresses frames that follow each other as one stream", () =>
  Effect.gen(function* () {
    const frames = Bytes.concat([compressed, compressed, new Uint8Array(zstdCompressSync(Uint8Array.of(1, 2, 3)))])
    const expected = Bytes.concat([plain, plain, Uint8Array.of(1, 2, 3)])
    for (const size of [1, 100, 1_000_000]) assert.deepStrictEqual(yield* collect(chunked(frames, size)), expected)
  })
)

it.effect("skips frames that are there to be skipped, also in front", () =>
  Effect.gen(function* () {
    const skippable = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9)
    const frames = Bytes.concat([skippable, compressed, skippable, compressed])
    for (const size of [1, 7, 1_000_000]) {
      assert.deepStrictEqual(yield* collect(chunked(frames, size)), Bytes.concat([plain, plain]))
    }
  })
)

it.effect("fails when the last of several frames is cut, or something else follows them", () =>
  Effect.gen(function* () {
    const rest = [compressed.slice(0, 60), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)]
    for (const bytes of rest.map((last) => Bytes.concat([compressed, compressed, last]))) {
      for (const size of [1, 100, 1_000_000]) {
        const error = yield* Effect.flip(collect(chunked(bytes, size)))
        assert.strictEqual(error._tag, "ZstdError", `${bytes.length} bytes in chunks of ${size}`)
      }
    }
  })
)

it.effect("fails on a stream that is cut, wherever it is", () =>
  Effect.gen(function* () {
    for (let length = 4; length < compressed.length; length += 37) {
      const error = yield* Effect.flip(collect(chunked(compressed.slice(0, length), 50)))
      assert.strictEqual(error._tag, "ZstdError", `cut after ${length} bytes`)
      assert.include(error.message, "damaged or cut")
    }
  })
)

it.effect("fails on a stream that is damaged", () =>
  Effect.gen(function* () {
    const damaged = compressed.slice()
    damaged.fill(0xff, 8, 40)
    assert.strictEqual((yield* Effect.flip(collect(chunked(damaged, 50))))._tag, "ZstdError")
  })
)

it.effect("passes on the failure of its source", () =>
  Effect.gen(function* () {
    const broken = Stream.concat(chunked(compressed.slice(0, 100), 10), Stream.fail("gone" as const))
    assert.strictEqual(yield* Effect.flip(collect(broken)), "gone")
  })
)
