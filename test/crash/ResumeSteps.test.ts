// @module-tag integration
// @module-tag long
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { cpSync, existsSync, readdirSync, readFileSync, statSync, truncateSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "vitest"
import { forEachStep, runKilledAt } from "../support/killed.ts"
import { run, temporaryFolder } from "../support/process.ts"
import { isExhaustive, some } from "../support/effort.ts"
import { comparableTicks } from "../support/comparableTicks.ts"
import { deadLetters } from "../support/storedRuns.ts"

const runId = "damaged"
const last = "batch_0000000000000000021_0000000000000000030.pb.zst"

const args = (data: string, ticks: number) =>
  `run --data ${data} --ticks ${ticks} --json --instances 1 --max-batch-size 10`.split(" ")

const named = { TICKVAULT_SIMULATION_ENGINE_RUN_ID: runId }

describe("a process that is killed at any of its calls while it goes on with a damaged run", () => {
  it("leaves a run that the next process makes whole", { timeout: 900_000 }, async () => {
    const whole = join(temporaryFolder(), "data")
    await run(args(whole, 40), { env: named })
    const expected = comparableTicks(whole, runId)

    const damaged = join(temporaryFolder(), "data")
    await run(args(damaged, 30), { env: named })
    const file = join(damaged, runId, last)
    truncateSync(file, statSync(file).size >> 1)
    const bytes = readFileSync(file)
    const prepare = () => {
      const data = join(temporaryFolder(), "data")
      cpSync(damaged, data, { recursive: true, preserveTimestamps: true })
      return { data, resume: [...args(data, 40), "--resume", runId] }
    }

    const { data: undisturbed, resume } = prepare()
    const { ended, steps } = await runKilledAt(resume, dirname(undisturbed), 0)
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.deepStrictEqual(comparableTicks(undisturbed, runId), expected)
    const noted = steps.findIndex((step) => / fsync .*\.log$/u.test(step)) + 1
    assert.isAbove(noted, steps.findIndex((step) => step.includes(".set-aside")) + 1, steps.join("\n"))

    // Without time for all: each third of the steps that set it aside and note that, as far as they change anything, and the one between
    // the last commit and its entry.
    const committed = steps.findLastIndex((step) => / link .*TMP$/u.test(step)) + 1
    const chosen = steps.flatMap((step, index) =>
      index !== committed && (isExhaustive || (index < noted && !step.includes(" close "))) ? [index + 1] : []
    )
    await forEachStep([...some(chosen, 3), committed + 1], async (step) => {
      const { data, resume: again } = prepare()
      const killed = await runKilledAt(again, dirname(data), step)
      const at = `killed at ${killed.steps.at(-1)}`
      // Its calls don't always come in the same order: the last ones may come to fewer steps.
      if (killed.steps.length < step) return assert.strictEqual(killed.ended.code, 0, killed.ended.stderr)
      assert.strictEqual(killed.ended.signal, "SIGKILL", at)
      const next = await run(again)
      assert.strictEqual(next.code, 0, `${at}: ${next.stderr}`)
      assert.deepStrictEqual(comparableTicks(data, runId), expected, at)
      assert.deepStrictEqual(deadLetters(data), [], at)
      const aside = join(data, runId, ".set-aside")
      assert.isTrue(existsSync(aside), at)
      const kept = readdirSync(aside).map((name) => readFileSync(join(aside, name)))
      assert.isTrue(
        kept.some((each) => each.equals(bytes)),
        at
      )
      const verified = await run(["verify", "--data", data])
      assert.strictEqual(verified.code, 0, `${at}: ${verified.stdout}${verified.stderr}`)
    })
  })
})
