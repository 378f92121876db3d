// @module-tag integration
// Runs of the example in processes of their own, one of which is killed. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it } from "vitest"
import { layer } from "../../examples/own-simulation.ts"
import * as SimulationContract from "../../src/testing/SimulationContract.ts"
import { comparableTicks } from "../support/comparableTicks.ts"
import { contract } from "../support/contract.ts"
import { run, start, temporaryFolder, until } from "../support/process.ts"

const main = fileURLToPath(new URL("../../examples/own-simulation.ts", import.meta.url))
// The example imports the package by its name, which leads to the sources here.
const env = { NODE_OPTIONS: `--import ${new URL("../support/packageName.ts", import.meta.url).href}` }

const batchesOf = (data: string) => {
  const folder = join(data, "walkers")
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith("batch_")) : []
}

contract(
  "Simulation (examples/own-simulation.ts)",
  SimulationContract.cases(layer({ walkers: 8, cells: 100, seed: 1 }))
)

it("a run of the example that was killed and damaged goes on, and is whole and the same as one that was not", async () => {
  const [data, other] = [join(temporaryFolder(), "data"), join(temporaryFolder(), "data")]
  const killed = start(["begin", data, "walkers"], { main, env })
  await until(() => batchesOf(data).length >= 8, "eight batches are stored")
  killed.signal("SIGKILL")
  assert.strictEqual((await killed.ended).signal, "SIGKILL")
  const batches = batchesOf(data).toSorted()
  assert.isBelow(batches.length, 45, "of fifty")
  // A hole, and a batch that is cut.
  rmSync(join(data, "walkers", batches[2] ?? ""))
  truncateSync(join(data, "walkers", batches[5] ?? ""), 10)

  const again = await run(["begin", data, "walkers"], { main, env })
  assert.strictEqual(again.code, 1)
  assert.include(again.stdout + again.stderr, 'the run id "walkers" is taken')

  const resumed = await run(["resume", data, "walkers"], { main, env })
  assert.strictEqual(resumed.code, 0, resumed.stdout + resumed.stderr)
  const verified = await run(["verify", "--data", data])
  assert.strictEqual(verified.code, 0, verified.stdout)
  assert.match(verified.stdout, /10,000 ticks/u)

  const whole = await run(["begin", other, "walkers"], { main, env })
  assert.strictEqual(whole.code, 0, whole.stdout + whole.stderr)
  assert.match(whole.stdout, /written: 10000,\s+duplicate: 0,\s+deadLettered: 0,/u)
  const ticks = comparableTicks(data, "walkers")
  assert.lengthOf(ticks, 10_000)
  assert.deepStrictEqual(ticks, comparableTicks(other, "walkers"))

  const byCommand = await run(["run", "--data", data, "--resume", "walkers"])
  assert.strictEqual(byCommand.code, 1)
  assert.include(byCommand.stderr, 'simulationKind is "example/walkers": only the program with that simulation can')
})

it("the example prints its balance and ends with 2 when ticks are dead-lettered", async () => {
  const data = join(temporaryFolder(), "data")
  mkdirSync(join(data, "walkers"), { recursive: true })
  // Other bytes have the name of the first batch.
  writeFileSync(join(data, "walkers", "batch_0000000000000000001_0000000000000000200.pb.zst"), "other")
  const { code, stderr, stdout } = await run(["begin", data, "walkers"], { main, env })
  assert.strictEqual(code, 2, stdout + stderr)
  assert.match(stdout, /written: 9800,\s+duplicate: 0,\s+deadLettered: 200,/u)
})
