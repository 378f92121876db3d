// @module-tag integration
// @module-tag long
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { existsSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { forEachStep, runKilledAt } from "../support/killed.ts"
import { accountOf, type Ended, pause, start, temporaryFolder } from "../support/process.ts"
import { byEffort, some } from "../support/effort.ts"
import { randomFrom } from "../support/random.ts"
import { deadLetters, leftovers, storedRuns } from "../support/storedRuns.ts"

const processes = byEffort({ short: 16, long: 60, soak: 600 })
const atATime = 4

/** Half of the signals come some time after the process was started, the other half some time after the run began. */
const longestMs = { started: byEffort({ short: 1000, long: 2000, soak: 2000 }), begun: 600 }

const endless = ["run", "--ticks", "1000000", "--max-batch-size", "20", "--json", "--data"]

/** What an end before the pipeline was there leaves behind: nothing that has been begun. */
const assertNothingBegun = (ended: Ended, signal: NodeJS.Signals, data: string) => {
  assert.strictEqual(
    ended.code ?? ended.signal,
    ended.code === null ? signal : signal === "SIGINT" ? 130 : 143,
    ended.stderr
  )
  assert.strictEqual(ended.stdout, "")
  const entries = existsSync(data) ? readdirSync(data).filter((name) => name !== ".dead-letters") : []
  assert.deepStrictEqual(entries, [])
}

/** That the account says what the files hold, and the files hold all ticks up to the last one. */
const assertSettled = (ended: Ended, data: string): number => {
  assert.strictEqual(ended.code, 0, ended.stderr)
  const account = accountOf(ended)
  const [runId = ""] = account.runIds
  const stored = storedRuns(data).get(runId)
  const ticks = stored?.ticks ?? []
  assert.include(
    { ...account },
    {
      received: ticks.length,
      written: ticks.length,
      duplicate: 0,
      deadLettered: 0,
      returned: 0,
      lost: 0,
      inFlight: 0,
      batches: stored?.files.length ?? 0,
      storedBytes: stored?.bytes ?? 0
    }
  )
  assert.lengthOf(account.runIds, 1)
  assert.isTrue(ticks.every(({ tick }, index) => tick === BigInt(index + 1)))
  if (ticks.length > 0) assert.isTrue(existsSync(join(data, runId, "metadata.pb")))
  assert.deepStrictEqual(deadLetters(data), [])
  return ticks.length
}

/** Runs `doctor` on an empty folder and sends SIGTERM at its call number `step` that changes something there; 0 for none. */
const doctorSignalledAt = async (step: number) => {
  const data = join(temporaryFolder(), "data")
  mkdirSync(data)
  return { data, ...(await runKilledAt(["doctor", "--data", data], data, step, "SIGTERM")) }
}

describe("a run that a signal ends", () => {
  it("ends in good order whenever the signal comes", { timeout: 600_000 }, async () => {
    const random = randomFrom(4)
    const folder = temporaryFolder()
    const plan = Array.from({ length: processes }, (_, index) => ({
      data: join(folder, `${index}`),
      signal: random.pick(["SIGINT", "SIGTERM"] as const),
      since: random.pick(["started", "begun"] as const)
    }))
    const seen = { nothing: 0, withoutTicks: 0, withTicks: 0 }
    const one = async ({ data, signal, since }: (typeof plan)[number]) => {
      const process_ = start([...endless, data])
      if (since === "begun") await process_.logs(/Simulation run begins/u)
      await pause(random.between(0, longestMs[since]))
      process_.signal(signal)
      const ended = await process_.ended
      assert.deepStrictEqual(leftovers(data), [])
      if (ended.code !== 0) {
        assertNothingBegun(ended, signal, data)
        seen.nothing++
      } else if (assertSettled(ended, data) > 0) seen.withTicks++
      else seen.withoutTicks++
    }
    const lane = async () => {
      for (let next = plan.pop(); next !== undefined; next = plan.pop()) await one(next)
    }
    await Promise.all(Array.from({ length: atATime }, lane))
    assert.isAbove(seen.nothing, byEffort({ short: 0, long: 2, soak: 2 }))
    assert.isAbove(seen.withTicks, byEffort({ short: 1, long: processes / 4, soak: processes / 4 }))
  })

  it("ends in good order when the signal comes at its very end", { timeout: 120_000 }, async () => {
    const random = randomFrom(5)
    for (let repeat = 0; repeat < byEffort({ short: 3, long: 8, soak: 80 }); repeat++) {
      const data = join(temporaryFolder(), "data")
      const process_ = start(["run", "--ticks", "200", "--max-batch-size", "20", "--json", "--data", data])
      await process_.logs(/Service stopped/u)
      await pause(random.between(0, 25))
      process_.signal("SIGTERM")
      const ended = await process_.ended
      assert.strictEqual(assertSettled(ended, data), 200)
      assert.deepStrictEqual(leftovers(data), [])
    }
  })

  it("leaves nothing of what is tried out before it begins", { timeout: 60_000 }, async () => {
    const whole = await doctorSignalledAt(0)
    assert.strictEqual(whole.ended.code, 0)
    const trials = whole.steps.flatMap((step, index) => (/ (?:open|fsync|link) /u.test(step) ? [index + 1] : []))
    assert.isAbove(trials.length, 3)
    await forEachStep(some(trials, 2), async (step) => {
      const { data, ended } = await doctorSignalledAt(step)
      assertNothingBegun(ended, "SIGTERM", data)
    })
  })

  it("is told apart from a process that never began", async () => {
    const data = join(temporaryFolder(), "data")
    const process_ = start([...endless, data])
    process_.signal("SIGTERM")
    assertNothingBegun(await process_.ended, "SIGTERM", data)
  })
})
