// @module-tag integration
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as FreeSpace from "../../src/storage/FreeSpace.ts"
import * as Medium from "../../src/storage/Medium.ts"
import { ScriptedFileSystem } from "../support/ScriptedFileSystem.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"
import { platform } from "./scriptedStorage.ts"

const setup = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* temporaryFolder
  return { fs, path, folder, script: yield* ScriptedFileSystem, files: fs.readDirectory(folder) }
})

describe("what a folder can do", () => {
  it.effect("is tried with files that are gone afterwards, also when it fails", () =>
    Effect.gen(function* () {
      const { files, folder, fs, path, script } = yield* setup
      assert.deepStrictEqual(yield* Medium.probe(fs, path, folder), Medium.able)
      assert.deepStrictEqual(yield* files, [])
      yield* script.fail("link", /./u, "EIO")
      assert.strictEqual((yield* Effect.flip(Medium.probe(fs, path, folder))).reason._tag, "IoFailure")
      assert.deepStrictEqual(yield* files, [])
      yield* script.fail("sync", /\.tmp$/u, "EIO")
      assert.strictEqual((yield* Effect.flip(Medium.tryFile(fs, path, folder))).reason._tag, "IoFailure")
      assert.deepStrictEqual(yield* files, [])
    }).pipe(Effect.provide(platform))
  )

  it.effect("is nothing when it reads other bytes than were written", () =>
    Effect.gen(function* () {
      const { folder, fs, path } = yield* setup
      yield* Medium.tryFile(fs, path, folder)
      const lying = FileSystem.FileSystem.of({
        ...fs,
        readFile: (file) => Effect.map(fs.readFile(file), (bytes) => bytes.with(4095, (bytes[4095] ?? 0) ^ 1))
      })
      const error = yield* Effect.flip(Medium.tryFile(lying, path, folder))
      assert.include(error.message, "it reads other bytes than were written")
    }).pipe(Effect.provide(platform))
  )
})

describe("where a folder is", () => {
  it.effect("is itself, or the nearest one above it that exists", () =>
    Effect.gen(function* () {
      const { folder, fs, path, files } = yield* setup
      assert.strictEqual(yield* Medium.locate(fs, path, folder), folder)
      assert.strictEqual(yield* Medium.locate(fs, path, path.join(folder, "a", "b")), folder)
      assert.deepStrictEqual(yield* files, [])
    }).pipe(Effect.provide(platform))
  )

  it.effect("is nowhere when a file is in the way", () =>
    Effect.gen(function* () {
      const { folder, fs, path } = yield* setup
      const file = path.join(folder, "file")
      yield* fs.writeFile(file, Uint8Array.of(1))
      for (const place of [file, path.join(file, "below")]) {
        const error = yield* Effect.flip(Medium.locate(fs, path, place))
        assert.deepStrictEqual([error.key, error.reason._tag], [place, "InvalidPlace"])
      }
    }).pipe(Effect.provide(platform))
  )
})

describe("free space", () => {
  it.effect("is some where there is a folder, and unknown where there is none", () =>
    Effect.gen(function* () {
      const { folder, path } = yield* setup
      assert.isAbove((yield* FreeSpace.of(folder)) ?? 0, 0)
      assert.isUndefined(yield* FreeSpace.of(path.join(folder, "absent")))
    }).pipe(Effect.provide(platform))
  )
})
