// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as RunId from "../../src/domain/RunId.ts"

describe("a run id", () => {
  it.each([
    "run",
    "20251006-143025123-550e8400-e29b-41d4-a716-446655440000",
    "Run 7 (second try)",
    "a.b",
    "ä-日本-🧬",
    "C",
    "CD:",
    "ab:c",
    "x".repeat(255),
    "é".repeat(127),
    "日".repeat(85),
    "🧬".repeat(63),
    `${"x".repeat(85)}${"日".repeat(56)}xx`
  ])("may be %j", (id) => {
    assert.isTrue(RunId.is(id))
    assert.isUndefined(RunId.violation(id))
    assert.strictEqual<string>(RunId.make(id), id)
    assert.strictEqual<string>(Schema.decodeSync(RunId.RunId)(id), id)
  })

  it.each([
    ["", "is empty"],
    ["run.", "ends with"],
    ["run ", "ends with"],
    ["a\u009bb", "contains a control character"],
    ["a/b", 'contains "/"'],
    ["/etc", 'contains "/"'],
    ["..", 'contains ".."'],
    ["a..b", 'contains ".."'],
    [".", 'starts with "."'],
    [".hidden", 'starts with "."'],
    ["C:", "starts with a drive letter"],
    ["a:b", "starts with a drive letter"],
    ["a\\b", "contains a control character"],
    ["a\u0000b", "contains a control character"],
    ["a\nb", "contains a control character"],
    ["a\u007fb", "contains a control character"],
    ["a\u001fb", "contains a control character"],
    ...["<", ">", '"', "?", "*", "|"].map(
      (character) => [`a${character}b`, "contains a control character or one of"] as const
    ),
    ["a\ud800", "is not well-formed Unicode"],
    ["\udc00a", "is not well-formed Unicode"],
    ["x".repeat(256), "is longer than 255 bytes"],
    ["é".repeat(128), "is longer than 255 bytes"],
    ["日".repeat(86), "is longer than 255 bytes"],
    [`x${"日".repeat(85)}`, "is longer than 255 bytes"],
    ["🧬".repeat(64), "is longer than 255 bytes"],
    [`${"x".repeat(254)}é`, "is longer than 255 bytes"]
  ] as const)("may not be %j: it %s", (id, violation) => {
    assert.isFalse(RunId.is(id))
    assert.include(RunId.violation(id), violation)
    assert.throws(() => RunId.make(id), RangeError, violation)
    const Options = Schema.Struct({ runId: RunId.RunId })
    const problem = String(Schema.decodeUnknownResult(Options)({ runId: id }))
    assert.include(problem, `must be a safe folder name, but ${violation}`)
    assert.include(problem, '["runId"]')
  })

  it.prop(
    "is never empty, hidden or of several segments, whatever string it is made of",
    { id: Arbitrary.schema(Schema.String) },
    ({ id }) => {
      if (!RunId.is(id)) return
      assert.isNotEmpty(id)
      assert.strictEqual(id.split(/[/\\]/u).length, 1)
      assert.notStrictEqual(id[0], ".")
      assert.isAtMost(new TextEncoder().encode(id).length, 255)
    },
    { arbitrary: { runs: 1000, size: 300 } }
  )
})

describe("a quoted run id", () => {
  it("has its control characters escaped and is cut to a readable length", () => {
    assert.strictEqual(RunId.quote('a\n"b"'), '"a\\n\\"b\\""')
    assert.strictEqual(RunId.quote("x".repeat(80)), `"${"x".repeat(80)}"`)
    assert.strictEqual(RunId.quote("x".repeat(81)), `"${"x".repeat(80)}…"`)
  })
})
