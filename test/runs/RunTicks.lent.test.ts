// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as Checksum from "../../src/domain/Checksum.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import type * as RunTicks from "../../src/runs/RunTicks.ts"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import type { StorageError } from "../../src/storage/StorageError.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"
import { run, store, storeNoted, tamper } from "./storedRun.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as InStorage from "../support/InStorage.ts"

/** Files of 20 ticks of which each shares its range with the next two, some of them noted in a ledger, and a large one. */
const setup = Effect.fnUntraced(function* (compression: "none" | "zstd") {
  const files = yield* FileStorage.make("files", { rootDirectory: yield* temporaryFolder })
  const storage = BatchFile.compressing(files, compression)
  for (let index = 0; index < 40; index++) {
    const numbers = Array.from({ length: 20 }, (_, position) => (index * 20 + position * 3) % 850)
    const ticks = numbers.map((number) => TestTick.make("run", number, 1000 + number))
    yield* index % 2 === 0 ? storeNoted(storage, ticks) : store(storage, ticks)
  }
  yield* store(storage, large)
  return storage
})

/** Larger than what batches are read into at a time. */
const large = [900, 901, 902].map((number) => TestTick.make("run", number, 3_000_000))

type Way = "kept" | "lent"
type Found = Stream.Stream<Tick.Tick | RunTicks.Salvaged, StorageError>

const streams: ReadonlyArray<
  readonly [name: string, read: (storage: FileStorage.FileStorage, payloads: Way) => Found]
> = [
  ["ticks", (storage, payloads) => InStorage.ticks(storage, run, { payloads })],
  ["salvagedTicks", (storage, payloads) => InStorage.salvagedTicks(storage, run, { payloads })]
]

const withSum = ({ payload, ...tick }: Tick.Tick) => ({ ...tick, sum: Checksum.of(payload) })

/** What `found` says, chunk by chunk, a checksum in place of each payload. */
const told = Effect.fnUntraced(function* (found: Found) {
  const facts: Array<unknown> = []
  yield* Stream.runForEachArray(found, (chunk) =>
    Effect.gen(function* () {
      // What is read ahead comes meanwhile.
      yield* Effect.repeat(Effect.yieldNow, { times: 50 })
      for (const one of chunk)
        facts.push(!("_tag" in one) ? withSum(one) : one._tag === "Tick" ? withSum(one.tick) : one)
    })
  )
  return facts
})

const withFiles = Layer.mergeAll(NodeServices.layer, LogWatch.layer())

describe("ticks that are lent", () => {
  for (const [name, read] of streams) {
    it.effect.each(["none", "zstd"] as const)(
      `are what they are until more are asked for: ${name}, %s`,
      (compression) =>
        Effect.gen(function* () {
          const storage = yield* setup(compression)
          const kept = yield* told(read(storage, "kept"))
          assert.deepStrictEqual(yield* told(read(storage, "lent")), kept)
          assert.isAbove(kept.length, 500)
        }).pipe(Effect.provide(withFiles))
    )

    it.effect(`lie in memory that is used again: ${name}`, () =>
      Effect.gen(function* () {
        const storage = yield* setup("none")
        const blocksOf = Effect.fnUntraced(function* (payloads: Way) {
          const blocks = new Set<ArrayBufferLike>()
          yield* Stream.runForEach(read(storage, payloads), (one) =>
            Effect.sync(() => {
              const tick = "_tag" in one ? (one._tag === "Tick" ? one.tick : undefined) : one
              if (tick !== undefined && tick.payload.length < 10_000) blocks.add(tick.payload.buffer)
            })
          )
          return blocks.size
        })
        assert.isAtLeast(yield* blocksOf("kept"), 40)
        // Those of four batches that overlap, of two that are read ahead, and one that is not given back yet.
        assert.isAtMost(yield* blocksOf("lent"), 8)
      }).pipe(Effect.provide(withFiles))
    )
  }

  it.effect("are what they are around what is damaged", () =>
    Effect.gen(function* () {
      const storage = yield* setup("none")
      const keys = yield* Stream.runCollect(storage.list("run/batch_"))
      for (const key of keys.filter((_, index) => index % 5 === 2)) {
        yield* tamper(storage, key, (bytes) => bytes.fill(0xff, 5000, 6000))
      }
      const kept = yield* told(InStorage.salvagedTicks(storage, run))
      assert.deepStrictEqual(yield* told(InStorage.salvagedTicks(storage, run, { payloads: "lent" })), kept)
      assert.isAbove(kept.filter((fact) => Predicate.hasProperty(fact, "_tag")).length, 3)
    }).pipe(Effect.provide(withFiles))
  )
})
