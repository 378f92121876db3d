// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Delimited from "../../src/domain/Delimited.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import type { Finding } from "../../src/verify/Finding.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import * as Stored from "./storedRun.ts"
import * as InStorage from "../support/InStorage.ts"

/** A run of one batch, its ledger, and a letter with the ticks that follow. */
const setup = Effect.gen(function* () {
  const storage = yield* Storage.makeMemory("memory")
  // With bytes in them that only a checksum can tell from others.
  const batch = yield* Stored.store(storage, Stored.batchOf(TestTick.range("run", 1, 8, 6)))
  const { letter, line } = yield* Stored.letterOf(Stored.numbered(9, 11))
  const log = yield* Stored.log(storage, [line, batch.line])
  const queue = yield* Stored.queueOf(letter)
  return { storage, batch, letter, log, queue }
})

const names = (finding: Finding): string =>
  "key" in finding ? finding.key : "letter" in finding ? finding.letter : "keys" in finding ? finding.keys.join() : ""

const verdict = Effect.fnUntraced(function* (
  storage: Storage.Storage["Service"],
  queue: InStorage.Letters["letters"][number]
) {
  const { findings, state } = yield* InStorage.verify(storage, Stored.run, { letters: [queue] })
  return { state, names: findings.filter(({ _tag }) => _tag !== "WaitingLetter").map(names) }
})

/** The ticks of `batch` that a change at `at` has left alone, and those that it or its neighbours may have cost. */
const spare = (batch: Tick.Batch, at: number) => {
  const ends = batch.map((_, index) => Delimited.encodedBytes(batch.slice(0, index + 1)))
  const touched = ends.findIndex((end) => at < end)
  return {
    touched,
    before: batch.slice(0, touched),
    untouched: batch.filter((_, index) => index !== touched),
    far: batch.filter((_, index) => Math.abs(index - touched) > 1)
  }
}

const salvaged = (
  storage: Storage.Storage["Service"],
  key: Parameters<typeof BatchFile.salvage>[1],
  checks?: ReadonlyArray<number>
) =>
  Effect.map(Stream.runCollect(BatchFile.salvage(storage, key, checks)), (found) =>
    found.flatMap((one) => (one._tag === "Tick" ? [one.tick] : []))
  )

const payloads = (ticks: ReadonlyArray<Tick.Tick>) => ticks.map(({ payload }) => Buffer.from(payload).toString("hex"))

describe("verify", () => {
  it.effect("calls the run whole but for its letter while nothing is damaged", () =>
    Effect.gen(function* () {
      const { queue, storage } = yield* setup
      assert.deepStrictEqual(yield* verdict(storage, queue), { state: "dead-letters", names: [] })
    }).pipe(Effect.provide(LogWatch.layer()))
  )

  it.effect("finds every changed byte of a batch, and every cut", () =>
    Effect.gen(function* () {
      const { batch, queue, storage } = yield* setup
      const bytes = yield* Stored.bytesOf(storage, batch.key)
      for (const damage of Stored.damages(bytes)) {
        const found = yield* verdict(Stored.withObject(storage, batch.key, damage.bytes), queue)
        assert.strictEqual(found.state, "broken", damage.what)
        assert.include(found.names, batch.key, damage.what)
      }
      const gone = yield* verdict(Stored.withObject(storage, batch.key, undefined), queue)
      assert.deepInclude(gone, { state: "broken" })
      assert.include(gone.names, batch.key)
    }).pipe(Effect.provide(LogWatch.layer()))
  )

  it.effect("finds every changed byte of a ledger, and every cut", () =>
    Effect.gen(function* () {
      const { batch, log, queue, storage } = yield* setup
      const bytes = yield* Stored.bytesOf(storage, log)
      for (const damage of Stored.damages(bytes)) {
        const found = yield* verdict(Stored.withObject(storage, log, damage.bytes), queue)
        assert.strictEqual(found.state, "broken", damage.what)
        // A cut between two lines leaves a good ledger, which then doesn't know the batch.
        const named = found.names.includes(log) || found.names.includes(batch.key)
        assert.isTrue(named, damage.what)
        if (!damage.what.startsWith("cut")) assert.include(found.names, log, damage.what)
      }
      const gone = yield* verdict(Stored.withObject(storage, log, undefined), queue)
      assert.deepInclude(gone, { state: "broken" })
      assert.include(gone.names, batch.key)
    }).pipe(Effect.provide(LogWatch.layer()))
  )

  it.effect("finds every changed byte of a letter, and every cut", () =>
    Effect.gen(function* () {
      const { letter, queue, storage } = yield* setup
      for (const damage of Stored.damages(letter.bytes)) {
        const found = yield* verdict(storage, Stored.withLetterBytes(queue, letter, damage.bytes))
        assert.deepStrictEqual(found, { state: "broken", names: ["", letter.id] }, damage.what)
      }
      const gone = yield* verdict(storage, Stored.withLetterBytes(queue, letter, undefined))
      assert.deepStrictEqual(gone, { state: "broken", names: ["", letter.id] })
    }).pipe(Effect.provide(LogWatch.layer()))
  )
})

describe("salvage", () => {
  it.effect("with checks gives exactly the ticks that a changed byte or a cut has left alone", () =>
    Effect.gen(function* () {
      const { batch, storage } = yield* setup
      for (const { at, bytes, what } of Stored.damages(yield* Stored.bytesOf(storage, batch.key))) {
        const { before, untouched } = spare(batch.ticks, at)
        const found = yield* salvaged(Stored.withObject(storage, batch.key, bytes), batch.key, batch.checks)
        assert.deepStrictEqual(payloads(found), payloads(what.startsWith("cut") ? before : untouched), what)
      }
    }).pipe(Effect.provide(LogWatch.layer()))
  )

  it.effect("without checks gives at least the ticks that are not neighbours of a changed byte", () =>
    Effect.gen(function* () {
      const { batch, storage } = yield* setup
      for (const { at, bytes, what } of Stored.damages(yield* Stored.bytesOf(storage, batch.key))) {
        const { before, far } = spare(batch.ticks, at)
        const found = payloads(yield* salvaged(Stored.withObject(storage, batch.key, bytes), batch.key))
        if (what.startsWith("cut")) assert.deepStrictEqual(found, payloads(before), what)
        else assert.includeMembers(found, payloads(far), what)
      }
    }).pipe(Effect.provide(LogWatch.layer()))
  )
})
