// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as BatchFile from "../support/batchFiles.ts"
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
      const key = BatchFile.keyOf(files, new RunBatch(RunId.make("run"), ticks))
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

  it.effect("are listed by a prefix without a look at the folders above its last slash, and never outside", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* temporaryFolder
      const rootDirectory = `${folder}/data`
      for (const one of ["data/run/ledger", "data/run/.set-aside", "data/loop", "other/run"]) {
        yield* fs.makeDirectory(`${folder}/${one}`, { recursive: true })
      }
      for (const file of ["data/run/a", "data/run/ledger/b", "data/run/.set-aside/c", "other/run/d"]) {
        yield* fs.writeFile(`${folder}/${file}`, new Uint8Array())
      }
      yield* fs.symlink(`${folder}/other/run`, `${rootDirectory}/linked`)
      yield* fs.symlink(`${rootDirectory}/loop/loop`, `${rootDirectory}/loop/loop`)
      yield* fs.symlink(`${folder}/gone`, `${rootDirectory}/dangling`)
      const looks: Array<string> = []
      const watched: FileSystem.FileSystem = {
        ...fs,
        readDirectoryEntries: (path) => {
          looks.push(path)
          return fs.readDirectoryEntries(path)
        }
      }
      const storage = yield* StoredFiles.make("stored", rootDirectory).pipe(
        Effect.provideService(FileSystem.FileSystem, watched)
      )
      const list = (prefix: string) => Stream.runCollect(storage.list(prefix))
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* list("run/ledger/"), ["run/ledger/b"])
      assert.deepStrictEqual(looks, [`${rootDirectory}/run/ledger/`])
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* list("linked/"), ["linked/d"])
      for (const prefix of ["run/a/", "loop/loop/", "dangling/", "absent/ledger/", "run/led/"]) {
        assert.deepStrictEqual(yield* list(prefix), [], prefix)
      }
      looks.length = 0
      const outside = [
        "../other/run/",
        "run/../../other/run/",
        "run/.set-aside/",
        "/",
        `${folder}/other/run/`,
        "run//",
        "./run/"
      ]
      for (const prefix of outside) assert.deepStrictEqual(yield* list(prefix), [], prefix)
      assert.deepStrictEqual(looks, [])
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
