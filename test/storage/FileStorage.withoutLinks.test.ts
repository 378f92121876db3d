// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as StorageContract from "../../src/testing/StorageContract.ts"
import { contract } from "../support/contract.ts"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { systemError } from "../support/ScriptedFileSystem.ts"
import { layerFileStorageOn, temporaryFolder } from "../support/temporaryFolder.ts"
import { bytes, platform, setupWith } from "./scriptedStorage.ts"

const noLinks = Layer.effect(
  FileSystem.FileSystem,
  FileSystem.FileSystem.useSync((fs) =>
    FileSystem.FileSystem.of({ ...fs, link: (from) => Effect.fail(systemError("link", from, "EPERM")) })
  )
)

contract(
  "Storage (files without hard links)",
  StorageContract.cases(layerFileStorageOn(Layer.provideMerge(noLinks, NodeServices.layer)))
)

const warning = /^No hard links on this file system: commits reserve their name with an empty file/u

/** A storage whose file system says `code` to every link. */
const setup = Effect.fnUntraced(function* (code = "EPERM", storages = 1) {
  yield* LogWatch.expect("Warn", warning, { times: storages })
  return yield* setupWith({}, (script) => script.failAlways("link", /./u, code))
})

const other = Uint8Array.of(9, 9, 9)

/** Lets `fiber` wait as long as it likes: time passes until it is done. */
const whileTimePasses = Effect.fnUntraced(function* <A, E>(fiber: Fiber.Fiber<A, E>) {
  while (fiber.pollUnsafe() === undefined) {
    yield* TestClock.adjust("100 millis")
    yield* TestClock.withLive(Effect.sleep("1 millis"))
  }
  return yield* Fiber.join(fiber)
})

describe("the start on a file system without hard links", () => {
  it.effect.each(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"])(
    "warns once, says so (%s), and leaves nothing of what it tried",
    (code) =>
      Effect.gen(function* () {
        const { files, put, record, storage } = yield* setup(code)
        assert.deepStrictEqual(storage.medium, { hardLinks: false, folderSync: true, durability: "full" })
        assert.deepStrictEqual(yield* files, [])
        yield* put("run/a", bytes)
        assert.notInclude((yield* record).join(), "link")
      }).pipe(Effect.provide(platform))
  )

  it.effect("is a failure when a link fails for another reason that stays", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(setupWith({}, (script) => script.fail("link", /./u, "EROFS")))
      assert.include(error.message, "the file system is read-only (EROFS)")
    }).pipe(Effect.provide(platform))
  )

  it.effect("takes a folder that is full for one that can do all: it can't be tried", () =>
    Effect.gen(function* () {
      const { storage } = yield* setupWith({}, (script) => script.fail("open", /\.tmp$/u, "ENOSPC"))
      assert.deepStrictEqual(storage.medium, { hardLinks: true, folderSync: true, durability: "full" })
    }).pipe(Effect.provide(platform))
  )

  it.effect.each(["EINVAL", "ENOTSUP"])("warns that folders can't be fsynced (%s)", (code) =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Warn", /^Folders can't be fsynced on this file system: a power cut may/u, { times: 1 })
      // The folder is fsynced in its parent first, then tried itself.
      const { put, storage } = yield* setupWith({}, (script) => script.failAlways("sync", /data(\/run)?$/u, code))
      assert.deepStrictEqual(storage.medium, { hardLinks: true, folderSync: false, durability: "full" })
      assert.strictEqual((yield* put("run/a", bytes)).outcome, "created")
    }).pipe(Effect.provide(platform))
  )
})

describe("a commit without hard links", () => {
  it.effect("reserves the name, renames the file over it and makes that durable", () =>
    Effect.gen(function* () {
      const { files, put, record } = yield* setup()
      yield* put("run/first", bytes)
      yield* record
      yield* put("run/a", bytes)
      assert.deepStrictEqual(yield* record, [
        "open run/TMP",
        "write run/TMP",
        "sync run/TMP",
        "close run/TMP",
        "open run/a",
        "close run/a",
        "rename run/TMP run/a",
        "open run",
        "sync run",
        "close run",
        "remove run/TMP"
      ])
      assert.deepStrictEqual(yield* files, ["run", "run/a", "run/first"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("never renames over a file that has content", () =>
    Effect.gen(function* () {
      const { files, fs, path, put, record, root } = yield* setup()
      yield* put("run/a", bytes)
      yield* record
      assert.strictEqual((yield* put("run/a", bytes)).outcome, "identical")
      assert.strictEqual((yield* Effect.flip(put("run/a", other))).reason._tag, "KeyConflict")
      assert.notInclude((yield* record).join(), "rename")
      assert.deepStrictEqual(yield* fs.readFile(path.join(root, "run/a")), bytes)
      assert.deepStrictEqual(yield* files, ["run", "run/a"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("gives the name up again when the rename fails, and the next attempt has it", () =>
    Effect.gen(function* () {
      const { files, put, script } = yield* setup()
      yield* script.fail("rename", /\.tmp/u, "EIO")
      const error = yield* Effect.flip(put("run/a", bytes))
      assert.deepStrictEqual([error.operation, error.reason._tag], ["commit", "IoFailure"])
      assert.deepStrictEqual(yield* files, ["run"])
      assert.strictEqual((yield* put("run/a", bytes)).outcome, "created")
    }).pipe(Effect.provide(platform))
  )
})

it.effect("a commit that was halted for long since it reserved its name leaves it to who has taken it over", () =>
  Effect.gen(function* () {
    yield* LogWatch.expect("Warn", warning, { times: 1 })
    const fs = yield* FileSystem.FileSystem
    const root = yield* temporaryFolder
    const path = yield* Path.Path
    const taken = path.join(root, "run/a")
    let reserved = false
    const halting = FileSystem.FileSystem.of({
      ...fs,
      link: (from) => Effect.fail(systemError("link", from, "EPERM")),
      // What comes after the reservation takes so long that another process fills it.
      stat: (file) =>
        file === taken && !reserved
          ? Effect.sync(() => (reserved = true)).pipe(
              Effect.andThen(fs.writeFile(taken, bytes)),
              Effect.andThen(fs.stat(taken))
            )
          : fs.stat(file)
    })
    const storage = yield* Effect.provideService(
      FileStorage.make("files", { rootDirectory: root }),
      FileSystem.FileSystem,
      halting
    )
    const key = yield* Effect.orDie(StorageKey.parse("run/a"))
    const fiber = yield* Effect.forkChild(Effect.flip(Storage.write(storage, key, [other])))
    assert.strictEqual((yield* whileTimePasses(fiber)).reason._tag, "KeyConflict")
    assert.isTrue(reserved)
    assert.deepStrictEqual(yield* fs.readFile(taken), bytes)
  }).pipe(Effect.provide(platform))
)

describe("an empty file that a crash left behind", () => {
  it.effect("is taken over, once nobody has filled it for five seconds", () =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Info", "Takes over an empty file that an earlier crash left behind", { times: 1 })
      const { files, fs, path, put, root } = yield* setup()
      yield* fs.makeDirectory(path.join(root, "run"))
      yield* fs.writeFile(path.join(root, "run/a"), new Uint8Array())
      const fiber = yield* Effect.forkChild(put("run/a", bytes))
      assert.strictEqual((yield* whileTimePasses(fiber)).outcome, "created")
      assert.isAtLeast(yield* Clock.currentTimeMillis, 5000)
      assert.deepStrictEqual(yield* fs.readFile(path.join(root, "run/a")), bytes)
      assert.deepStrictEqual(yield* files, ["run", "run/a"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("is taken over by one of many, and is a conflict for the others", () =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Info", "Takes over an empty file that an earlier crash left behind", { times: 1 })
      const { fs, path, put, root } = yield* setup()
      yield* fs.makeDirectory(path.join(root, "run"))
      yield* fs.writeFile(path.join(root, "run/a"), new Uint8Array())
      const writers = Array.from({ length: 6 }, (_, index) => Effect.result(put("run/a", Uint8Array.of(index, 1))))
      const fiber = yield* Effect.forkChild(Effect.all(writers, { concurrency: "unbounded" }))
      const results = yield* whileTimePasses(fiber)
      const winner = results.findIndex(({ _tag }) => _tag === "Success")
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Failure").length, 5)
      assert.deepStrictEqual(yield* fs.readFile(path.join(root, "run/a")), Uint8Array.of(winner, 1))
    }).pipe(Effect.provide(platform))
  )

  it.effect("that another process fills in time is its object", () =>
    Effect.gen(function* () {
      const { fs, path, put, root } = yield* setup()
      yield* fs.makeDirectory(path.join(root, "run"))
      yield* fs.writeFile(path.join(root, "run/a"), new Uint8Array())
      const [same, conflict] = [
        yield* Effect.forkChild(put("run/a", bytes)),
        yield* Effect.forkChild(Effect.flip(put("run/a", other)))
      ]
      yield* TestClock.withLive(Effect.sleep("30 millis"))
      yield* TestClock.adjust("1 second")
      yield* fs.writeFile(path.join(root, "theirs"), bytes)
      yield* fs.rename(path.join(root, "theirs"), path.join(root, "run/a"))
      assert.strictEqual((yield* whileTimePasses(same)).outcome, "identical")
      assert.strictEqual((yield* whileTimePasses(conflict)).reason._tag, "KeyConflict")
      assert.isBelow(yield* Clock.currentTimeMillis, 5000)
      assert.deepStrictEqual(yield* fs.readFile(path.join(root, "run/a")), bytes)
    }).pipe(Effect.provide(platform))
  )
})

describe("two storages in one folder", () => {
  it.effect("leave one winner of each key, whatever the order of their steps", () =>
    Effect.gen(function* () {
      const { fs, path, root, storage } = yield* setup("EPERM", 2)
      const second = yield* FileStorage.make("second", { rootDirectory: root })
      for (let round = 0; round < 30; round++) {
        const key = yield* Effect.orDie(StorageKey.parse(`run/${round}`))
        const write = (each: typeof second, index: number) =>
          Effect.result(Storage.write(each, key, [Uint8Array.of(index, round)]))
        const race = Effect.forEach([storage, second], write, { concurrency: "unbounded" })
        const results = yield* whileTimePasses(yield* Effect.forkChild(race))
        const winner = results.findIndex(({ _tag }) => _tag === "Success")
        const loser = results[1 - winner]
        assert.isTrue(loser?._tag === "Failure" && loser.failure.reason._tag === "KeyConflict", `round ${round}`)
        assert.deepStrictEqual(yield* fs.readFile(path.join(root, key)), Uint8Array.of(winner, round))
      }
      assert.lengthOf(yield* Stream.runCollect(second.list("")), 30)
    }).pipe(Effect.provide(platform))
  )
})

describe("setting aside without hard links", () => {
  it.effect("keeps the bytes under a name that was free, and frees the key", () =>
    Effect.gen(function* () {
      const { files, fs, path, put, record, root, storage } = yield* setup()
      const key = yield* Effect.orDie(StorageKey.parse("run/a"))
      yield* put("run/a", bytes)
      yield* record
      assert.strictEqual(yield* storage.setAside(key), path.join(root, "run/.set-aside/a.1"))
      assert.deepStrictEqual(
        (yield* record).filter((line) => /^(rename|remove|sync)/u.test(line)),
        ["rename run/a run/.set-aside/a.1", "sync run/.set-aside", "sync run"]
      )
      yield* put("run/a", other)
      assert.strictEqual(yield* storage.setAside(key), path.join(root, "run/.set-aside/a.2"))
      assert.deepStrictEqual(yield* fs.readFile(path.join(root, "run/.set-aside/a.1")), bytes)
      assert.deepStrictEqual(yield* fs.readFile(path.join(root, "run/.set-aside/a.2")), other)
      assert.deepStrictEqual(yield* files, ["run", "run/.set-aside", "run/.set-aside/a.1", "run/.set-aside/a.2"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("of what isn't there leaves nothing", () =>
    Effect.gen(function* () {
      const { files, storage } = yield* setup()
      const key = yield* Effect.orDie(StorageKey.parse("a"))
      assert.strictEqual((yield* Effect.flip(storage.setAside(key))).reason._tag, "ObjectMissing")
      assert.deepStrictEqual(yield* files, [".set-aside"])
    }).pipe(Effect.provide(platform))
  )
})
