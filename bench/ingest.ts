// @effect-diagnostics nodeBuiltinImport:off processEnv:off globalConsole:off
/**
 * `tickvault ingest` beside a plain loop that reads the same file and writes, fsyncs and renames the same bytes in files
 * of the same size. Both read from and write to the same disk, in turn, several times; the medians and their ratio are
 * what counts.
 */
import { spawnSync } from "node:child_process"
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync
} from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { renumbered } from "./data.ts"

const ticks = Number(process.env["BENCH_TICKS"] ?? 200_000)
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3)
const batch = 1000

interface Run {
  readonly seconds: number
  readonly peakMegabytes: number
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** Writes the bytes of `input` in files of `fileBytes`, one after the other. */
const plainLoop = (input: string, size: number, fileBytes: number, folder: string): Run => {
  mkdirSync(folder, { recursive: true })
  const source = openSync(input, "r")
  const start = performance.now()
  for (let written = 0; written < size; written += fileBytes) {
    const buffer = Buffer.allocUnsafe(Math.min(fileBytes, size - written))
    readSync(source, buffer)
    const temporary = join(folder, "temporary")
    const target = openSync(temporary, "w")
    writeSync(target, buffer)
    fsyncSync(target)
    closeSync(target)
    renameSync(temporary, join(folder, `${written}`))
  }
  const seconds = (performance.now() - start) / 1000
  closeSync(source)
  return { seconds, peakMegabytes: Number.NaN }
}

const ingest = (input: string, instances: number, folder: string): Run => {
  const main = new URL("../src/main.ts", import.meta.url).pathname
  const args = [
    main,
    "ingest",
    input,
    "--data",
    folder,
    "--json",
    "--log-level",
    "error",
    "--instances",
    `${instances}`
  ]
  const report = `${folder}.peak`
  const probe = `process.on("exit",()=>require("node:fs").writeFileSync(${JSON.stringify(report)},String(process.resourceUsage().maxRSS)))`
  const probeUrl = `data:text/javascript,${encodeURIComponent(`import{createRequire}from"node:module";const require=createRequire("/");${probe}`)}`
  const child = spawnSync(process.execPath, ["--import", probeUrl, ...args], { encoding: "utf8" })
  const account = JSON.parse(child.stdout.trim().split("\n").at(-1) ?? "{}") as Record<string, number>
  if (child.status !== 0 || account["written"] !== ticks || account["lost"] !== 0) {
    throw new Error(`ingest failed (${child.status}): ${child.stdout}${child.stderr}`)
  }
  const kilobytes = spawnSync("cat", [report], { encoding: "utf8" }).stdout
  rmSync(report, { force: true })
  return { seconds: account["seconds"]!, peakMegabytes: Number(kilobytes) / 1024 }
}

const folder = mkdtempSync(join(process.env["BENCH_DIR"] ?? tmpdir(), "tickvault-bench-"))
try {
  const input = join(folder, "input.pb")
  const size = renumbered(new URL("../test/data/evochora-1-organism.pb.zst", import.meta.url), ticks, input)
  const fileBytes = Math.ceil((size * batch) / ticks)
  const cases: ReadonlyArray<readonly [name: string, run: (target: string) => Run]> = [
    ["plain loop", (target) => plainLoop(input, size, fileBytes, target)],
    ["tickvault, 1 instance", (target) => ingest(input, 1, target)],
    ["tickvault, 2 instances", (target) => ingest(input, 2, target)]
  ]
  const runs = cases.map((): Array<Run> => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, run]] of cases.entries()) {
      const target = join(folder, `${round}-${index}`)
      runs[index]!.push(run(target))
      rmSync(target, { recursive: true, force: true })
    }
  }
  const peer = median(runs[0]!.map(({ seconds }) => seconds))
  console.log(
    `store ${ticks.toLocaleString("en-US")} ticks, ${(size / 1e6).toFixed(0)} MB, files of ${(fileBytes / 1e6).toFixed(1)} MB, ` +
      `fsync on; ${availableParallelism()} cores, Node ${process.versions.node}, median of ${rounds}`
  )
  console.table(
    cases.map(([name], index) => {
      const all = runs[index]!.map(({ seconds }) => seconds)
      const seconds = median(all)
      return {
        case: name,
        "ticks/s": Math.round(ticks / seconds),
        "MB/s": Math.round(size / 1e6 / seconds),
        "seconds (min to max)": `${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}`,
        "peak MB": Math.round(Math.max(...runs[index]!.map(({ peakMegabytes }) => peakMegabytes))) || "",
        "ratio to the loop": Number((peer / seconds).toFixed(2))
      }
    })
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
