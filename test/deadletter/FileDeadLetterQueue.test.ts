import { fromBinary } from "@bufbuild/protobuf"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import * as FileDeadLetterQueue from "../../src/deadletter/FileDeadLetterQueue.ts"
import { DeadLetterMessageSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/system_contracts_pb.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as ScriptedFileSystem from "../support/ScriptedFileSystem.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"
import * as DeadLetterQueueSuite from "./DeadLetterQueueSuite.ts"
import { letter } from "./letters.ts"

DeadLetterQueueSuite.suite("files", (capacity) =>
  Layer.unwrap(Effect.map(temporaryFolder, (directory) => FileDeadLetterQueue.layer({ directory, capacity }))).pipe(
    Layer.provide(NodeServices.layer)
  )
)

const platform = Layer.merge(Layer.provideMerge(ScriptedFileSystem.layer, NodeServices.layer), LogWatch.layer())

const setup = Effect.fnUntraced(function* (capacity = 10) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = path.join(yield* temporaryFolder, "letters")
  const open = FileDeadLetterQueue.make("dlq", { directory, capacity })
  return { fs, path, directory, open, queue: yield* open, script: yield* ScriptedFileSystem.ScriptedFileSystem }
})

describe("a folder of dead letters", () => {
  it.effect("has one file a letter, which is the encoded message", () =>
    Effect.gen(function* () {
      const { directory, fs, path, queue } = yield* setup()
      const one = yield* letter(1, 3, 1000)
      yield* queue.offer(one)
      assert.strictEqual(queue.location, directory)
      const files = yield* fs.readDirectory(directory)
      assert.deepStrictEqual(files, [`${one.id}.pb`])
      const bytes = yield* fs.readFile(path.join(directory, `${one.id}.pb`))
      assert.deepStrictEqual(fromBinary(DeadLetterMessageSchema, bytes), one.message)
    }).pipe(Effect.provide(platform))
  )

  it.effect("is durable: written, fsynced, linked and fsynced before the letter counts as kept", () =>
    Effect.gen(function* () {
      const { directory, queue, script } = yield* setup()
      yield* script.takeRecord(directory)
      const one = yield* letter(1, 3, 1000)
      yield* queue.offer(one)
      const steps = (yield* script.takeRecord(directory)).filter((line) => /^(write|sync|link)/u.test(line))
      assert.deepStrictEqual(steps.slice(-4), ["write TMP", "sync TMP", `link TMP ${one.id}.pb`, "sync ."])
    }).pipe(Effect.provide(platform))
  )

  it.effect("counts the letters that were there at the start", () =>
    Effect.gen(function* () {
      const { open, queue } = yield* setup(2)
      yield* queue.offer(yield* letter(1, 1, 1000))
      yield* queue.offer(yield* letter(2, 2, 2000))
      const again = yield* open
      assert.strictEqual(yield* again.size, 2)
      assert.strictEqual((yield* Effect.flip(again.offer(yield* letter(3, 3, 3000)))).reason._tag, "QueueFull")
      const letters = yield* Stream.runCollect(again.letters)
      assert.deepStrictEqual(
        letters.map(({ metadata }) => metadata["startTick"]),
        ["1", "2"]
      )
    }).pipe(Effect.provide(platform))
  )

  it.effect("counts again when it is full, as letters may have been taken away", () =>
    Effect.gen(function* () {
      const { directory, fs, path, queue } = yield* setup(2)
      const first = yield* letter(1, 1, 1000)
      yield* queue.offer(first)
      yield* queue.offer(yield* letter(2, 2, 2000))
      yield* fs.remove(path.join(directory, `${first.id}.pb`))
      assert.strictEqual(yield* queue.offer(yield* letter(3, 3, 3000)), "kept")
      assert.strictEqual(yield* queue.size, 2)
      assert.strictEqual((yield* Effect.flip(queue.offer(yield* letter(4, 4, 4000)))).reason._tag, "QueueFull")
    }).pipe(Effect.provide(platform))
  )

  it.effect("gives the letter back to the caller when it can't be written, and takes it later", () =>
    Effect.gen(function* () {
      const { queue, script } = yield* setup()
      yield* script.fail("write", /\.tmp$/u, "ENOSPC")
      const one = yield* letter(1, 1, 1000)
      const error = yield* Effect.flip(queue.offer(one))
      assert.strictEqual(error.reason._tag, "LetterNotWritten")
      assert.include(error.message, 'dead-letter queue "dlq": storage write of')
      assert.include(error.message, "no space left (ENOSPC)")
      assert.strictEqual(yield* queue.size, 0)
      assert.strictEqual(yield* queue.offer(one), "kept")
      assert.strictEqual(yield* queue.size, 1)
    }).pipe(Effect.provide(platform))
  )

  it.effect("counts a letter whose first offer failed after it was there, and takes it even when that filled it", () =>
    Effect.gen(function* () {
      const { directory, queue, script } = yield* setup(1)
      const one = yield* letter(1, 1, 1000)
      yield* script.fail("sync", new RegExp(`${directory}$`, "u"), "EIO")
      assert.strictEqual((yield* Effect.flip(queue.offer(one))).reason._tag, "LetterNotWritten")
      assert.strictEqual(yield* queue.offer(one), "kept")
      assert.strictEqual(yield* queue.size, 1)
      assert.strictEqual((yield* Effect.flip(queue.offer(yield* letter(2, 2, 2000)))).reason._tag, "QueueFull")
      assert.strictEqual(yield* queue.offer(one), "kept")
    }).pipe(Effect.provide(platform))
  )

  it.effect("names a letter that is damaged, after those before it", () =>
    Effect.gen(function* () {
      const { directory, fs, path, queue } = yield* setup()
      yield* queue.offer(yield* letter(1, 1, 1000))
      yield* fs.writeFile(path.join(directory, "999999999999999-bad.pb"), Uint8Array.of(10, 50, 1))
      const found: Array<string | undefined> = []
      const error = yield* queue.letters.pipe(
        Stream.runForEach(({ metadata }) => Effect.sync(() => found.push(metadata["startTick"]))),
        Effect.flip
      )
      assert.deepStrictEqual(found, ["1"])
      assert.strictEqual(error.reason._tag, "LetterDamaged")
      assert.include(error.message, 'letter "999999999999999-bad.pb" is damaged')
    }).pipe(Effect.provide(platform))
  )

  it.effect("skips letters that are taken away while it is read", () =>
    Effect.gen(function* () {
      const { directory, fs, path, queue } = yield* setup()
      const letters = yield* Effect.forEach([1, 2, 3], (tick) => letter(tick, tick, tick))
      for (const one of letters) yield* queue.offer(one)
      const found: Array<string | undefined> = []
      yield* queue.letters.pipe(
        Stream.runForEach(({ metadata }) =>
          Effect.suspend(() => {
            found.push(metadata["startTick"])
            return fs.remove(path.join(directory, `${letters[1]?.id}.pb`), { force: true })
          })
        )
      )
      assert.deepStrictEqual(found, ["1", "3"])
    }).pipe(Effect.provide(platform))
  )

  it.effect("fails at start when its folder can't be used", () =>
    Effect.gen(function* () {
      const { directory, fs, path } = yield* setup()
      const file = path.join(directory, "file")
      yield* fs.writeFile(file, Uint8Array.of(1))
      const error = yield* Effect.flip(FileDeadLetterQueue.make("dlq", { directory: path.join(file, "below") }))
      assert.strictEqual(error._tag, "StorageError")
    }).pipe(Effect.provide(platform))
  )
})
