// @effect-diagnostics nodeBuiltinImport:off globalConsole:off asyncFunction:off
/**
 * `npm run bench -- [CASE...]`: tickvault beside named peers, in turn, on the same data and disk.
 *
 * `CASE` is the name of a case or its beginning. Without one, all cases run. Each side of a case takes several turns. The
 * table has the medians, their spread, and the ratio: the median of the ratios of all rounds. A round is one turn of each
 * side. Options: `--rounds N` (default 5), `--folder DIR` on the disk to measure (default: the current folder), and
 * `--json FILE`. Ends with 1 when a tick is lost.
 *
 * `--against CHECKOUT` takes another built checkout of tickvault as the peer, in the cases that any version can do. Then
 * CPU time decides, and the ratio of wall time is shown too.
 */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs, promisify } from "node:util"
import { against, type Both, type Comparison, type Side } from "./Case.ts"
import type { Measured } from "./Measured.ts"
import { cases } from "./cases.ts"
import * as Report from "./report.ts"
import * as Version from "./Version.ts"

/** The parsed arguments. Throws when they are wrong. */
const parsed = () => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "5" },
      folder: { type: "string", default: process.cwd() },
      json: { type: "string" },
      against: { type: "string" }
    }
  })
  if (values.against !== undefined) Version.files(values.against)
  const checkout = values.against === undefined ? [] : [resolve(values.against)]
  const all: ReadonlyArray<Comparison> =
    checkout[0] === undefined ? cases : cases.flatMap((each) => against(each, checkout[0] ?? "") ?? [])
  const unknown = positionals.filter((each) => !all.some(({ name }) => name.startsWith(each)))
  const names = all.map(({ name }) => `"${name}"`).join(", ")
  if (unknown.length > 0) throw new Error(`there is no case "${unknown.join('", "')}"; known: ${names}`)
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds ${values.rounds}: must be a whole number of 1 or more`)
  const wanted = all.filter(({ name }) => positionals.length === 0 || positionals.some((each) => name.startsWith(each)))
  return { wanted, checkout, rounds, json: values.json, root: mkdtempSync(join(values.folder, ".tickvault-bench-")) }
}

const asked = () => {
  try {
    return parsed()
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
    return process.exit(1)
  }
}

const { checkout, json, root, rounds: count, wanted } = asked()

/** Ends the running turn. */
const ended = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => ended.abort(new Error(`ended by ${signal}`)))

const execute = promisify(execFile)

interface Turn {
  readonly measured: unknown
  readonly peakKilobytes: number
}

/** Takes a turn in a new process. */
const turn = async ({ name, nodeOptions = [] }: Comparison, side: Side): Promise<Turn> => {
  const folder = join(root, "turn")
  mkdirSync(folder)
  const script = new URL("turn.ts", import.meta.url).pathname
  const args = [...nodeOptions, "--expose-gc", script, name, side, folder, ...checkout]
  const { stdout } = await execute(process.execPath, args, { maxBuffer: Infinity, signal: ended.signal })
  rmSync(folder, { recursive: true, force: true })
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Turn
}

/** One round of a case. The first side alternates from round to round. */
const round = async (each: Comparison, index: number): Promise<Report.Round> => {
  if (each.turns.in === "one process") {
    const { measured, peakKilobytes } = await turn(each, index % 2 === 0 ? "peer" : "ours")
    const both = measured as Both
    return { peer: { peakKilobytes, ...both.peer }, ours: { peakKilobytes, ...both.ours } }
  }
  const take = async (side: Side): Promise<Report.Taken> => {
    const { measured, peakKilobytes } = await turn(each, side)
    return { peakKilobytes, ...(measured as Measured) }
  }
  if (index % 2 === 0) {
    const peer = await take("peer")
    return { peer, ours: await take("ours") }
  }
  const ours = await take("ours")
  return { peer: await take("peer"), ours }
}

try {
  const machine = `${availableParallelism()} cores of ${cpus()[0]?.model}, ${process.platform}, Node ${process.versions.node}`
  console.log(`${machine}; ${count} rounds\n`)
  const reports: Array<Report.Report> = []
  for (const each of wanted) {
    const rounds: Array<Report.Round> = []
    for (let index = 0; index < count; index++) rounds.push(await round(each, index))
    const report = Report.of(each, rounds)
    reports.push(report)
    console.log(Report.text(report))
  }
  console.log(`\n${Report.table(reports)}`)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ machine, cases: reports }, undefined, 2)}\n`)
  if (reports.some(({ ours }) => (ours.lost ?? 0) > 0)) process.exitCode = 1
} catch (error) {
  console.error(`bench: ${String(ended.signal.aborted ? ended.signal.reason : error)}`)
  process.exitCode = 1
} finally {
  rmSync(root, { recursive: true, force: true })
}
