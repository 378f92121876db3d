// @module-tag integration
// @module-tag long
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { byEffort } from "../support/effort.ts"
import { accountOf, pause, run, start, temporaryFolder } from "../support/process.ts"
import { randomFrom } from "../support/random.ts"
import { readRecorded } from "../support/recordedFiles.ts"
import { deadLetters, parseDelimited, storedRuns } from "../support/storedRuns.ts"

const recorded = readRecorded("evochora-1-organism.pb.zst")
const ticks = parseDelimited(recorded)

/** 100 batches, so that a kill falls into the middle of one of many commits. */
const ingest = ["ingest", "ticks.pb", "--max-batch-size", "10", "--json"]

describe("a process that is killed", () => {
  it("leaves only whole files, and the next one stores the rest", { timeout: 600_000 }, async () => {
    const random = randomFrom(6)
    let cutShort = 0
    for (let repeat = 0; repeat < byEffort({ short: 4, long: 12, soak: 200 }); repeat++) {
      const args = repeat % 2 === 0 ? ingest : [...ingest, "--compression", "none"]
      const cwd = temporaryFolder()
      const data = join(cwd, "data")
      writeFileSync(join(cwd, "ticks.pb"), recorded)
      const process_ = start(args, { cwd })
      await process_.logs(/Service started/u)
      await pause(random.between(0, 250))
      process_.signal("SIGKILL")
      await process_.ended

      // Reading fails on a file that is not whole.
      const before = [...storedRuns(data).values()].flatMap((stored) => stored.ticks).length
      if (before > 0 && before < ticks.length) cutShort++

      const ended = await run(args, { cwd })
      assert.strictEqual(ended.code, 0, ended.stderr)
      const { duplicate, written } = accountOf(ended)
      assert.deepStrictEqual([duplicate, written], [before, ticks.length - before])
      const [stored] = storedRuns(data).values()
      assert.isTrue(stored?.ticks.every(({ payload }, index) => payload.equals(ticks[index]?.payload ?? Buffer.of())))
      assert.lengthOf(stored?.ticks ?? [], ticks.length)
      assert.deepStrictEqual(deadLetters(data), [])
    }
    assert.isAbove(cutShort, 0)
  })
})
