// @module-tag integration
// @module-tag long
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { fromBinary } from "@bufbuild/protobuf"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { zstdCompressSync } from "node:zlib"
import { assert, describe, it } from "vitest"
import { DeadLetterMessageSchema } from "../../src/domain/Contracts.ts"
import { forEachStep, runKilledAt } from "../support/killed.ts"
import { run, temporaryFolder } from "../support/process.ts"
import { readRecorded } from "../support/recordedFiles.ts"
import { isExhaustive, some } from "../support/effort.ts"
import { deadLetters, parseDelimited, storedRuns } from "../support/storedRuns.ts"

const recorded = readRecorded("evochora-1-organism.pb.zst")
const all = parseDelimited(recorded).slice(0, 40)
const runId = all[0]?.runId ?? ""

/** The first 40 recorded ticks as a delimited file. */
const input = recorded.subarray(
  0,
  all.reduce((total, { payload }) => total + payload.length + 2, 0)
)

const pad = (tick: number) => tick.toString().padStart(19, "0")

/** The ticks in the dead letter of this file name. */
const ticksIn = (data: string, name: string) => {
  const bytes = readFileSync(join(data, ".dead-letters", name))
  return parseDelimited(Buffer.from(fromBinary(DeadLetterMessageSchema, bytes).originalMessage))
}

/** A folder with what is to be ingested, and the command that does it in two batches. */
const prepare = (compression = "zstd") => {
  const folder = temporaryFolder()
  const data = join(folder, "data")
  writeFileSync(join(folder, "ticks.pb"), input)
  const ingest = ["ingest", join(folder, "ticks.pb"), "--data", data, "--max-batch-size", "20", "--json"]
  return { data, ingest: [...ingest, "--compression", compression] }
}

/** The bytes of the ticks `from` to `to` with their lengths, as they stand in the file. */
const framesOf = (from: number, to: number) => {
  const sizes = all.map(({ payload }) => payload.length + 2)
  const end = (tick: number) => sizes.slice(0, tick).reduce((total, size) => total + size, 0)
  return input.subarray(end(from - 1), end(to))
}

/** Two other ticks with the numbers of the first and the last of the second batch. */
const others = Buffer.concat(
  [framesOf(21, 21), framesOf(40, 40)].map((frame) => {
    const changed = Buffer.from(frame)
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    return changed
  })
)

const isOther = (payload: Buffer) => parseDelimited(others).some((other) => other.payload.equals(payload))

/** Puts a batch of two other ticks under the key of the second batch, so that this becomes a dead letter. */
const occupy = (data: string) => {
  const file = join(data, runId, `batch_${pad(21)}_${pad(40)}.pb.zst`)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, zstdCompressSync(others))
}

/**
 * The numbers of all steps, or where there is no time for that, of each fourth of those that give names, take them away,
 * make durable or leave half of something. Each turn begins with another one.
 */
const chosen = (steps: ReadonlyArray<string>, turn: number): ReadonlyArray<number> => {
  const numbers = steps.flatMap((step, index) =>
    isExhaustive || / (?:link|rm|half-write|fsync) /u.test(step) ? [index + 1] : []
  )
  return some(numbers, 4, turn)
}

/** How the process that is killed compresses, and the next one. */
const codecs: ReadonlyArray<[before: string, then: string, turn: number]> = [
  ["zstd", "zstd", 0],
  ["none", "zstd", 1],
  ["zstd", "none", 2],
  ["none", "none", 3]
]

describe("a process that is killed at any of its calls", () => {
  it.each(codecs)(
    "of a commit and of a note in the ledger leaves a run that the next process makes whole (compression %s, then %s)",
    async (before, then, turn) => {
      const whole = prepare(before)
      const { ended, steps } = await runKilledAt(whole.ingest, dirname(whole.data), 0)
      assert.strictEqual(ended.code, 0, ended.stderr)
      for (const call of ["half-write", "fsync", "link", "rm", "mkdir"]) {
        assert.isTrue(
          steps.some((step) => step.includes(` ${call} `)),
          `no ${call} in\n${steps.join("\n")}`
        )
      }
      await forEachStep(chosen(steps, turn), async (step) => {
        const { data, ingest } = prepare(before)
        const killed = await runKilledAt(ingest, dirname(data), step)
        const at = `killed at ${killed.steps.at(-1)}`
        // Its calls don't always come in the same order: the last ones may come to fewer steps.
        if (killed.steps.length < step) return assert.strictEqual(killed.ended.code, 0, killed.ended.stderr)
        assert.strictEqual(killed.ended.signal, "SIGKILL", `${at}: ${killed.ended.stderr}`)
        const again = await run([...ingest.slice(0, -1), then])
        assert.strictEqual(again.code, 0, `${at}: ${again.stderr}`)
        assert.deepStrictEqual(
          storedRuns(data)
            .get(runId)
            ?.ticks.map(({ payload }) => payload.toString("base64")),
          all.map(({ payload }) => payload.toString("base64")),
          at
        )
        const verified = await run(["verify", "--data", data])
        assert.strictEqual(verified.code, 0, `${at}: ${verified.stdout}${verified.stderr}`)
      })
    },
    600_000
  )

  it("of a dead letter leaves each tick in a file or in a letter once the next process has run", async () => {
    const whole = prepare()
    occupy(whole.data)
    const { ended, steps } = await runKilledAt(whole.ingest, dirname(whole.data), 0)
    assert.strictEqual(ended.code, 2, ended.stderr)
    const first = steps.findIndex((step) => step.includes(".dead-letters/")) + 1
    assert.isAbove(first, 0)
    await forEachStep(
      chosen(steps, 0).filter((step) => step >= first),
      async (step) => {
        const { data, ingest } = prepare()
        occupy(data)
        const killed = await runKilledAt(ingest, dirname(data), step)
        const at = `killed at ${killed.steps.at(-1)}`
        if (killed.steps.length < step) return assert.strictEqual(killed.ended.code, 2, killed.ended.stderr)
        assert.strictEqual(killed.ended.signal, "SIGKILL", `${at}: ${killed.ended.stderr}`)
        const again = await run(ingest)
        assert.strictEqual(again.code, 2, `${at}: ${again.stderr}`)
        // Its letter may have been kept without an answer: then there are two about the same ticks.
        const letters = deadLetters(data)
        assert.include([1, 2], letters.length, at)
        const settled = [
          ...(storedRuns(data).get(runId)?.ticks ?? []),
          ...letters.flatMap((name) => ticksIn(data, name))
        ]
        const own = settled.filter(({ payload }) => !isOther(payload))
        assert.lengthOf(settled, own.length + 2, at)
        assert.sameMembers(
          [...new Set(own.map(({ payload }) => payload.toString("base64")))],
          all.map(({ payload }) => payload.toString("base64")),
          at
        )
        const verified = await run(["verify", "--data", data])
        assert.strictEqual(verified.code, 2, `${at}: ${verified.stdout}${verified.stderr}`)
      }
    )
  }, 600_000)
})
