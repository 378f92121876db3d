// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { join } from "node:path"
import { assert, it } from "vitest"
import { accountOf, run, temporaryFolder } from "../support/process.ts"

it("a run whose engine failed ends with 1 and names the failure, in words and for programs", async () => {
  const data = join(temporaryFolder(), "data")
  const args = ["run", "--data", data, "--ticks", "20"]
  const env = { TICKVAULT_SIMULATION_ENGINE_RUN_ID: "taken" }
  assert.strictEqual((await run(args, { env })).code, 0)

  const again = await run(args, { env })
  assert.strictEqual(again.code, 1)
  const problem = /service simulation-engine failed: RunIdTaken: the run id "taken" is taken: .*data has a run/u
  assert.match(again.stdout, new RegExp(`^PROBLEM: ${problem.source}`, "u"))
  assert.include(again.stdout, "No tick was stored")
  assert.notInclude(again.stdout, "settled")

  const json = accountOf(await run([...args, "--json"], { env }))
  assert.lengthOf(json.problems ?? [], 1)
  assert.match(json.problems?.[0] ?? "", problem)
  assert.strictEqual(json.received, 0)
})
