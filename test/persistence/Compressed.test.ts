// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Delimited from "../../src/domain/Delimited.ts"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import * as Context from "effect/Context"
import { type Bench, failing, io, metric, onBench } from "./harness.ts"
import * as InStorage from "../support/InStorage.ts"

const ticks = TestTick.range("run", 1, 5, 400)
const bytes = Delimited.encodedBytes(ticks)
const key = "run/batch_0000000000000000001_0000000000000000005.pb.zst"

/** A bench whose storage is to compress, on which all of its ticks are settled. */
const settled = <E>(
  storage: Effect.Effect<BatchFile.Compressing, E>,
  test: (bench: Bench, storage: Storage.Storage["Service"]) => Effect.Effect<void, unknown, LogWatch.LogWatch>,
  script: (bench: Bench) => Effect.Effect<void> = () => Effect.void
) =>
  Effect.flatMap(storage, (memory) =>
    onBench({ storage: memory, persistence: { maxBatchSize: 5, maxRetries: 1, retryBackoffMs: 0 } }, failing, (bench) =>
      Effect.gen(function* () {
        yield* script(bench)
        yield* bench.first.start
        yield* bench.queue.offerAll(ticks)
        yield* bench.queue.end
        yield* bench.first.await
        yield* test(bench, memory)
      })
    )
  )

const zstd = Effect.map(Storage.makeMemory("memory"), (storage) => BatchFile.compressing(storage, "zstd"))

it.effect("stores a batch compressed where the storage says so, and counts its bytes before and after", () =>
  settled(zstd, (bench, storage) =>
    Effect.gen(function* () {
      assert.deepStrictEqual([...(yield* bench.files)], [[key, ticks]])
      const stored =
        (yield* storage.stat(BatchFile.keyOf(storage, new RunBatch(RunId.make("run"), [ticks[0]!, ...ticks]))))
          ?.bytes ?? 0
      assert.isBelow(stored, bytes)
      assert.deepInclude(yield* bench.first.metrics, { bytes_written: bytes, bytes_stored: stored, ticks_written: 5 })
      assert.strictEqual(yield* metric("persistence_written_bytes_total"), bytes)
      assert.strictEqual(yield* metric("persistence_stored_bytes_total", { codec: "zstd" }), stored)
      yield* Context.get(bench.context, RunLedger.RunLedger).flush
      const items = yield* Stream.runCollect(InStorage.ledger(storage, RunId.make("run")))
      const commits = items.flatMap((one) => (one._tag === "Line" && one.entry._tag === "Commit" ? [one.entry] : []))
      assert.lengthOf(commits, 1)
      assert.deepInclude(commits[0], { key, bytes, storedBytes: stored })
    })
  )
)

it.effect("names ticks duplicates that another process has stored without compression since an attempt failed", () =>
  Effect.flatMap(zstd, (memory) => {
    assert(Tick.isBatch(ticks))
    const plain = { ...memory, compression: { codec: "none" } } as const
    const other = Effect.orDie(BatchFile.write(plain, StorageKey.batch(RunId.make("run"), ticks), ticks))
    return settled(
      Effect.succeed(memory),
      (bench) =>
        Effect.gen(function* () {
          yield* LogWatch.expect("Info", "Batch is stored already", { times: 1 })
          yield* LogWatch.expect("Warn", "Failed to write batch, retrying", { times: 1 })
          assert.deepStrictEqual([...(yield* bench.files).keys()], [key.replace(".zst", "")])
          assert.deepInclude(yield* bench.first.metrics, { ticks_written: 0, duplicate_ticks_detected: 5 })
          assert.deepInclude(yield* bench.queue.account, { stored: 0, duplicate: 5, inHand: 0 })
        }),
      ({ faults }) =>
        Effect.andThen(
          faults.next("write", [FaultyStorage.wait(Effect.asVoid(other))]),
          faults.next("commit", [FaultyStorage.fail(io)])
        )
    )
  })
)

it.effect("names ticks duplicates that are stored already without compression", () =>
  settled(
    Effect.gen(function* () {
      const storage = yield* zstd
      assert(Tick.isBatch(ticks))
      yield* BatchFile.write(
        { ...storage, compression: { codec: "none" } },
        StorageKey.batch(RunId.make("run"), ticks),
        ticks
      )
      return storage
    }),
    (bench) =>
      Effect.gen(function* () {
        yield* LogWatch.expect("Info", "Batch is stored already", { times: 1 })
        assert.deepStrictEqual([...(yield* bench.files).keys()], [key.replace(".zst", "")])
        assert.deepInclude(yield* bench.first.metrics, { ticks_written: 0, duplicate_ticks_detected: 5 })
        assert.strictEqual(yield* metric("persistence_duplicate_ticks_total", { source: "storage" }), 5)
      })
  )
)

it.effect("takes a compressed batch for its own that an attempt of unknown outcome has stored", () =>
  settled(
    zstd,
    (bench) =>
      Effect.gen(function* () {
        assert.deepStrictEqual([...(yield* bench.files).keys()], [key])
        assert.deepInclude(yield* bench.first.metrics, {
          ticks_written: 5,
          duplicate_ticks_detected: 0,
          write_retries: 1
        })
      }),
    ({ faults }) => faults.next("commit", [FaultyStorage.failAfter(io)])
  )
)

it.effect("tries again when compressing fails, and dead-letters the batch under the name that it would have had", () =>
  settled(
    Effect.map(zstd, (storage): BatchFile.Compressing => ({
      ...storage,
      // No compressor can be made: Node refuses it as it does where there is no memory.
      compression: { codec: "zstd", level: "?" as unknown as number }
    })),
    (bench) =>
      Effect.gen(function* () {
        assert.deepStrictEqual([...(yield* bench.files).keys()], [])
        const [letter, ...others] = yield* bench.letters
        assert.deepStrictEqual(others, [])
        assert.include(letter?.failureReason, "compressing failed")
        assert.deepInclude(letter?.metadata, { reason: "storage", storageKey: key })
        assert.deepInclude(yield* bench.first.metrics, { write_retries: 1, ticks_dead_lettered: 5, ticks_in_flight: 0 })
      })
  )
)
