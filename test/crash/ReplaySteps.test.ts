// @module-tag integration
// @module-tag long
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "vitest"
import * as TestTick from "../../src/testing/TestTick.ts"
import { batchName, delimited } from "../support/deadLetterFolder.ts"
import { forEachStep, runKilledAt } from "../support/killed.ts"
import { run, temporaryFolder } from "../support/process.ts"
import { isExhaustive, some } from "../support/effort.ts"
import { deadLetters, storedRuns } from "../support/storedRuns.ts"

const replay = (data: string) => ["dlq", "replay", "--all", "--data", data]

/** A letter of two runs. Something lies in the way of the second one, so that a replay stores the first and extends the letter. */
const makeLetter = async () => {
  const cwd = temporaryFolder()
  writeFileSync(join(cwd, "ticks"), delimited([...TestTick.range("a", 1, 3), ...TestTick.range("b", 1, 4)]))
  const made = await run(["ingest", "ticks"], { cwd })
  assert.strictEqual(made.code, 2, made.stderr)
  mkdirSync(join(cwd, "data/b"), { recursive: true })
  writeFileSync(join(cwd, "data/b", batchName(1, 4)), "something else")
  return join(cwd, "data")
}

const clear = (data: string) => rmSync(join(data, "b", batchName(1, 4)))

const numbersIn = (data: string) =>
  Object.fromEntries([...storedRuns(data)].map(([id, { ticks }]) => [id, ticks.map(({ tick }) => Number(tick))]))

/** Names below the letters' folder that are neither letters nor temporary. */
const strays = (data: string) =>
  readdirSync(join(data, ".dead-letters")).filter((name) => !/^\.tickvault-|\.pb$/u.test(name))

/** What the whole lines of the ledgers of a run say was replayed. */
const replays = (data: string, runId: string) =>
  readdirSync(join(data, runId, "ledger")).flatMap((log) =>
    readFileSync(join(data, runId, "ledger", log), "utf8")
      .split("\n")
      .filter((line) => line.includes('"Replay"'))
  )

const letterIn = (letter: string) => {
  const data = join(temporaryFolder(), "data")
  cpSync(letter, data, { recursive: true, preserveTimestamps: true })
  return data
}

const everyStep = async (letter: string, prepare: (data: string) => void, code: number) => {
  const undisturbed = letterIn(letter)
  prepare(undisturbed)
  const { ended, steps } = await runKilledAt(replay(undisturbed), dirname(undisturbed), 0)
  assert.strictEqual(ended.code, code, ended.stderr)
  // Without time for all: each third of those that give names, take them away, or leave half of something.
  const chosen = steps.flatMap((step, index) =>
    isExhaustive || / (link|rm|half-write) /u.test(step) ? [index + 1] : []
  )
  await forEachStep(some(chosen, 3), async (step) => {
    const data = letterIn(letter)
    prepare(data)
    const killed = await runKilledAt(replay(data), dirname(data), step)
    const at = `killed at ${killed.steps.at(-1)}`
    // Its calls don't always come in the same order: the last ones may come to fewer steps.
    if (killed.steps.length < step) return assert.strictEqual(killed.ended.code, code, killed.ended.stderr)
    assert.strictEqual(killed.ended.signal, "SIGKILL", at)
    if (code !== 0) clear(data)
    const next = await run(replay(data))
    assert.strictEqual(next.code, 0, `${at}: ${next.stderr}`)
    assert.deepStrictEqual(numbersIn(data), { a: [1, 2, 3], b: [1, 2, 3, 4] }, at)
    assert.deepStrictEqual([deadLetters(data), strays(data)], [[], []], at)
    // Whatever was killed, what is stored for good is noted for good.
    for (const runId of ["a", "b"]) assert.isNotEmpty(replays(data, runId), at)
  })
  return steps
}

describe("a replay that is killed at any of its calls", () => {
  it("is finished by the next replay", { timeout: 600_000 }, async () => {
    const steps = await everyStep(await makeLetter(), clear, 0)
    assert.isAbove(steps.length, 20)
    assert.isTrue(steps.some((step) => / rm .*\.dead-letters\/\d{15}-/u.test(step)))
  })

  it("is finished by the next replay, when it would have stored a part", { timeout: 600_000 }, async () => {
    const steps = await everyStep(await makeLetter(), () => undefined, 2)
    assert.isTrue(
      steps.some((step) => / (link|half-write) .*\.dead-letters\/TMP/u.test(step)),
      steps.join("\n")
    )
  })
})
