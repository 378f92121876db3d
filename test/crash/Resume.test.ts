// @module-tag integration
// @module-tag long
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off globalConsole:off preferSchemaOverJson:off
import { existsSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { comparableTicks } from "../support/comparableTicks.ts"
import { type Ended, pause, run, start, temporaryFolder } from "../support/process.ts"
import { randomFrom, type Random } from "../support/random.ts"
import { byEffort, effort } from "../support/effort.ts"
import { deadLetters } from "../support/storedRuns.ts"

const runId = "killed-again-and-again"

const kills = byEffort({ short: 4, long: 20, soak: 110 })

/** At 400 ticks a second, more than a process can make before it is killed: the run is far from its end at the last kill. */
const lastTick = kills * 600

/** Small batches, so that a kill falls into the middle of one of many commits; competing services, so that it leaves holes. */
const args = (data: string) =>
  `run --data ${data} --ticks ${lastTick} --json --instances 4 --max-batch-size 10 --batch-timeout-seconds 0.05`.split(
    " "
  )

/** A small world. Only the process that begins the run is told so: the others find it in the metadata. */
const beginning = { TICKVAULT_SIMULATION_ENGINE_RUN_ID: runId, TICKVAULT_SIMULATION_ENGINE_ORGANISMS: "1" }
const slow = { TICKVAULT_SIMULATION_ENGINE_TICKS_PER_SECOND: "400" }

const batchesOf = (data: string): ReadonlyArray<string> =>
  existsSync(join(data, runId))
    ? readdirSync(join(data, runId))
        .filter((name) => name.startsWith("batch_"))
        .sort()
    : []

/** Whether ticks are missing between the batches. */
const hasHole = (data: string): boolean => {
  let next = 1
  return batchesOf(data).some((name) => {
    const [, first, last] = name.split(/[_.]/u).map(Number)
    const isHole = first !== next
    next = (last ?? 0) + 1
    return isHole
  })
}

const isBegun = (data: string) => existsSync(join(data, runId, "metadata.pb"))

/** What a power cut may do to one of the last batches where nothing is fsynced: it is gone, or cut. */
const cutPower = (data: string, random: Random): "gone" | "cut" | undefined => {
  const files = batchesOf(data).slice(-5)
  const file = join(data, runId, files[random.between(0, files.length - 1)] ?? "")
  if (files.length < 5 || !random.chance(0.4)) return undefined
  if (random.chance(0.5)) {
    rmSync(file)
    return "gone"
  }
  truncateSync(file, random.between(0, statSync(file).size - 1))
  return "cut"
}

/** A process that goes on with the run, or begins it. */
const goOn = (data: string) =>
  isBegun(data)
    ? start([...args(data), "--resume", runId], { env: slow })
    : start(args(data), { env: { ...slow, ...beginning } })

describe("a run whose process is killed, whose last batches are damaged, and that goes on, again and again", () => {
  it(`is the run that was never killed, after ${kills} kills`, { timeout: 1_800_000 }, async () => {
    const whole = join(temporaryFolder(), "data")
    const undisturbed = await run(args(whole), { env: beginning })
    assert.strictEqual(undisturbed.code, 0, undisturbed.stderr)

    const random = randomFrom(7)
    const data = join(temporaryFolder(), "data")
    const counts = { progress: 0, early: 0, gone: 0, cut: 0, hole: 0 }
    for (let kill = 0; kill < kills; kill++) {
      const before = batchesOf(data).length
      const process_ = goOn(data)
      const isEarly = random.chance(0.15)
      if (isEarly) await pause(random.between(0, 900))
      else {
        await process_.logs(/Simulation run (?:begins|goes on)/u)
        await pause(random.between(0, 500))
      }
      process_.signal("SIGKILL")
      const ended: Ended = await process_.ended
      assert.strictEqual(ended.signal, "SIGKILL", `it was done before kill ${kill}: ${ended.stderr}`)
      if (isEarly) counts.early++
      if (batchesOf(data).length > before) counts.progress++
      const lost = cutPower(data, random)
      if (lost !== undefined) counts[lost]++
      if (hasHole(data)) counts.hole++
    }
    const left = batchesOf(data)
    if (effort === "soak")
      console.log(`${kills} kills: ${JSON.stringify(counts)}, ${left.length} batches before the last process`)
    assert.isAtLeast(counts.progress, kills / 2, "most kills fall into the middle of the work")
    assert.isBelow(left.length, batchesOf(whole).length)
    if (effort === "soak") assert.isAbove(counts.gone, 0)
    if (effort === "soak") assert.isAbove(counts.cut, 0)
    if (effort === "soak") assert.isAbove(counts.hole, 0)

    const last = await run([...args(data), "--resume", runId])
    assert.strictEqual(last.code, 0, last.stderr)
    assert.deepStrictEqual(deadLetters(data), [])
    const ticks = comparableTicks(data, runId)
    assert.deepStrictEqual(
      ticks.map(([tick]) => Number(tick)),
      Array.from({ length: lastTick }, (_, index) => index + 1)
    )
    assert.deepStrictEqual(ticks, comparableTicks(whole, runId))

    const verified = await run(["verify", "--data", data])
    assert.strictEqual(verified.code, 0, `${verified.stdout}${verified.stderr}`)

    const files = batchesOf(data)
    const after = await run([...args(data), "--resume", runId])
    assert.deepInclude(JSON.parse(after.stdout), { received: 0, written: 0, batches: 0 })
    assert.strictEqual(after.code, 0, after.stderr)
    assert.deepStrictEqual(batchesOf(data), files)
  })
})
