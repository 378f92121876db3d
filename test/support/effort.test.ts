// @module-tag integration
// This reads the tests themselves. @effect-diagnostics nodeBuiltinImport:off
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"

const tests = join(import.meta.dirname, "..")

it("the test files that ask how much to try have the tag by which `npm run test:long` finds them, and no others", () => {
  const files = readdirSync(tests, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts") && !import.meta.filename.endsWith(name))
    .map((name) => ({ name, text: readFileSync(join(tests, name), "utf8") }))
  const asking = files.filter(({ text }) => text.includes('support/effort.ts"'))
  const tagged = files.filter(({ text }) => text.includes("@module-tag long"))
  assert.isNotEmpty(asking)
  assert.deepStrictEqual(
    tagged.map(({ name }) => name),
    asking.map(({ name }) => name)
  )
})
