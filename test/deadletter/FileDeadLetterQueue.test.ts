// @module-tag integration
import { fromBinary } from "@bufbuild/protobuf"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as FileDeadLetterQueue from "../../src/deadletter/FileDeadLetterQueue.ts"
import { DeadLetterMessageSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/system_contracts_pb.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"
import * as DeadLetterQueueContract from "../../src/testing/DeadLetterQueueContract.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { contract } from "../support/contract.ts"
import { platform, setup } from "./letterFolder.ts"
import { extended, fileOf, letter } from "./letters.ts"

const folder = (capacity: number) =>
  Layer.unwrap(Effect.map(temporaryFolder, (directory) => FileDeadLetterQueue.layer({ directory, capacity }))).pipe(
    Layer.provide(NodeServices.layer)
  )

contract(
  "DeadLetterQueue (files)",
  DeadLetterQueueContract.cases((capacity) => Layer.merge(folder(capacity), LogWatch.layer()))
)

describe("a folder of dead letters", () => {
  it.effect("has one file a letter, which is the encoded message", () =>
    Effect.gen(function* () {
      const { directory, fs, path, queue } = yield* setup()
      const one = yield* letter(1, 3, 1000)
      yield* queue.offer(one)
      assert.strictEqual(queue.location, directory)
      const files = yield* fs.readDirectory(directory)
      assert.deepStrictEqual(files, [fileOf(one)])
      const bytes = yield* fs.readFile(path.join(directory, fileOf(one)))
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
      assert.deepStrictEqual(steps.slice(-4), ["write TMP", "sync TMP", `link TMP ${fileOf(one)}`, "sync ."])
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
      yield* fs.remove(path.join(directory, fileOf(first)))
      assert.strictEqual(yield* queue.offer(yield* letter(3, 3, 3000)), "kept")
      assert.strictEqual(yield* queue.size, 2)
      assert.strictEqual((yield* Effect.flip(queue.offer(yield* letter(4, 4, 4000)))).reason._tag, "QueueFull")
    }).pipe(Effect.provide(platform))
  )

  it.effect("takes a letter again that has been taken away since it was offered", () =>
    Effect.gen(function* () {
      const { files, queue, take } = yield* setup(1)
      const one = yield* letter(1, 1, 1000)
      yield* queue.offer(one)
      yield* take(fileOf(one))
      assert.strictEqual((yield* Effect.flip(queue.get(one.id))).reason._tag, "LetterMissing")
      assert.strictEqual((yield* Effect.flip(queue.update(one))).reason._tag, "LetterMissing")
      assert.isFalse(yield* queue.remove(one.id))
      assert.strictEqual(yield* queue.size, 0)
      assert.strictEqual(yield* queue.offer(one), "kept")
      assert.deepStrictEqual(yield* files, [fileOf(one)])
      yield* take(fileOf(one))
      assert.strictEqual(yield* queue.offer(one), "kept")
      assert.strictEqual(yield* queue.size, 1)
    }).pipe(Effect.provide(platform))
  )

  it.effect("follows what another process does to its letters", () =>
    Effect.gen(function* () {
      const { open, queue } = yield* setup(2)
      const one = yield* letter(1, 9, 1000)
      const two = yield* letter(20, 29, 2000)
      yield* queue.offer(one)
      yield* queue.offer(two)
      const other = yield* open
      const next = yield* extended(one, 4, 5, 70_000)
      yield* other.update(next)
      yield* other.remove(two.id)
      assert.deepStrictEqual(yield* queue.get(one.id), next)
      assert.strictEqual((yield* Effect.flip(queue.get(two.id))).reason._tag, "LetterMissing")
      assert.deepStrictEqual(yield* Stream.runCollect(queue.ids), [one.id])
      assert.strictEqual(yield* queue.size, 1)
      const three = yield* letter(30, 30, 3000)
      yield* other.offer(three)
      assert.deepStrictEqual(yield* queue.get(three.id), three)
      const error = yield* Effect.flip(queue.offer(yield* letter(40, 40, 4000)).pipe(Effect.andThen(queue.offer(two))))
      assert.strictEqual(error.reason._tag, "QueueFull")
    }).pipe(Effect.provide(platform))
  )

  it.effect("takes no notice of files that are no letters", () =>
    Effect.gen(function* () {
      const { directory, fs, open, path, put, queue } = yield* setup(1)
      yield* put("README.txt", Uint8Array.of(1))
      yield* put("letter.pb.bak", Uint8Array.of(1))
      yield* fs.makeDirectory(path.join(directory, "done"))
      yield* put("done/000000000001000-persistence-1-1.pb", Uint8Array.of(1))
      assert.deepStrictEqual(yield* Stream.runCollect(queue.ids), [])
      assert.deepStrictEqual(yield* Stream.runCollect(queue.letters), [])
      assert.strictEqual(yield* (yield* open).size, 0)
      assert.strictEqual(yield* queue.offer(yield* letter(1, 1, 1000)), "kept")
    }).pipe(Effect.provide(platform))
  )

  it.effect("reads letters whose names have no checksum, and gives their next version one", () =>
    Effect.gen(function* () {
      const { files, put, queue } = yield* setup()
      const one = { ...(yield* letter(1, 9, 1000)), id: "from another program" }
      const longer = { ...(yield* extended(one, 2, 2, 60_000)), id: `${one.id}.too` }
      for (const each of [one, longer]) yield* put(`${each.id}.pb`, each.bytes)
      assert.deepStrictEqual(yield* queue.get(one.id), one)
      assert.deepStrictEqual(yield* Stream.runCollect(queue.ids), [one.id, longer.id])
      const next = yield* extended(one, 4, 5, 70_000)
      yield* queue.update(next)
      assert.deepStrictEqual(yield* files, [fileOf(next), `${longer.id}.pb`])
      assert.deepStrictEqual(yield* queue.get(one.id), next)
    }).pipe(Effect.provide(platform))
  )

  it.effect("says so when an id is unfit for the name of a file", () =>
    Effect.gen(function* () {
      const { put, queue } = yield* setup()
      const one = { ...(yield* letter(1, 9, 1000)), id: "x".repeat(250) }
      yield* put(`${one.id}.pb`, one.bytes)
      const error = yield* Effect.flip(queue.update(yield* extended(one, 4, 5, 70_000)))
      assert.include(error.message, "the name is too long")
      assert.include((yield* Effect.flip(queue.offer({ ...one, id: "../up" }))).message, "no object can lie there")
      assert.deepStrictEqual(yield* queue.get(one.id), one)
      assert.isTrue(yield* queue.remove(one.id))
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

  it.effect("skips letters that are taken away while it is read", () =>
    Effect.gen(function* () {
      const { queue, take } = yield* setup()
      const letters = yield* Effect.forEach([1, 2, 3], (tick) => letter(tick, tick, tick))
      for (const one of letters) yield* queue.offer(one)
      const [, second] = letters
      if (second === undefined) return assert.fail("no letter")
      const found: Array<string | undefined> = []
      yield* queue.letters.pipe(
        Stream.runForEach(({ metadata }) =>
          Effect.suspend(() => {
            found.push(metadata["startTick"])
            return take(fileOf(second))
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
