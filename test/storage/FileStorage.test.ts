// @module-tag integration
import { assert, describe, it } from "@effect/vitest"
import * as StorageContract from "../../src/testing/StorageContract.ts"
import { contract } from "../support/contract.ts"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { layerFileStorage, temporaryFolder } from "../support/temporaryFolder.ts"
import { bytes, platform, setup } from "./scriptedStorage.ts"

contract("Storage (files)", StorageContract.cases(layerFileStorage))

const commitSteps = ["open run/TMP", "write run/TMP", "sync run/TMP", "close run/TMP", "link run/TMP run/a"]

describe("a commit to files", () => {
  it.effect("makes the folder durable, then the bytes, then links them to their name, then makes that durable", () =>
    Effect.gen(function* () {
      const { files, put, record } = yield* setup
      yield* put("run/a", bytes)
      assert.deepStrictEqual(yield* record, [
        "mkdir run",
        "open .",
        "sync .",
        "close .",
        ...commitSteps,
        "open run",
        "sync run",
        "close run",
        "remove run/TMP"
      ])
      assert.deepStrictEqual(yield* files, ["run", "run/a"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("does not make the folder again for the next object", () =>
    Effect.gen(function* () {
      const { put, record } = yield* setup
      yield* put("run/first", bytes)
      yield* record
      yield* put("run/a", bytes)
      assert.deepStrictEqual(yield* record, [...commitSteps, "open run", "sync run", "close run", "remove run/TMP"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("makes every folder on the way to a nested key durable in its parent", () =>
    Effect.gen(function* () {
      const { put, record } = yield* setup
      yield* put("a/b/c", bytes)
      const synced = (yield* record).filter((line) => line.startsWith("sync"))
      assert.deepStrictEqual(synced, ["sync a", "sync .", "sync a/b/TMP", "sync a/b"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("compares what has the name already, and neither renames nor overwrites anything", () =>
    Effect.gen(function* () {
      const { files, fs, path, put, record, root } = yield* setup
      yield* put("run/a", bytes)
      yield* record
      assert.strictEqual((yield* put("run/a", bytes)).outcome, "identical")
      assert.deepStrictEqual(yield* record, [
        ...commitSteps,
        "open run/TMP",
        "open run/a",
        "close run/a",
        "close run/TMP",
        "open run",
        "sync run",
        "close run",
        "remove run/TMP"
      ])
      const before = yield* fs.stat(path.join(root, "run/a"))
      assert.strictEqual((yield* Effect.flip(put("run/a", Uint8Array.of(9)))).reason._tag, "KeyConflict")
      const steps = (yield* record).map((line) => line.split(" ")[0])
      assert.notInclude(steps, "rename")
      assert.notInclude(steps, "truncate")
      assert.notInclude(steps, "copy")
      assert.deepStrictEqual((yield* fs.stat(path.join(root, "run/a"))).mtime, before.mtime)
      assert.deepStrictEqual(yield* fs.readFile(path.join(root, "run/a")), bytes)
      assert.deepStrictEqual(yield* files, ["run", "run/a"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("makes a new root folder durable in its parents", () =>
    Effect.gen(function* () {
      const { path, root, script } = yield* setup
      const nested = path.join(root, "x", "y")
      yield* FileStorage.make("files", { rootDirectory: nested })
      const made = Effect.map(script.takeRecord(root), (steps) => steps.filter((line) => /^(mkdir|sync)/u.test(line)))
      // The last one tries whether folders can be fsynced.
      assert.deepStrictEqual(yield* made, ["mkdir x", "sync .", "mkdir x/y", "sync x", "sync x/y"])
      yield* FileStorage.make("files", { rootDirectory: nested })
      assert.deepStrictEqual(yield* made, ["sync x/y"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("leaves no temporary file, whatever becomes of it", () =>
    Effect.gen(function* () {
      const { files, put, script, storage } = yield* setup
      const key = yield* Effect.orDie(StorageKey.parse("run/a"))
      yield* Effect.scoped(Effect.flatMap(storage.create(key), (writer) => writer.write(bytes)))
      for (const call of ["write", "sync", "close", "link"] as const) {
        yield* script.fail(call, /\.tmp$/u, "EIO")
        yield* Effect.flip(put("run/a", bytes))
        assert.deepStrictEqual(yield* files, ["run"], `after a failed ${call}`)
      }
      yield* put("run/a", bytes)
      yield* Effect.flip(put("run/a", Uint8Array.of(9)))
      assert.deepStrictEqual(yield* files, ["run", "run/a"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("warns when a temporary file can't be removed, and is a success all the same", () =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Warn", /^A temporary file could not be closed and removed/u, { times: 1 })
      const { put, script } = yield* setup
      yield* script.fail("remove", /\.tmp$/u, "EACCES")
      assert.strictEqual((yield* put("run/a", bytes)).outcome, "created")
    }).pipe(Effect.provide(platform))
  )

  it.effect("makes its folder again when that was deleted in between, at the next attempt", () =>
    Effect.gen(function* () {
      const { fs, path, put, root } = yield* setup
      yield* put("run/a", bytes)
      yield* fs.remove(path.join(root, "run"), { recursive: true })
      const error = yield* Effect.flip(put("run/b", bytes))
      assert.strictEqual(error.reason._tag, "FolderMissing")
      assert.isTrue(error.isRetryable)
      assert.strictEqual((yield* put("run/b", bytes)).outcome, "created")
      yield* fs.remove(root, { recursive: true })
      yield* Effect.flip(put("run/c", bytes))
      assert.strictEqual((yield* put("run/c", bytes)).outcome, "created")
    }).pipe(Effect.provide(platform))
  )
})

describe("a start after a crash", () => {
  const hour = 3_600_000

  it.effect("removes temporary files of the folder of a run that lies elsewhere and is linked", () =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Info", "Removed temporary files that an earlier crash left behind", { times: 1 })
      const fs = yield* FileSystem.FileSystem
      const [elsewhere, rootDirectory] = [yield* temporaryFolder, yield* temporaryFolder]
      yield* fs.symlink(elsewhere, `${rootDirectory}/run`)
      yield* fs.writeFile(`${elsewhere}/.tickvault-1a.tmp`, bytes)
      yield* fs.utimes(`${elsewhere}/.tickvault-1a.tmp`, 0, 0)
      yield* TestClock.setTime(3 * hour)
      yield* FileStorage.make("files", { rootDirectory })
      assert.deepStrictEqual(yield* fs.readDirectory(elsewhere), [])
    }).pipe(Effect.provide(platform))
  )

  it.effect("removes temporary files of the age and above, and nothing else", () =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Info", "Removed temporary files that an earlier crash left behind", { times: 1 })
      const { files, fs, path, put, root, script } = yield* setup
      yield* put("run/a", bytes)
      const leftover = Effect.fnUntraced(function* (name: string, ageMs: number) {
        const file = path.join(root, name)
        yield* fs.writeFile(file, bytes)
        yield* fs.utimes(file, (3 * hour - ageMs) / 1000, (3 * hour - ageMs) / 1000)
      })
      yield* leftover(".tickvault-1a.tmp", 3 * hour)
      yield* leftover("run/.tickvault-2b.tmp", hour)
      yield* leftover("run/.tickvault-3c.tmp", hour - 1000)
      yield* leftover("run/.tickvault-4d.tmp.bak", 3 * hour)
      yield* leftover("run/tickvault-5e.tmp", 3 * hour)
      yield* leftover("run/.other.tmp", 3 * hour)
      yield* leftover("run/.tickvault-XY.tmp", 3 * hour)
      yield* TestClock.setTime(3 * hour)
      yield* script.takeRecord(root)
      yield* FileStorage.make("files", { rootDirectory: root })
      const removed = (yield* script.takeRecord(root)).filter((line) => line.startsWith("remove"))
      assert.deepStrictEqual(removed.slice(0, 2).sort(), ["remove TMP", "remove run/TMP"])
      assert.deepStrictEqual(
        removed.slice(2),
        ["remove TMP", "remove TMP"],
        "the files that tried what the folder can do"
      )
      assert.deepStrictEqual(yield* files, [
        "run",
        "run/.other.tmp",
        "run/.tickvault-3c.tmp",
        "run/.tickvault-4d.tmp.bak",
        "run/.tickvault-XY.tmp",
        "run/a",
        "run/tickvault-5e.tmp"
      ])
      const [line] = yield* LogWatch.lines
      assert.deepInclude(line?.annotations, { files: 2, folder: root, storage: "files" })
    }).pipe(Effect.provide(platform))
  )

  it.effect("does not show hidden files as objects", () =>
    Effect.gen(function* () {
      const { fs, path, put, root, storage } = yield* setup
      yield* put("run/a", bytes)
      yield* fs.writeFile(path.join(root, "run/.tickvault-1.tmp"), bytes)
      yield* fs.makeDirectory(path.join(root, ".dead-letters"))
      yield* fs.writeFile(path.join(root, ".dead-letters/1.pb"), bytes)
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* Stream.runCollect(storage.list("")), ["run/a"])
    }).pipe(Effect.provide(platform))
  )
})

describe("the metrics of a file storage", () => {
  it.effect("count conflicts by what came of them, and time each fsync", () =>
    Effect.gen(function* () {
      const { put } = yield* setup
      yield* put("run/a", bytes)
      yield* put("run/a", bytes)
      yield* Effect.flip(put("run/a", Uint8Array.of(9)))
      const counts = (yield* Metric.snapshot).map(({ attributes, id, state }) => [
        `${id} ${attributes?.["resolution"] ?? attributes?.["target"] ?? attributes?.["action"]}`,
        "count" in state ? state.count : undefined
      ])
      assert.deepStrictEqual(Object.fromEntries(counts), {
        "persistence_key_conflicts_total identical": 1,
        "persistence_key_conflicts_total different": 1,
        "persistence_recovered_temp_files_total removed": 0,
        "persistence_fsync_duration_seconds file": 3,
        "persistence_fsync_duration_seconds directory": 4
      })
    }).pipe(Effect.provide(platform), Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
