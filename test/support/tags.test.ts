// @module-tag unit
import { assert, describe, it } from "vitest"
import { closing, complaint, type Finished } from "./tags.ts"

const test = (tags: ReadonlyArray<string>, more: Partial<Finished> = {}): Finished => ({
  file: "a.test.ts",
  name: "does it",
  tags,
  state: "passed",
  milliseconds: 1,
  ...more
})

describe("the tags of a test", () => {
  it("are right when they are exactly one of the two", () => {
    assert.isUndefined(complaint(["unit"]))
    assert.isUndefined(complaint(["other", "integration"]))
    assert.include(complaint(["other"]), "neither")
    assert.include(complaint(["integration", "unit"]), "both")
  })

  it("that are wrong fail the run, by name and with what to do", () => {
    const { lines, tagged } = closing([
      test(["unit"]),
      test([], { name: "one" }),
      test([], { name: "two" }),
      test(["unit", "integration"], { file: "b.test.ts" })
    ])
    assert.isFalse(tagged)
    assert.include(lines, '  a.test.ts: neither unit nor integration: "one", 1 more')
    assert.include(lines, '  b.test.ts: both unit and integration: "does it"')
    assert.include(lines.join("\n"), "// @module-tag unit")
    assert.strictEqual(lines.at(-1), "1 passed, 3 failed, 0 skipped")
  })

  it("are checked in tests that are skipped, too", () => {
    assert.isFalse(closing([test([], { state: "skipped" })]).tagged)
  })
})

describe("the closing lines", () => {
  it("name the unit tests that took over 100 ms, the slowest first, and fail nothing for that", () => {
    const { lines, tagged } = closing([
      test(["unit"], { milliseconds: 100.4, name: "slow" }),
      test(["unit"], { milliseconds: 300, name: "slower" }),
      test(["integration"], { milliseconds: 5000, name: "real" })
    ])
    assert.isTrue(tagged)
    assert.deepStrictEqual(lines, [
      "Unit tests that took over 100 ms: 2",
      "  300 ms  a.test.ts > slower",
      "  100 ms  a.test.ts > slow",
      "3 passed, 0 failed, 0 skipped"
    ])
  })

  it("are one line when there is nothing to tell", () => {
    const tests = [test(["unit"]), test(["unit"], { state: "failed" }), test(["unit"], { state: "skipped" })]
    assert.deepStrictEqual(closing(tests), { tagged: true, lines: ["1 passed, 1 failed, 1 skipped"] })
  })
})
