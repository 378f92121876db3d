// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Checksum from "../../src/domain/Checksum.ts"
import type * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import * as LedgerLine from "../../src/ledger/LedgerLine.ts"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { randomFrom } from "../support/random.ts"
import * as Stored from "../runs/storedRun.ts"
import * as InStorage from "../support/InStorage.ts"

const watched = Effect.provide(LogWatch.layer())

const drop = (letter: string): LedgerEntry.Drop => ({
  _tag: "Drop",
  letter,
  stretches: [[0n, 9_007_199_254_740_993n, 1n]],
  count: 1,
  reason: "tab\t, line\nfeed and ü",
  atMs: 7
})

const log = StorageKey.ledger(Stored.run, "writer")

/** What is read of a log of these bytes, in chunks of this size. */
const read = Effect.fnUntraced(function* (bytes: Uint8Array, chunkBytes = bytes.length) {
  const memory = yield* Storage.makeMemory("memory")
  const chunks: Array<Uint8Array> = []
  for (let from = 0; from < bytes.length; from += chunkBytes) chunks.push(bytes.subarray(from, from + chunkBytes))
  const storage = { ...memory, list: () => Stream.succeed(log), read: () => Stream.fromArray(chunks) }
  const items = yield* Stream.runCollect(InStorage.ledger(storage, Stored.run))
  return items.map((item) => (item._tag === "Line" ? item.entry : item))
})

describe("a line of a ledger", () => {
  it("comes back as it was, with its checks", () => {
    for (const checks of [[], [0], [1, 0xffff_ffff, 7]]) {
      const line = LedgerLine.encode(drop("a"), checks)
      assert.strictEqual(line.indexOf(10), line.length - 1)
      const decoded = LedgerLine.decode(line.subarray(0, -1))
      assert(typeof decoded === "object")
      assert.deepStrictEqual(decoded.entry, drop("a"))
      assert.deepStrictEqual(decoded.checks(), checks.length === 0 ? undefined : checks)
    }
  })

  it("is refused when any of its bytes is changed or missing", () => {
    const line = LedgerLine.encode(drop("a"), [1, 2]).subarray(0, -1)
    for (const { bytes, what } of Stored.damages(line)) assert.isString(LedgerLine.decode(bytes), what)
  })

  it("is refused when it is of a kind that is not known", () => {
    const line = LedgerLine.encode(drop("a"))
    const other = new TextEncoder().encode(new TextDecoder().decode(line.subarray(8, -1)).replace("Drop", "Sink"))
    const sum = new TextEncoder().encode(Checksum.toHex(Checksum.of(other)))
    const decoded = LedgerLine.decode(Bytes.concat([sum, other]))
    assert(typeof decoded === "string")
    assert.match(decoded, /^it is not a known entry/u)
  })
})

describe("a log of a ledger", () => {
  it.effect("gives its entries in whatever chunks it is read", () =>
    Effect.gen(function* () {
      const entries = ["a", "b", "c"].map(drop)
      const bytes = Bytes.concat(entries.map((entry) => LedgerLine.encode(entry)))
      for (const size of [1, 2, 10, 100, bytes.length]) assert.deepStrictEqual(yield* read(bytes, size), entries)
      assert.deepStrictEqual(yield* read(new Uint8Array()), [])
    }).pipe(watched)
  )

  it.effect("gives the lines around a damage, and its place", () =>
    Effect.gen(function* () {
      const [a, b, c] = ["a", "b", "c"].map((letter) => LedgerLine.encode(drop(letter)))
      assert(a !== undefined && b !== undefined && c !== undefined)
      const random = randomFrom(5)
      for (let at = 0; at < b.length; at++) {
        const damaged = b.slice()
        damaged[at] = (damaged[at] ?? 0) ^ 0x55
        const items = yield* read(Bytes.concat([a, damaged, c]), random.between(1, 300))
        assert.deepStrictEqual(items[0], drop("a"))
        const damages = items.flatMap((item) => (item._tag === "Damage" ? [item] : []))
        // Without its line feed a line takes the next one with it.
        if (at < b.length - 1) assert.deepStrictEqual(items.at(-1), drop("c"))
        assert.strictEqual(damages[0]?.offset, a.length, `byte ${at}`)
        assert.isTrue(damages.every(({ log: key, torn }) => key === log && !torn))
        const lost = damages.reduce((sum, { bytes }) => sum + bytes + 1, 0)
        assert.strictEqual(lost, at < b.length - 1 ? b.length : b.length + c.length, `byte ${at}`)
      }
    }).pipe(watched)
  )

  it.effect("tells where it ends within a line", () =>
    Effect.gen(function* () {
      const [a, b] = ["a", "b"].map((letter) => LedgerLine.encode(drop(letter)))
      assert(a !== undefined && b !== undefined)
      for (let length = 1; length < b.length; length++) {
        const items = yield* read(Bytes.concat([a, b.subarray(0, length)]))
        assert.deepStrictEqual(items, [
          drop("a"),
          { _tag: "Damage", log, offset: a.length, bytes: length, problem: "the log ends within a line", torn: true }
        ])
      }
    }).pipe(watched)
  )

  it.effect("keeps no line that is longer than a line can be, and goes on after it", () =>
    Effect.gen(function* () {
      const long = new Uint8Array(65 * 1024 * 1024).fill(97)
      const items = yield* read(Bytes.concat([long, Uint8Array.of(10), LedgerLine.encode(drop("a"))]), 1024 * 1024)
      assert.deepInclude(items[0], { _tag: "Damage", offset: 0, bytes: long.length, torn: false })
      assert.deepStrictEqual(items[1], drop("a"))
    }).pipe(watched)
  )

  it.effect("has the entry of a batch of two million ticks", () =>
    Effect.gen(function* () {
      const line = LedgerLine.encode(
        drop("a"),
        Array.from({ length: 2_000_000 }, () => 7)
      )
      assert.deepStrictEqual(yield* read(line, 1024 * 1024), [drop("a")])
    }).pipe(watched)
  )

  it.effect("that is removed while it is read has nothing", () =>
    Effect.gen(function* () {
      const memory = yield* Storage.makeMemory("memory")
      const storage = { ...memory, list: () => Stream.succeed(log) }
      assert.deepStrictEqual(yield* Stream.runCollect(InStorage.ledger(storage, Stored.run)), [])
    }).pipe(watched)
  )
})
