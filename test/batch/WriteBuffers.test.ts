// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as BatchFile from "../support/batchFiles.ts"
import { WriteBuffers } from "../../src/batch/WriteBuffers.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { IoFailure } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { randomFrom } from "../support/random.ts"

const batch = (first: number, payloadBytes = 100) => {
  const ticks = TestTick.range("run", first, first + 4, payloadBytes)
  assert(Tick.isBatch(ticks))
  return { ticks, key: StorageKey.batch(RunId.make("run"), ticks) }
}

/** A storage with faults that notes whose memory the pieces lie in that it is given. */
const setup = Effect.gen(function* () {
  const { faults, storage } = FaultyStorage.make(yield* Storage.makeMemory("memory"))
  const seen: Array<ArrayBufferLike> = []
  const noting: Storage.Storage["Service"] = {
    ...storage,
    create: (key) =>
      Effect.map(storage.create(key), (writer): Storage.Writer => ({
        ...writer,
        write: (bytes) => {
          seen.push(bytes.buffer)
          return writer.write(bytes)
        }
      }))
  }
  const memory = new WriteBuffers(2)
  const write = ({ key, ticks }: ReturnType<typeof batch>) => BatchFile.write(noting, key, ticks, memory)
  return { faults, seen, write, underneath: faults.underneath }
})

describe("memory for pieces", () => {
  it.effect("is used again by the next write, for as many bytes as that has", () =>
    Effect.gen(function* () {
      const { seen, underneath, write } = yield* setup
      const batches = [batch(1), batch(11), batch(21, 20)]
      for (const one of batches) yield* write(one)
      assert.strictEqual(new Set(seen).size, 1)
      for (const { key, ticks } of batches) {
        assert.deepStrictEqual(yield* Stream.runCollect(BatchFile.read(underneath, key)), ticks)
      }
    })
  )

  it.effect("is used for every other piece of a write, so that one may be written while the next is made", () =>
    Effect.gen(function* () {
      const { seen, underneath, write } = yield* setup
      const large = batch(1, 2_500_000)
      yield* write(large)
      assert.strictEqual(seen.length, 3)
      assert.strictEqual(new Set(seen).size, 2)
      assert.strictEqual(seen[0], seen[2])
      assert.deepStrictEqual(yield* Stream.runCollect(BatchFile.read(underneath, large.key)), large.ticks)
    })
  )

  it.effect("is not written over while what is in it is being compressed", () =>
    Effect.gen(function* () {
      const storage = BatchFile.compressing(yield* Storage.makeMemory("memory"), "zstd")
      const memory = new WriteBuffers(3)
      const random = randomFrom(5)
      // Each is of several pieces, which take a while to compress.
      const batches = [1, 11, 21].map((first) => {
        const ticks = TestTick.range("run", first, first + 4, 2_500_000).map((tick) => {
          const payload = tick.payload.slice()
          for (let at = 100; at < payload.length; at += 3) payload[at] = random.between(0, 255)
          return { ...tick, payload }
        })
        assert(Tick.isBatch(ticks))
        return { ticks, key: BatchFile.keyOf(storage, new RunBatch(RunId.make("run"), ticks)) }
      })
      const written = yield* Effect.forEach(batches, ({ key, ticks }) => BatchFile.write(storage, key, ticks, memory), {
        concurrency: "unbounded"
      })
      for (const [index, { key, ticks }] of batches.entries()) {
        const { checks, count, problem } = yield* BatchFile.scan(storage, key)
        assert.deepStrictEqual(
          { count, problem, checks },
          { count: 5, problem: undefined, checks: written[index]?.checks }
        )
        const stored = yield* Stream.runCollect(BatchFile.read(storage, key))
        assert.isTrue(stored.every(({ payload }, at) => Buffer.compare(payload, ticks[at]!.payload) === 0))
      }
    })
  )

  it.effect("is not used again after a write that was abandoned while it may still be read", () =>
    Effect.gen(function* () {
      const { faults, seen, underneath, write } = yield* setup
      const ended = yield* Deferred.make<void>()
      yield* faults.next("write", [FaultyStorage.late(Deferred.await(ended))])
      const late = batch(1)
      const abandoned = yield* Effect.forkChild(write(late), { startImmediately: true })
      yield* Effect.repeat(Effect.yieldNow, { times: 10 })
      abandoned.interruptUnsafe()
      for (const first of [11, 21, 31]) yield* write(batch(first))
      yield* Deferred.succeed(ended, undefined)
      yield* Fiber.await(abandoned)
      yield* write(batch(41))
      assert.notInclude(seen.slice(1), seen[0])
      assert.isUndefined(yield* underneath.stat(late.key))
    })
  )

  it.effect("is not used again after a write that failed", () =>
    Effect.gen(function* () {
      const { faults, seen, write } = yield* setup
      yield* faults.next("commit", [FaultyStorage.fail(new IoFailure({ code: "EIO" }))])
      yield* Effect.flip(write(batch(1)))
      yield* write(batch(11))
      assert.notStrictEqual(seen[1], seen[0])
    })
  )

  it.effect("is of each write alone while several are under way", () =>
    Effect.gen(function* () {
      const { seen, underneath, write } = yield* setup
      const batches = Array.from({ length: 6 }, (_, index) => batch(index * 10 + 1))
      yield* Effect.forEach(batches, write, { concurrency: 3 })
      assert.isAtLeast(new Set(seen).size, 3)
      for (const { key, ticks } of batches) {
        assert.deepStrictEqual(yield* Stream.runCollect(BatchFile.read(underneath, key)), ticks)
      }
    })
  )
})
