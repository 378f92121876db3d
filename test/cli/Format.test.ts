// @module-tag unit
import { assert, it } from "vitest"
import * as Format from "../../src/cli/Format.ts"

it("groups the digits of a count", () => {
  assert.strictEqual(Format.count(12_345.6), "12,346")
  assert.strictEqual(Format.count(0), "0")
})

it("writes bytes in decimal units with three digits or so", () => {
  const cases = { 0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_400: "999 kB", 999_500: "1.0 MB", 63_163_460: "63.2 MB" }
  for (const [value, text] of Object.entries(cases)) assert.strictEqual(Format.bytes(Number(value)), text)
  assert.strictEqual(Format.bytes(7.2e16), "72000 TB")
})

it("puts a noun into the plural for all counts but one", () => {
  assert.deepStrictEqual(
    [0, 1, 2, 1000].map((count) => Format.plural(count, "file")),
    ["0 files", "1 file", "2 files", "1,000 files"]
  )
})
