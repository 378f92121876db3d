// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Rebuild from "../../src/verify/Rebuild.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as Stored from "../runs/storedRun.ts"
import * as InStorage from "../support/InStorage.ts"

const watched = Effect.provide(LogWatch.layer())

const none = { letters: [] }

const nothing: Rebuild.Rebuilt = { files: 0, letters: 0, setAside: [], damaged: [] }

describe("a ledger made from what is stored", () => {
  it.effect("makes a run whole whose ledger is gone, and does nothing the second time", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.makeMemory("memory")
      const { checks, key } = yield* Stored.store(storage, Stored.numbered(1, 5))
      yield* Stored.store(storage, Stored.numbered(6, 9))
      assert.strictEqual((yield* InStorage.verify(storage, Stored.run, none)).state, "broken")
      assert.deepStrictEqual(yield* InStorage.rebuild(storage, Stored.run, none), { ...nothing, files: 2 })
      assert.deepInclude(yield* InStorage.verify(storage, Stored.run, none), { state: "whole", counts: {} })
      const items = yield* Stream.runCollect(InStorage.ledger(storage, Stored.run))
      const line = items.find((item) => item._tag === "Line" && item.entry._tag === "Commit" && item.entry.key === key)
      assert.deepStrictEqual(line?._tag === "Line" ? line.checks() : undefined, checks)
      const logs = yield* Stream.runCollect(storage.list("run/ledger/"))
      assert.deepStrictEqual(yield* InStorage.rebuild(storage, Stored.run, none), nothing)
      assert.deepStrictEqual(yield* Stream.runCollect(storage.list("run/ledger/")), logs)
    }).pipe(watched)
  )

  it.effect("has no entry for a damaged batch, with an entry or without", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.makeMemory("memory")
      const noted = yield* Stored.store(storage, Stored.numbered(1, 5))
      yield* Stored.log(storage, [noted.line])
      const { key } = yield* Stored.store(storage, Stored.numbered(6, 9))
      const cut = (yield* Stored.bytesOf(storage, key)).subarray(0, 20)
      const changed = (yield* Stored.bytesOf(storage, noted.key)).fill(7, 30, 32)
      const damaged = Stored.withObject(Stored.withObject(storage, key, cut), noted.key, changed)
      assert.deepStrictEqual(yield* InStorage.rebuild(damaged, Stored.run, none), { ...nothing, damaged: [key] })
      assert.strictEqual((yield* InStorage.verify(damaged, Stored.run, none)).counts["DamagedFile"], 2)
    }).pipe(watched)
  )

  it.effect("has one entry for each of many batches, also around damaged ones", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.makeMemory("memory")
      const firsts = Array.from({ length: 400 }, (_, index) => index * 10)
      const keys: Array<string> = []
      for (const first of firsts) keys.push((yield* Stored.store(storage, Stored.numbered(first, first + 9))).key)
      const bad = [keys[7] ?? "", keys[300] ?? ""]
      const spoilt = Uint8Array.of(1, 2, 3)
      const damaged = bad.reduce((rest, key) => Stored.withObject(rest, key, spoilt), storage)
      assert.deepStrictEqual(yield* InStorage.rebuild(damaged, Stored.run, none), {
        ...nothing,
        files: 398,
        damaged: bad
      })
      const items = yield* Stream.runCollect(InStorage.ledger(storage, Stored.run))
      const noted = items.flatMap((item) =>
        item._tag === "Line" && item.entry._tag === "Commit" ? [item.entry.key] : []
      )
      assert.deepStrictEqual(
        noted,
        keys.filter((key) => !bad.includes(key))
      )
    }).pipe(watched)
  )

  it.effect("knows the letters that wait", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.makeMemory("memory")
      yield* Stored.store(storage, Stored.numbered(1, 5))
      const { letter } = yield* Stored.letterOf(Stored.numbered(6, 7))
      const letters = [yield* Stored.queueOf(letter)]
      assert.deepStrictEqual(yield* InStorage.rebuild(storage, Stored.run, { letters }), {
        ...nothing,
        files: 1,
        letters: 1
      })
      const { counts, state } = yield* InStorage.verify(storage, Stored.run, { letters })
      assert.deepStrictEqual({ counts, state }, { counts: { WaitingLetter: 1 }, state: "dead-letters" })
    }).pipe(watched)
  )

  it.effect("has all that is intact in a damaged log, which is set aside", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.makeMemory("memory")
      const one = yield* Stored.store(storage, Stored.numbered(1, 5))
      const two = yield* Stored.store(storage, Stored.numbered(6, 9))
      const damaged = two.line.slice()
      damaged[20] = 1
      const log = yield* Stored.log(storage, [one.line, damaged])
      const rebuilt = yield* InStorage.rebuild(storage, Stored.run, none)
      assert.deepStrictEqual(rebuilt, { ...nothing, files: 1, setAside: ["memory, set aside 1"] })
      assert.isUndefined(yield* storage.stat(log))
      assert.deepInclude(yield* InStorage.verify(storage, Stored.run, none), { state: "whole", counts: {} })
    }).pipe(watched)
  )

  it.effect("leaves a damaged log alone that was written to just now, and a torn one", () =>
    Effect.gen(function* () {
      const memory = yield* Storage.makeMemory("memory")
      const storage: Storage.Storage["Service"] = {
        ...memory,
        stat: (key) => Effect.map(memory.stat(key), (stat) => stat && { ...stat, modifiedAtMs: 0 })
      }
      const { line } = yield* Stored.store(storage, Stored.numbered(1, 5))
      const damaged = line.slice()
      damaged[20] = 1
      yield* Stored.log(storage, [damaged, line], "at-work")
      yield* Stored.log(memory, [line.subarray(0, 9)], "torn")
      assert.deepStrictEqual(yield* InStorage.rebuild(storage, Stored.run, none), nothing)
    }).pipe(watched)
  )
})
