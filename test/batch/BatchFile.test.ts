// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Delimited from "../../src/domain/Delimited.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import type { Storage } from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const platform = Layer.merge(NodeServices.layer, LogWatch.layer())

const setup = Effect.gen(function* () {
  const rootDirectory = yield* temporaryFolder
  const storage = yield* FileStorage.make("files", { rootDirectory })
  const ticks = TestTick.range("run", 3, 7, 20)
  assert(Tick.isBatch(ticks))
  const key = StorageKey.batch(RunId.make("run"), ticks)
  const file = (yield* Path.Path).join(storage.location, key)
  return { storage, ticks, key, file, fs: yield* FileSystem.FileSystem }
})

const readAll = Effect.fnUntraced(function* (storage: Storage["Service"], key: StorageKey.StorageKey) {
  const ticks: Array<Tick.Tick> = []
  const result = yield* BatchFile.read(storage, key).pipe(
    Stream.runForEach((tick) => Effect.sync(() => ticks.push(tick))),
    Effect.result
  )
  return { ticks, error: Result.isFailure(result) ? result.failure : undefined }
})

describe("a batch file", () => {
  it.effect("holds its ticks in their order, in the delimited format and nothing else", () =>
    Effect.gen(function* () {
      const { file, fs, key, storage, ticks } = yield* setup
      const bytes = Delimited.encodedBytes(ticks)
      const { checks, ...committed } = yield* BatchFile.write(storage, key, ticks)
      assert.deepStrictEqual(committed, { outcome: "created", key, bytes, storedBytes: bytes })
      assert.lengthOf(checks, ticks.length)
      assert.deepStrictEqual(yield* fs.readFile(file), [...Delimited.encode(ticks)][0])
      assert.deepStrictEqual(yield* readAll(storage, key), { ticks, error: undefined })
    }).pipe(Effect.provide(platform))
  )

  it.effect("gives all ticks before a cut, then says where it is", () =>
    Effect.gen(function* () {
      const { file, fs, key, storage, ticks } = yield* setup
      yield* BatchFile.write(storage, key, ticks)
      const offset = Delimited.encodedBytes(ticks.slice(0, 3))
      yield* fs.truncate(file, offset + 5)
      const { error, ticks: found } = yield* readAll(storage, key)
      assert.deepStrictEqual(found, ticks.slice(0, 3))
      assert.strictEqual(error?.operation, "read")
      assert.strictEqual(error?.reason._tag, "ObjectDamaged")
      assert.isFalse(error?.isRetryable)
      assert.strictEqual(
        error?.message,
        `storage read of "${key}" failed: what is stored is damaged: message 4 at byte ${offset}: ` +
          "the stream ends within the message, after 5 of its bytes"
      )
    }).pipe(Effect.provide(platform))
  )

  it.effect("gives all ticks before a damage within, then says where it is", () =>
    Effect.gen(function* () {
      const { file, fs, key, storage, ticks } = yield* setup
      yield* BatchFile.write(storage, key, ticks)
      const offset = Delimited.encodedBytes(ticks.slice(0, 1))
      const bytes = yield* fs.readFile(file)
      bytes[offset + 1] = 0x0f // a wire type that does not exist
      yield* fs.writeFile(file, bytes)
      const { error, ticks: found } = yield* readAll(storage, key)
      assert.deepStrictEqual(found, ticks.slice(0, 1))
      assert.include(error?.message, `message 2 at byte ${offset}: not a TickData message: unknown wire type`)
    }).pipe(Effect.provide(platform))
  )

  it.effect("that is missing is missing, not damaged", () =>
    Effect.gen(function* () {
      const { key, storage } = yield* setup
      assert.strictEqual((yield* readAll(storage, key)).error?.reason._tag, "ObjectMissing")
    }).pipe(Effect.provide(platform))
  )
})
