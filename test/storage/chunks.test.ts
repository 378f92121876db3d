// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import * as Chunks from "../../src/storage/internal/chunks.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

/** A file of `size` bytes on a file system that notes what is done to it, and whose reads from the `held`th on wait. */
const setup = Effect.fnUntraced(function* (size: number, held = Number.POSITIVE_INFINITY) {
  const fs = yield* FileSystem.FileSystem
  const file = `${yield* temporaryFolder}/file`
  const bytes = Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 0xff)
  yield* fs.writeFile(file, bytes)
  const done: Array<string> = []
  const [gate, waits] = [yield* Latch.make(false), yield* Deferred.make<void>()]
  let reads = 0
  const watch = <A, E>(read: Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      if (++reads >= held) {
        yield* Deferred.succeed(waits, undefined)
        yield* gate.await
      }
      const result = yield* read
      done.push("read")
      return result
    })
  const watched: FileSystem.FileSystem = {
    ...fs,
    open: (path, options) =>
      Effect.acquireRelease(Effect.void, () => Effect.sync(() => done.push("closed"))).pipe(
        Effect.andThen(fs.open(path, options)),
        Effect.map((real) => ({
          ...real,
          [FileSystem.FileTypeId]: FileSystem.FileTypeId,
          read: (buffer: Uint8Array) => watch(real.read(buffer)),
          readAlloc: (size: number) => watch(real.readAlloc(size))
        }))
      )
  }
  return { fs: watched, file, bytes, done, gate, waits }
})

/** Memory of so many bytes at a time. */
const rooms = (bytes: number) => () => new Uint8Array(bytes)

const ways = [
  ["kept", Chunks.kept],
  ["lent", Chunks.lent],
  ["into the memory of the reader", Chunks.into(rooms(1_000_000))]
] as const

describe("the chunks of a file", () => {
  it.effect.each(ways)("are read one ahead of whoever asks for them, and no further: %s", ([, chunksOf]) =>
    Effect.gen(function* () {
      const { done, file, fs } = yield* setup(5_000_000)
      yield* chunksOf(fs, file, new Chunks.Buffers()).pipe(
        Stream.take(2),
        Stream.runForEach(() => Effect.repeat(Effect.yieldNow, { times: 50 }))
      )
      assert.isAtLeast(done.indexOf("closed"), 2)
      assert.isAtMost(done.filter((one) => one === "read").length, 3)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect.each(ways)(
    "are not given up while one is on its way: its file stays open until it has come: %s",
    ([, chunksOf]) =>
      Effect.gen(function* () {
        const { done, file, fs, gate, waits } = yield* setup(5_000_000, 3)
        const buffers = new Chunks.Buffers()
        const fiber = yield* Effect.forkChild(Stream.runDrain(chunksOf(fs, file, buffers)))
        yield* Deferred.await(waits)
        const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        yield* Effect.repeat(Effect.yieldNow, { times: 50 })
        assert.deepStrictEqual(done, ["read", "read"])
        // Nor does anybody else get its buffer.
        const others = yield* setup(3_000_000)
        const copies: Array<Uint8Array> = []
        yield* Chunks.lent(others.fs, others.file, buffers).pipe(
          Stream.runForEach((chunk) =>
            Effect.sync(() => {
              copies.push(new Uint8Array(chunk))
            })
          )
        )
        assert.isTrue(Bytes.Equivalence(Bytes.concat(copies), others.bytes))
        yield* gate.open
        yield* Fiber.join(interruption)
        assert.deepStrictEqual(done, ["read", "read", "read", "closed"])
      }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("that are lent lie in buffers that are used again", () =>
    Effect.gen(function* () {
      const { file, fs } = yield* setup(3_000_000)
      const buffers = new Chunks.Buffers()
      const seen = new Set<ArrayBufferLike>()
      for (let round = 0; round < 3; round++) {
        yield* Stream.runForEach(Chunks.lent(fs, file, buffers), (chunk) => Effect.sync(() => seen.add(chunk.buffer)))
      }
      assert.strictEqual(seen.size, 2)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("that are lent stay what they are until the next is asked for, though it has come already", () =>
    Effect.gen(function* () {
      const { bytes, done, file, fs } = yield* setup(3_000_000)
      let seen = 0
      const copies: Array<Uint8Array> = []
      yield* Stream.runForEach(Chunks.lent(fs, file, new Chunks.Buffers()), (chunk) =>
        Effect.suspend(() => {
          seen++
          return Effect.repeat(Effect.yieldNow, { until: () => done.length > seen })
        }).pipe(Effect.andThen(Effect.sync(() => copies.push(new Uint8Array(chunk)))))
      )
      assert.isAbove(seen, 2)
      assert.isTrue(Bytes.Equivalence(Bytes.concat(copies), bytes))
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect.each([0, 1, 999, 1000, 1001, 54_321])("lie one behind the other where the reader wants them: %i", (size) =>
    Effect.gen(function* () {
      const { bytes, file, fs } = yield* setup(size)
      const given: Array<Uint8Array> = []
      const room = () => {
        const memory = new Uint8Array(1000)
        given.push(memory)
        return memory
      }
      const chunks = yield* Stream.runCollect(Chunks.into(room)(fs, file))
      assert.isTrue(Bytes.Equivalence(Bytes.concat(chunks), bytes))
      assert.isTrue(Bytes.Equivalence(Bytes.concat(given).subarray(0, size), bytes))
      // One for the end of the file, where the last is full.
      assert.lengthOf(given, Math.floor(size / 1000) + 1)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect.each([0, 1, 65_535, 65_536, 65_537, 524_288, 589_824, 1_048_576, 1_700_001])(
    "that are kept are fresh, whatever the size of the file: %i",
    (size) =>
      Effect.gen(function* () {
        const { bytes, file, fs } = yield* setup(size)
        const buffers = new Chunks.Buffers()
        const first = yield* Stream.runCollect(Chunks.kept(fs, file, buffers))
        const second = yield* Stream.runCollect(Chunks.kept(fs, file, buffers))
        for (const chunk of second) chunk.fill(0)
        assert.isTrue(Bytes.Equivalence(Bytes.concat(first), bytes))
      }).pipe(Effect.provide(NodeServices.layer))
  )
})
