// @module-tag unit
import { assert, it } from "vitest"
import { complaint } from "../../src/cli/nodeVersion.ts"

it("accepts Node 22.19 and everything newer", () => {
  for (const version of ["22.19.0", "22.20.1", "23.0.0", "24.21.0", "100.0.0"]) {
    assert.isUndefined(complaint(version))
  }
})

it("says of an older Node what to do about it", () => {
  for (const version of ["0.12.0", "18.20.4", "20.20.2", "22.18.9"]) {
    const text = complaint(version) ?? ""
    assert.include(text, `tickvault needs Node 22.19 or newer, and this is Node ${version}.`)
    assert.match(text, /npm start.*install a newer Node.*npx/su)
  }
})
