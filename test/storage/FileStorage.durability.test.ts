// @module-tag integration
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as FileDeadLetterQueue from "../../src/deadletter/FileDeadLetterQueue.ts"
import type { Durability } from "../../src/storage/Medium.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { ScriptedFileSystem } from "../support/ScriptedFileSystem.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"
import { bytes, platform, setupWith } from "./scriptedStorage.ts"

const fsyncs = (record: ReadonlyArray<string>) => record.filter((line) => line.startsWith("sync "))

/** What a setting fsyncs, operation by operation. */
interface Setting {
  readonly durability: Durability
  readonly commit: Array<string>
  readonly log: Array<string>
  readonly remove: Array<string>
  readonly setAside: Array<string>
}

const settings: ReadonlyArray<Setting> = [
  {
    durability: "full",
    commit: ["sync .", "sync run/TMP", "sync run"],
    log: ["sync .", "sync runs", "sync runs/a.log"],
    remove: ["sync run"],
    setAside: ["sync run/.set-aside", "sync run"]
  },
  { durability: "file", commit: ["sync run/TMP"], log: ["sync runs/a.log"], remove: [], setAside: [] },
  { durability: "none", commit: [], log: [], remove: [], setAside: [] }
]

describe.each(settings)("durability $durability", ({ commit, durability, log, remove, setAside }) => {
  it.effect("makes exactly so much durable in each operation, and does all the rest alike", () =>
    Effect.gen(function* () {
      const { put, record, storage } = yield* setupWith({ durability })
      assert.deepStrictEqual(storage.medium, { hardLinks: true, folderSync: true, durability })
      const key = yield* Effect.orDie(StorageKey.parse("run/a"))
      assert.strictEqual((yield* put("run/a", bytes)).outcome, "created")
      const steps = yield* record
      assert.deepStrictEqual(fsyncs(steps), commit)
      assert.include(steps, "link run/TMP run/a")

      const logKey = yield* Effect.orDie(StorageKey.parse("runs/a.log"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const appender = yield* storage.append(logKey)
          yield* appender.append(bytes)
          yield* appender.sync
        })
      )
      assert.deepStrictEqual(fsyncs(yield* record), log)

      yield* storage.setAside(key)
      assert.deepStrictEqual(fsyncs(yield* record), setAside)
      yield* put("run/a", bytes)
      yield* record
      assert.isTrue(yield* storage.remove(key))
      assert.deepStrictEqual(fsyncs(yield* record), remove)
    }).pipe(Effect.provide(platform))
  )
})

/** What a queue with `options` fsyncs for one letter. */
const offer = (options: typeof FileDeadLetterQueue.Options.Encoded) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const root = path.join(yield* temporaryFolder, "letters")
    const script = yield* ScriptedFileSystem
    const queue = yield* FileDeadLetterQueue.make("dlq", { ...options, directory: root })
    const letter = yield* DeadLetter.make(
      [TestTick.make("run", 1n)],
      { reason: "storage", error: new Error("no"), retries: 0, firstFailureMs: 1, lastFailureMs: 1 },
      { service: "service", queue: "queue" }
    )
    yield* script.takeRecord(root)
    yield* queue.offer(letter)
    return fsyncs(yield* script.takeRecord(root))
  })

describe("dead letters", () => {
  it.effect("are durable in full unless they are given a setting of their own", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* offer({}), ["sync TMP", "sync ."])
      assert.deepStrictEqual(yield* offer({ durability: "file" }), ["sync TMP"])
      assert.deepStrictEqual(yield* offer({ durability: "none" }), [])
    }).pipe(Effect.provide(platform))
  )
})

it.effect("a setting that is none is refused, and the folder is not made", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const directory = path.join(yield* temporaryFolder, "letters")
    const options = { directory, durability: "some" } as unknown as typeof FileDeadLetterQueue.Options.Encoded
    const error = yield* Effect.flip(FileDeadLetterQueue.make("dlq", options))
    assert.strictEqual(error._tag, "SchemaError")
    assert.isFalse(yield* fs.exists(directory))
  }).pipe(Effect.provide(platform))
)
