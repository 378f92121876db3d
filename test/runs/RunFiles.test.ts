// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RunId from "../../src/domain/RunId.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as InStorage from "../support/InStorage.ts"

const storageWith = Effect.fnUntraced(function* (...keys: ReadonlyArray<string>) {
  const storage = yield* Storage.makeMemory("memory")
  for (const key of keys) yield* Storage.write(storage, yield* StorageKey.parse(key), [])
  return storage
})

const batch = (first: number, last: number) =>
  `batch_${String(first).padStart(19, "0")}_${String(last).padStart(19, "0")}.pb`

describe("the files of runs", () => {
  it.effect("name each run once, in the order of the keys, whatever is stored of it", () =>
    Effect.gen(function* () {
      const keys = ["b/metadata.pb", `b/${batch(1, 2)}`, "a/ledger/x.log", "a b/ledger/x.log", "loose"]
      const storage = yield* storageWith(...keys)
      assert.deepStrictEqual(yield* Stream.runCollect(InStorage.runIds(storage)), ["a b", "a", "b"].map(RunId.make))
    }).pipe(Effect.provide(LogWatch.layer()))
  )

  it.effect("name the batches of one run by their first tick, and nothing else of it", () =>
    Effect.gen(function* () {
      const keys = [batch(10, 12), batch(1, 9), batch(1, 3), "batch_1_2.pb", "metadata.pb", `sub/${batch(1, 2)}`]
      const storage = yield* storageWith(...keys.map((key) => `run/${key}`), `run-2/${batch(5, 6)}`)
      const found = yield* InStorage.batches(storage, RunId.make("run"))
      assert.deepStrictEqual(
        found.map(({ first, key, last, runId }) => `${runId}: ${key} ${first} ${last}`),
        [`run: run/${batch(1, 3)} 1 3`, `run: run/${batch(1, 9)} 1 9`, `run: run/${batch(10, 12)} 10 12`]
      )
    }).pipe(Effect.provide(LogWatch.layer()))
  )
})
