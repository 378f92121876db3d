// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as RunId from "../../src/domain/RunId.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

const ticks = (first: bigint, ...rest: ReadonlyArray<bigint>): Tick.Batch => [
  TestTick.make("run", first),
  ...rest.map((tickNumber) => TestTick.make("run", tickNumber))
]

describe("a storage key", () => {
  it.effect.each([
    "a",
    "run/metadata.pb",
    "run/batch_0000000000000000001_0000000000000001000.pb",
    "a/b/c/d e-f_g",
    "ab:/c",
    `${"x".repeat(255)}/${"y".repeat(255)}`,
    "日本/ä"
  ])("may be %j", (key) =>
    Effect.gen(function* () {
      assert.strictEqual<string>(yield* StorageKey.parse(key), key)
      assert.isTrue(StorageKey.is(key))
    })
  )

  it.effect.each([
    ["", "is empty"],
    ["/a", "is an absolute path"],
    ["/", "is an absolute path"],
    ["a//b", "a segment is empty"],
    ["a/", "a segment is empty"],
    ["../a", 'a segment contains ".."'],
    ["a/../b", 'a segment contains ".."'],
    ["a/b..c", 'a segment contains ".."'],
    ["./a", 'a segment starts with "."'],
    ["a/.hidden", 'a segment starts with "."'],
    ["a/.tickvault-12.tmp", 'a segment starts with "."'],
    ["C:/a", "a segment starts with a drive letter"],
    ["a/c:", "a segment starts with a drive letter"],
    ["a\\b", "a segment contains a control character"],
    ["\\\\server\\share", "a segment contains a control character"],
    ["a/b\u0000", "a segment contains a control character"],
    ["a/b\n", "a segment contains a control character"],
    ["a\u007f", "a segment contains a control character"],
    ...["<", ">", '"', "?", "*", "|"].map(
      (character) => [`a/${character}`, "a segment contains a control character"] as const
    ),
    ["a/\ud800", "a segment is not well-formed Unicode"],
    [`a/${"x".repeat(256)}`, "a segment is longer than 255 bytes"],
    [`a/${"é".repeat(128)}`, "a segment is longer than 255 bytes"],
    [`${"abc/".repeat(256)}a`, "is longer than 1024 characters"]
  ] as const)("may not be %j: %s", ([key, violation]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(StorageKey.parse(key))
      assert.include(error.violation, violation)
      assert.include(error.message, `storage key ${RunId.quote(key)}: `)
      assert.isFalse(StorageKey.is(key))
    })
  )
})

describe("any key", () => {
  const pieces = [
    "a",
    "Z",
    "0",
    "_",
    "-",
    ".",
    "/",
    " ",
    "é",
    "日",
    ":",
    "\n",
    "x".repeat(84),
    "y".repeat(170)
  ] as const

  it.prop(
    "is safe when each of its segments is",
    { key: Arbitrary.map(Arbitrary.schema(Schema.Array(Schema.Literals(pieces))), (parts) => parts.join("")) },
    ({ key }) => {
      const isSafe =
        key.length <= 1024 && key.split("/").every((segment) => RunId.segmentViolation(segment) === undefined)
      assert.strictEqual(StorageKey.is(key), isSafe)
    },
    { arbitrary: { runs: 3000, size: 20 } }
  )
})

describe("the key of a batch", () => {
  const runId = RunId.make("run")
  const [one, max] = ["0000000000000000001", "9223372036854775807"]

  it.each([
    [`run/batch_${one}_${max}.pb`, "run"],
    [`run/batch_${one}_${max}.pb.zst`, "run"],
    [`日 b/batch_${one}_${max}.pb`, "日 b"],
    [`batch_/batch_${one}_${max}.pb`, "batch_"]
  ] as const)("says what is in it: %j", (key, name) => {
    assert.isTrue(StorageKey.isBatch(key))
    assert.deepStrictEqual(StorageKey.batchName(key), {
      runId: RunId.make(name),
      first: 1n,
      last: 9_223_372_036_854_775_807n
    })
  })

  it.each([
    `batch_${one}_${max}.pb`,
    `/batch_${one}_${max}.pb`,
    `a/b/batch_${one}_${max}.pb`,
    `.run/batch_${one}_${max}.pb`,
    `run/batch_${one}_1.pb`,
    `run/batch_${one}_${max}0.pb`,
    `run/batch_${one}-${max}.pb`,
    `run/batch_-${one.slice(1)}_${max}.pb`,
    `run/batch_${one}_${max}.pb.gz`,
    `run/batch_${one}_${max}.pb.zst.zst`,
    `run/batch_${one}_${max}.pb\n`,
    `run/ batch_${one}_${max}.pb`,
    "run/metadata.pb"
  ])("is not %j", (key) => {
    assert.isFalse(StorageKey.isBatch(key))
    assert.isUndefined(StorageKey.batchName(key))
  })

  it("names its smallest and its largest tick, in whatever order they are", () => {
    assert.strictEqual<string>(
      StorageKey.batch(runId, ticks(5n, 1000n, 3n, 7n)),
      "run/batch_0000000000000000003_0000000000000001000.pb"
    )
    assert.deepStrictEqual(StorageKey.range(ticks(5n, 1000n, 3n, 7n)), { first: 3n, last: 1000n })
  })

  it("has room for every tick number", () => {
    assert.strictEqual<string>(
      StorageKey.batch(runId, ticks(0n, 9_223_372_036_854_775_807n)),
      "run/batch_0000000000000000000_9223372036854775807.pb"
    )
  })

  it("is safe, like that of the metadata", () => {
    assert.strictEqual<string>(StorageKey.metadata(runId), "run/metadata.pb")
    assert.isTrue(StorageKey.is(StorageKey.metadata(runId)))
    const longest = RunId.make("x".repeat(255))
    assert.isTrue(StorageKey.is(StorageKey.batch(longest, ticks(1n))))
  })
})
