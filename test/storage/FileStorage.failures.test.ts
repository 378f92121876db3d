// @module-tag integration
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import { bytes, platform, setup } from "./scriptedStorage.ts"

const codes = [
  ["ENOSPC", "NoSpace", true],
  ["EDQUOT", "NoSpace", true],
  ["EFBIG", "NoSpace", true],
  ["EIO", "IoFailure", true],
  ["ENXIO", "IoFailure", true],
  ["ETIMEDOUT", "TimedOut", true],
  ["ESTALE", "ConnectionLost", true],
  ["ECONNRESET", "ConnectionLost", true],
  ["EINTR", "ConnectionLost", true],
  ["EMFILE", "Throttled", true],
  ["ENFILE", "Throttled", true],
  ["ENOMEM", "Throttled", true],
  ["EBUSY", "Throttled", true],
  ["ENOENT", "FolderMissing", true],
  ["EACCES", "PermissionDenied", false],
  ["EPERM", "PermissionDenied", false],
  ["EROFS", "ReadOnly", false],
  ["ENAMETOOLONG", "InvalidPlace", false],
  ["ENOTDIR", "InvalidPlace", false],
  ["EXDEV", "InvalidPlace", false]
] as const

describe("a failure of the system", () => {
  it.effect.each(codes)("%s is %s, retryable: %s, in every step of a write", ([code, tag, isRetryable]) =>
    Effect.gen(function* () {
      const { put, script, storage } = yield* setup
      const steps = [
        ["mkdir", /run$/u, "create"],
        ["open", /\.tmp$/u, "create"],
        ["write", /\.tmp$/u, "write"],
        ["sync", /\.tmp$/u, "commit"],
        ["close", /\.tmp$/u, "commit"],
        ["link", /\.tmp$/u, "commit"]
      ] as const
      const key = yield* Effect.orDie(StorageKey.parse("run/a"))
      for (const [call, path, operation] of steps) {
        yield* script.fail(call, path, code)
        const error = yield* Effect.flip(put("run/a", bytes))
        assert.deepStrictEqual([error.operation, error.reason._tag, error.isRetryable], [operation, tag, isRetryable])
        assert.include(error.message, `storage ${operation} of "run/a" failed: `)
        assert.include(error.message, `(${code})`)
        assert.isFalse(yield* Storage.exists(storage, key), `after a failed ${call}`)
      }
      assert.strictEqual((yield* put("run/a", bytes)).outcome, "created")
    }).pipe(Effect.provide(platform))
  )

  it.effect("in the fsync of the folder leaves the outcome open, and a repeat settles it", () =>
    Effect.gen(function* () {
      const { put, script } = yield* setup
      yield* put("run/other", bytes)
      yield* script.fail("sync", /run$/u, "EIO")
      const error = yield* Effect.flip(put("run/a", bytes))
      assert.deepStrictEqual([error.operation, error.reason._tag], ["commit", "IoFailure"])
      assert.strictEqual((yield* put("run/a", bytes)).outcome, "identical")
    }).pipe(Effect.provide(platform))
  )

  it.effect("in the fsync of a new folder's parent is met again by the next attempt, not forgotten", () =>
    Effect.gen(function* () {
      const { put, record, root, script } = yield* setup
      yield* script.fail("sync", new RegExp(`${root}$`, "u"), "EIO")
      assert.strictEqual((yield* Effect.flip(put("run/a", bytes))).operation, "create")
      yield* record
      yield* put("run/a", bytes)
      assert.include(yield* record, "sync .")
    }).pipe(Effect.provide(platform))
  )

  it.effect.each(["EINVAL", "ENOTSUP"])("that says a folder can't be fsynced (%s) is none", (code) =>
    Effect.gen(function* () {
      const { put, script } = yield* setup
      yield* put("run/other", bytes)
      yield* script.fail("sync", /run$/u, code)
      assert.strictEqual((yield* put("run/a", bytes)).outcome, "created")
    }).pipe(Effect.provide(platform))
  )

  it.effect("at start is a failure of the start, which names the folder", () =>
    Effect.gen(function* () {
      const { fs, path, root } = yield* setup
      const file = path.join(root, "file")
      yield* fs.writeFile(file, bytes)
      const error = yield* Effect.flip(FileStorage.make("files", { rootDirectory: path.join(file, "below") }))
      assert.strictEqual(error._tag, "StorageError")
      assert.include(error.message, `storage open of "${path.join(file, "below")}" failed: no object can lie there`)
    }).pipe(Effect.provide(platform))
  )
})
