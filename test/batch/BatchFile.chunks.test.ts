// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as BatchFile from "../support/batchFiles.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import * as Stored from "../runs/storedRun.ts"

const watched = Effect.provide(LogWatch.layer())

type Port = Storage.Storage["Service"]

/** `bytes` in chunks of the sizes that `sizeAt` gives for their places; those that are lent are overwritten as allowed. */
const chunked = (bytes: Uint8Array, chunks: Storage.Chunks, sizeAt: (position: number) => number) =>
  Stream.suspend(() => {
    let position = 0
    let last = new Uint8Array()
    const pull = Effect.suspend(() => {
      if (chunks === "lent") last.fill(0x12)
      if (position >= bytes.length) return Cause.done()
      last = new Uint8Array(bytes.subarray(position, position + sizeAt(position)))
      position += last.length
      return Effect.succeed([last] as const)
    })
    return Stream.fromPull(Effect.succeed(pull))
  })

/** `storage` where `bytes` are under every key. */
const holding = (
  storage: Port,
  bytes: Uint8Array,
  sizeAt: (position: number) => number = () => bytes.length
): Port => ({
  ...storage,
  read: (_, chunks = "kept") => chunked(bytes, chunks, sizeAt)
})

const setup = Effect.gen(function* () {
  const storage = yield* Storage.makeMemory("memory")
  const stored = yield* Stored.store(
    storage,
    Stored.batchOf([1, 3, 2, 2].map((tick) => TestTick.make("run", tick, tick)))
  )
  return { ...stored, storage, bytes: yield* Stored.bytesOf(storage, stored.key) }
})

/** All that the readers of a batch say of it. */
const readings = Effect.fnUntraced(function* (storage: Port, key: Parameters<Port["read"]>[0]) {
  const ticks: Array<unknown> = []
  const read = yield* BatchFile.read(storage, key).pipe(
    Stream.runForEach((tick) => Effect.sync(() => ticks.push(tick))),
    Effect.result
  )
  const whole = yield* BatchFile.readWhole(storage, key)
  const scan = yield* BatchFile.scan(storage, key)
  const { checksum, ...prove } = yield* BatchFile.prove(storage, key)
  const salvage = yield* Stream.runCollect(BatchFile.salvage(storage, key))
  const failure = Result.isFailure(read) ? read.failure.message : undefined
  // How much was read up to a damage is a matter of the chunks.
  const known = scan.problem === undefined ? { sum: checksum, bytes: scan.bytes, size: prove.bytes } : {}
  return { ticks, failure, whole, scan: { ...scan, bytes: 0 }, prove: { ...prove, bytes: 0 }, known, salvage }
})

describe("a batch", () => {
  it.effect("is the same to all readers wherever its chunks end, and whatever becomes of those that are lent", () =>
    Effect.gen(function* () {
      const { bytes, key, storage, ticks } = yield* setup
      const expected = yield* readings(holding(storage, bytes), key)
      assert.deepStrictEqual(expected.ticks, [...ticks])
      assert.deepStrictEqual(expected.whole?.ticks, ticks)
      for (let at = 1; at < bytes.length; at++) {
        const inTwo = holding(storage, bytes, (position) => (position === 0 ? at : bytes.length))
        assert.deepStrictEqual(yield* readings(inTwo, key), expected, `cut at ${at}`)
        const inMany = holding(storage, bytes, () => at)
        assert.deepStrictEqual(yield* readings(inMany, key), expected, `in chunks of ${at}`)
      }
    }).pipe(watched)
  )

  it.effect("has the same damages wherever its chunks end", () =>
    Effect.gen(function* () {
      const { bytes, key, storage } = yield* setup
      for (const { at, bytes: damaged, what } of Stored.damages(bytes)) {
        const expected = yield* readings(holding(storage, damaged), key)
        for (const size of [1, 7, Math.max(1, at), at + 1]) {
          const found = yield* readings(
            holding(storage, damaged, () => size),
            key
          )
          assert.deepStrictEqual(found, expected, `${what}, in chunks of ${size}`)
        }
      }
    }).pipe(watched)
  )

  it.effect("is proved to be what a scan says that it is, whatever is damaged", () =>
    Effect.gen(function* () {
      const { bytes, checks, key, storage } = yield* setup
      const whole = yield* BatchFile.prove(
        holding(storage, bytes, () => 5),
        key
      )
      assert.strictEqual(whole.checksum, BatchFile.checksum(checks))
      assert.isUndefined(whole.problem)
      for (const { bytes: damaged, what } of Stored.damages(bytes)) {
        const { checks: some, ...scan } = yield* BatchFile.scan(holding(storage, damaged), key)
        const { checksum, ...prove } = yield* BatchFile.prove(holding(storage, damaged), key)
        assert.deepStrictEqual(prove, scan, what)
        if (scan.problem === undefined) assert.strictEqual(checksum, BatchFile.checksum(some), what)
        if (scan.problem === undefined) assert.notStrictEqual(checksum, whole.checksum, what)
      }
    }).pipe(watched)
  )
})
