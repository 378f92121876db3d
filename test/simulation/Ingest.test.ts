// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib"
import * as Delimited from "../../src/domain/Delimited.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import { TickQueue } from "../../src/queue/TickQueue.ts"
import * as Ingest from "../../src/simulation/Ingest.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestPipeline from "../../src/testing/TestPipeline.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { numbers, pipeline, settleDown } from "../persistence/harness.ts"
import { randomFrom } from "../support/random.ts"
import { readReal, realBatches } from "../support/realData.ts"

const ingestInto = (queue: TickQueue["Service"], ...args: Parameters<typeof Ingest.ingest>) =>
  Effect.provideService(Ingest.ingest(...args), TickQueue, queue)

const encode = (ticks: ReadonlyArray<Tick.Tick>) => Bytes.concat([...Delimited.encode(ticks)])

/** One of the files of the original simulation as it is. */
const compressedReal = (file: string) =>
  FileSystem.FileSystem.use((fs) => fs.readFile(`${import.meta.dirname}/../data/${file}`)).pipe(
    Effect.provide(NodeServices.layer)
  )

const chunked = (bytes: Uint8Array, size: number) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.slice(index * size, (index + 1) * size))
  ).pipe(Stream.rechunk(1))

it.effect.each(realBatches)("stores $file byte by byte as it was", ({ file, bytes, ticks }) =>
  Effect.gen(function* () {
    const { drain, faults, keys, queue } = yield* TestPipeline.TestPipeline
    const compressed = yield* compressedReal(file)
    const runs: Array<string> = []
    const taken = yield* ingestInto(queue, file, chunked(compressed, 4096), (runId) => void runs.push(runId))
    yield* drain
    assert.strictEqual(taken, ticks)
    const found = yield* keys
    assert.strictEqual(found.length, 1)
    const key = yield* StorageKey.parse(found[0]!)
    const stored = Bytes.concat(yield* Stream.runCollect(faults.underneath.read(key)))
    assert.strictEqual(stored.length, bytes)
    assert.isTrue(Bytes.Equivalence(stored, readReal(file)))
    assert.deepStrictEqual(runs, [key.split("/")[0]])
  }).pipe(Effect.provide(pipeline()))
)

it.effect("takes a stream in chunks of every size", () =>
  Effect.gen(function* () {
    const ticks = TestTick.range("run", 1, 12, 150)
    const bytes = encode(ticks)
    for (const source of [bytes, new Uint8Array(zstdCompressSync(bytes))]) {
      for (let size = 1; size < 40; size++) {
        yield* Effect.gen(function* () {
          const { drain, queue, stored } = yield* TestPipeline.TestPipeline
          assert.strictEqual(yield* ingestInto(queue, "stdin", chunked(source, size)), 12)
          yield* drain
          assert.deepStrictEqual(yield* stored("run"), ticks, `chunks of ${size}`)
        }).pipe(Effect.provide(pipeline()))
      }
    }
  })
)

it.effect("reads its source at the pace of the queue and holds no more than that", () =>
  Effect.gen(function* () {
    const { queue, services, stored } = yield* TestPipeline.TestPipeline
    const service = services.get("persistence-1")!
    yield* service.pause
    const ticks = TestTick.range("run", 1, 400, 1000)
    let read = 0
    const source = Stream.tap(chunked(encode(ticks), 500), (chunk) => Effect.sync(() => void (read += chunk.length)))
    const ingest = yield* Effect.forkChild(ingestInto(queue, "stdin", source))
    for (let turn = 0; turn < 20; turn++) yield* settleDown
    assert.isUndefined(ingest.pollUnsafe())
    assert.isAtMost(yield* queue.waitingBytes, 20_000)
    assert.isAtMost(read, 25_000)
    yield* service.resume
    for (let turn = 0; turn < 2000 && ingest.pollUnsafe() === undefined; turn++) {
      yield* Effect.yieldNow
      assert.isAtMost(yield* queue.waitingBytes, 20_000)
      if (turn % 100 === 99) yield* TestClock.adjust("5 seconds")
    }
    assert.strictEqual(yield* Fiber.join(ingest), 400)
    yield* queue.end
    yield* service.await
    assert.deepStrictEqual(numbers(yield* stored("run")), numbers(ticks))
  }).pipe(Effect.provide(pipeline({ queue: { maxBytes: 20_000 }, persistence: { maxBatchSize: 10 } })))
)

const good = TestTick.range("run", 1, 5, 100)
const goodBytes = encode(good)

it.effect.each([
  ["is cut within a message", Bytes.concat([goodBytes, encode(good).slice(0, 50)]), 6, "ends within the message"],
  [
    "continues with bytes that are not a length",
    Bytes.concat([goodBytes, new Uint8Array(40).fill(0xff)]),
    6,
    "not a varint"
  ],
  [
    "has a length beyond the limit",
    Bytes.concat([goodBytes, Uint8Array.of(255, 255, 255, 255, 15)]),
    6,
    "over the limit"
  ],
  ["holds a message that is no tick", Bytes.concat([goodBytes, Uint8Array.of(2, 7, 7)]), 6, "not a TickData message"]
] as const)("takes all ticks before the damage of a source that %s", ([, bytes, ordinal, problem]) =>
  Effect.gen(function* () {
    const { drain, queue, stored } = yield* TestPipeline.TestPipeline
    const error = yield* Effect.flip(ingestInto(queue, "runs/a.pb", chunked(bytes, 33)))
    yield* drain
    assert.deepStrictEqual(yield* stored("run"), good)
    assert.strictEqual(error.ticks, 5)
    assert.strictEqual(error.source, "runs/a.pb")
    assert.include(error.message, "runs/a.pb: ")
    assert.include(error.message, `message ${ordinal} at byte ${goodBytes.length}`)
    assert.include(error.message, problem)
  }).pipe(Effect.provide(pipeline()))
)

it.effect("takes all ticks of a compressed source that come out before its end is cut", () =>
  Effect.gen(function* () {
    const { drain, queue, stored } = yield* TestPipeline.TestPipeline
    const compressed = yield* compressedReal("evochora-3-organisms.pb.zst")
    const cut = compressed.slice(0, compressed.length - 2000)
    const runs: Array<string> = []
    const error = yield* Effect.flip(ingestInto(queue, "cut.zst", chunked(cut, 1024), (runId) => void runs.push(runId)))
    yield* drain
    assert.include(error.message, "damaged or cut")
    const whole = new Uint8Array(zstdDecompressSync(cut, { finishFlush: constants.ZSTD_e_continue }))
    assert.strictEqual(error.ticks, new Delimited.Decoder().push(whole).frames.length)
    assert.isAtLeast(error.ticks, 100)
    const taken = yield* stored(runs[0] ?? "")
    assert.deepStrictEqual(
      numbers(taken),
      Array.from({ length: error.ticks }, (_, index) => index + 1)
    )
  }).pipe(Effect.provide(pipeline()))
)

it.effect("fails on a source without ticks, and never on more than that for random bytes", () =>
  Effect.gen(function* () {
    const { queue } = yield* TestPipeline.TestPipeline
    const empty = yield* Effect.flip(ingestInto(queue, "empty.pb", Stream.empty))
    assert.strictEqual(empty.message, "empty.pb: it is empty: it has no ticks")
    yield* LogWatch.allow("Warn", "Tick can't be stored and will be dead-lettered")
    yield* LogWatch.allow("Error", "Batch consistency violation")
    yield* LogWatch.allow("Info", "Sent failed batch to dead-letter queue")
    for (let seed = 0; seed < 200; seed++) {
      const random = randomFrom(seed)
      const bytes = Uint8Array.from({ length: random.between(1, 300) }, () => random.between(0, 255))
      const outcome = yield* Effect.exit(ingestInto(queue, "noise", chunked(bytes, 50)))
      if (outcome._tag === "Failure")
        assert.deepStrictEqual(
          outcome.cause.reasons.map(({ _tag }) => _tag),
          ["Fail"]
        )
    }
  }).pipe(Effect.provide(pipeline()))
)

it.effect("says that nothing proves what it has taken from a compression whose checksum is wrong", () =>
  Effect.gen(function* () {
    const { queue } = yield* TestPipeline.TestPipeline
    const params = { [constants.ZSTD_c_checksumFlag]: 1 }
    const wrong = Uint8Array.from(zstdCompressSync(goodBytes, { params }))
    wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1
    const error = yield* Effect.flip(ingestInto(queue, "moved.zst", chunked(wrong, 1024)))
    assert.include(error.message, "5 ticks before it are taken and may be damaged too. verify can't detect that")
  }).pipe(Effect.provide(pipeline({ instances: 0 })))
)

it.effect("passes on what its source fails with, by the name of the source", () =>
  Effect.gen(function* () {
    const { queue } = yield* TestPipeline.TestPipeline
    const broken = Stream.concat(Stream.succeed(goodBytes), Stream.fail({ message: "the pipe broke" }))
    const error = yield* Effect.flip(ingestInto(queue, "stdin", broken))
    assert.strictEqual(error.message, "stdin: the pipe broke (the ticks before it are taken: 5 ticks)")
  }).pipe(Effect.provide(pipeline({ instances: 0 })))
)

it.effect("ends without a failure when the queue ends, whether it took any tick or not", () =>
  Effect.gen(function* () {
    const { queue } = yield* TestPipeline.TestPipeline
    const ingest = yield* Effect.forkChild(ingestInto(queue, "stdin", Stream.succeed(goodBytes)))
    yield* settleDown
    yield* queue.end
    assert.strictEqual(yield* Fiber.join(ingest), 3)
    assert.strictEqual(yield* ingestInto(queue, "stdin", Stream.succeed(goodBytes)), 0)
  }).pipe(Effect.provide(pipeline({ instances: 0, queue: { capacity: 3 } })))
)

it.effect("tells of each run that begins", () =>
  Effect.gen(function* () {
    const { drain, queue } = yield* TestPipeline.TestPipeline
    const ticks = [...TestTick.range("a", 1, 2), ...TestTick.range("b", 1, 2), ...TestTick.range("a", 3, 4)]
    const runs: Array<string> = []
    yield* ingestInto(queue, "stdin", chunked(encode(ticks), 7), (runId) => void runs.push(runId))
    yield* drain
    assert.deepStrictEqual(runs, ["a", "b", "a"])
  }).pipe(Effect.provide(pipeline({ persistence: { mixedRuns: "split" } })))
)

it.effect("warns of the first ten ticks that can't be stored, with their place", () =>
  Effect.gen(function* () {
    const message = "Tick can't be stored and will be dead-lettered"
    yield* LogWatch.expect("Warn", message, { times: 10 })
    yield* LogWatch.expect("Error", "Batch consistency violation", { times: 1 })
    yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
    const { drain, queue, stored } = yield* TestPipeline.TestPipeline
    const bad = [TestTick.make("../up", 3), ...TestTick.range("run", -20, -1)]
    const bytes = encode([...TestTick.range("run", 1, 2), ...bad])
    assert.strictEqual(yield* ingestInto(queue, "a.pb", chunked(bytes, 20)), 23)
    yield* drain
    assert.strictEqual((yield* queue.account).deadLettered, 21)
    assert.deepStrictEqual(numbers(yield* stored("run")), [1, 2])
    const first = (yield* LogWatch.lines).find((line) => line.message === message)
    assert.deepStrictEqual(first?.annotations, {
      source: "a.pb",
      message: 3,
      byte: encode(TestTick.range("run", 1, 2)).length,
      tick: "3",
      violation: 'its run id "../up" contains "/"'
    })
  }).pipe(Effect.provide(pipeline()))
)

it.effect(
  "ends when a thousand messages in a row are no ticks that can be stored, as in the zeros of a damaged file",
  () =>
    Effect.gen(function* () {
      yield* LogWatch.allow("Warn", "Tick can't be stored and will be dead-lettered")
      yield* LogWatch.allow("Error", "Batch consistency violation")
      yield* LogWatch.allow("Info", "Sent failed batch to dead-letter queue")
      const { drain, queue, stored } = yield* TestPipeline.TestPipeline
      const good = encode(TestTick.range("run", 1, 3))
      const source = Bytes.concat([good, new Uint8Array(5000)])
      const error = yield* Effect.flip(ingestInto(queue, "file", chunked(source, 700)))
      assert.include(error.message, `message 1003 at byte ${good.length + 999}: it is the 1000th message in a row`)
      yield* drain
      assert.deepStrictEqual(numbers(yield* stored("run")), [1, 2, 3])
      assert.strictEqual((yield* queue.account).deadLettered, 1000)
    }).pipe(Effect.provide(pipeline()))
)
