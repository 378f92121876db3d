import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as BatchFile from "../../src/storage/BatchFile.ts"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import * as StoredFiles from "../../src/storage/StoredFiles.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const platform = Layer.merge(NodeServices.layer, LogWatch.layer())

describe("stored files", () => {
  it.effect("are what a file storage has written, and stay that", () =>
    Effect.gen(function* () {
      const rootDirectory = yield* temporaryFolder
      const ticks = TestTick.range("run", 3, 7, 20)
      assert(Tick.isBatch(ticks))
      const files = yield* FileStorage.make("files", { rootDirectory })
      const key = BatchFile.keyOf(files, RunId.make("run"), ticks)
      const { storedBytes } = yield* BatchFile.write(files, key, ticks)
      const storage = yield* StoredFiles.make("stored", rootDirectory)
      assert.deepStrictEqual(yield* Stream.runCollect(storage.list("")), [key])
      assert.strictEqual((yield* storage.stat(key))?.bytes, storedBytes)
      assert.deepStrictEqual(yield* Stream.runCollect(BatchFile.read(storage, key)), ticks)
      const attempts: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        Effect.scoped(storage.create(key)),
        Effect.scoped(storage.append(key)),
        storage.remove(key),
        storage.setAside(key)
      ]
      for (const attempt of attempts) assert.include(String(yield* Effect.flip(attempt)), "read-only")
      assert.deepStrictEqual(yield* Stream.runCollect(storage.list("")), [key])
    }).pipe(Effect.provide(platform))
  )

  it.effect("of a folder that is missing can't be opened, and the folder is not made", () =>
    Effect.gen(function* () {
      const folder = `${yield* temporaryFolder}/missing`
      const error = yield* Effect.flip(StoredFiles.make("stored", folder))
      assert.deepInclude(error, { operation: "open", key: folder })
      assert.isFalse(yield* (yield* FileSystem.FileSystem).exists(folder))
    }).pipe(Effect.provide(platform))
  )
})
