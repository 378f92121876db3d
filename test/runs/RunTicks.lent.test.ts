import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as Tick from "../../src/domain/Tick.ts"
import * as RunTicks from "../../src/runs/RunTicks.ts"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"
import { run, store, storeNoted } from "./storedRun.ts"

/** Files of 20 ticks of which each shares its range with the next two, some of them noted in a ledger. */
const setup = Effect.fnUntraced(function* (compression: "none" | "zstd") {
  const storage = yield* FileStorage.make("files", { rootDirectory: yield* temporaryFolder, compression })
  for (let index = 0; index < 40; index++) {
    const numbers = Array.from({ length: 20 }, (_, position) => (index * 20 + position * 3) % 850)
    const ticks = numbers.map((number) => TestTick.make("run", number, 1000 + number))
    yield* index % 2 === 0 ? storeNoted(storage, ticks) : store(storage, ticks)
  }
  return storage
})

const streams = [
  [
    "ticks",
    (storage: FileStorage.FileStorage, payloads: "kept" | "lent") => RunTicks.ticks(storage, run, { payloads })
  ],
  [
    "salvagedTicks",
    (storage: FileStorage.FileStorage, payloads: "kept" | "lent") =>
      Stream.map(RunTicks.salvagedTicks(storage, run, { payloads }), (one) =>
        one._tag === "Tick" ? one.tick : assert.fail("nothing is gone")
      )
  ]
] as const

const withFiles = Layer.mergeAll(NodeServices.layer, LogWatch.layer())

describe("ticks that are lent", () => {
  for (const [name, read] of streams) {
    it.effect.each(["none", "zstd"] as const)(
      `are what they are until more are asked for: ${name}, %s`,
      (compression) =>
        Effect.gen(function* () {
          const storage = yield* setup(compression)
          const kept = [...(yield* Stream.runCollect(read(storage, "kept")))]
          const copies: Array<Tick.Tick> = []
          yield* Stream.runForEachArray(read(storage, "lent"), (ticks) =>
            Effect.gen(function* () {
              // What is read ahead comes meanwhile.
              yield* Effect.repeat(Effect.yieldNow, { times: 50 })
              for (const tick of ticks) copies.push({ ...tick, payload: new Uint8Array(tick.payload) })
            })
          )
          assert.deepStrictEqual(copies, kept)
        }).pipe(Effect.provide(withFiles))
    )

    it.effect(`lie in memory that is used again: ${name}`, () =>
      Effect.gen(function* () {
        const storage = yield* setup("none")
        const blocksOf = Effect.fnUntraced(function* (payloads: "kept" | "lent") {
          const blocks = new Set<ArrayBufferLike>()
          yield* Stream.runForEach(read(storage, payloads), ({ payload }) =>
            Effect.sync(() => blocks.add(payload.buffer))
          )
          return blocks.size
        })
        assert.isAtLeast(yield* blocksOf("kept"), 40)
        // Those of four batches that overlap, of two that are read ahead, and one that is not given back yet.
        assert.isAtMost(yield* blocksOf("lent"), 8)
      }).pipe(Effect.provide(withFiles))
    )
  }
})
