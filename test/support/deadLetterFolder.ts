// For tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Delimited from "../../src/domain/Delimited.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { run, temporaryFolder } from "./process.ts"

export const delimited = (ticks: ReadonlyArray<Tick.Tick>) => Buffer.concat([...Delimited.encode(ticks)])

const pad = (tick: number) => tick.toString().padStart(19, "0")

/** Name of the file of the ticks from `first` to `last`, as it is by default. */
export const batchName = (first: number, last: number) => `batch_${pad(first)}_${pad(last)}.pb.zst`

/** Dead letters that a real ingest has made: other files lie under the keys of its batches. */
export interface Letters {
  readonly cwd: string
  readonly data: string
  /** Ids, oldest first. */
  readonly ids: ReadonlyArray<string>
  /** Takes the files away that are in the way: what is replayed now is stored. */
  readonly makeWay: () => void
}

/** Ids of the letters in `data`, oldest first. */
export const idsIn = (data: string): ReadonlyArray<string> => [
  ...new Set(
    readdirSync(join(data, ".dead-letters"))
      .filter((name) => name.endsWith(".pb"))
      .sort()
      .map((name) => name.split(".")[0] ?? "")
  )
]

/** `letters` letters a run, of `size` ticks each. */
export const makeLetters = async (letters: number, size = 10, runs: ReadonlyArray<string> = ["run"]) => {
  const cwd = temporaryFolder()
  const data = join(cwd, "data")
  const inTheWay: Array<string> = []
  for (const runId of runs) {
    mkdirSync(join(data, runId), { recursive: true })
    // The first two one after the other: of two batches in hand either may become a letter first.
    const parts = [1, 2, 3].map((part) => ({ from: part, to: part < 3 ? Math.min(part, letters) : letters }))
    for (const { from, to } of parts.filter((part) => part.from <= part.to)) {
      for (let letter = from; letter <= to; letter++) {
        const path = join(data, runId, batchName((letter - 1) * size + 1, letter * size))
        writeFileSync(path, "something else")
        inTheWay.push(path)
      }
      writeFileSync(join(cwd, "ticks"), delimited(TestTick.range(runId, (from - 1) * size + 1, to * size)))
      const ended = await run(["ingest", "ticks", "--max-batch-size", String(size)], { cwd })
      if (ended.code !== 2) throw new Error(`no dead letters: ${ended.stderr}`)
    }
  }
  const made: Letters = {
    cwd,
    data,
    ids: idsIn(data),
    makeWay: () => inTheWay.splice(0).forEach((path) => rmSync(path))
  }
  return made
}

/** Everything in `folder`, name by name with its bytes. */
export const snapshot = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => [path, readFileSync(path).toString("base64")] as const)
