// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off preferSchemaOverJson:off
import { spawnSync } from "node:child_process"
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as Delimited from "../../src/domain/Delimited.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { mainModule } from "../support/commandLine.ts"
import { run, temporaryFolder } from "../support/process.ts"
import { readReal, realBatches } from "../support/realData.ts"
import { pathOf } from "../support/recordedFiles.ts"
import { storedRuns } from "../support/storedRuns.ts"

const [recorded, , sampled] = realBatches

/** Folders with one recorded run, compressed and as it is, cut into files of 100 ticks; copied for each test. */
const templates = {
  zstd: mkdtempSync(join(tmpdir(), "tickvault-test-")),
  none: mkdtempSync(join(tmpdir(), "tickvault-test-"))
}

beforeAll(() => {
  const ingest = ["ingest", pathOf(recorded.file), "--max-batch-size", "100"]
  for (const [compression, template] of Object.entries(templates)) {
    const args = [...ingest, "--data", template, "--compression", compression]
    const { status, stderr } = spawnSync(process.execPath, [mainModule(), ...args])
    assert.strictEqual(status, 0, stderr.toString())
  }
})

afterAll(() => {
  for (const template of Object.values(templates)) rmSync(template, { recursive: true, force: true })
})

const ingested = (compression: keyof typeof templates = "zstd") => {
  const data = temporaryFolder()
  cpSync(templates[compression], data, { recursive: true })
  const [[runId, stored] = ["", undefined]] = [...storedRuns(data)]
  return { data, runId, files: (stored?.files ?? []).map((name) => join(data, runId, name)) }
}

const lines = (text: string) => text.trimEnd().split("\n")

const jsonOf = (text: string) => JSON.parse(text) as Record<string, unknown>

const ticksIn = (stdout: string) => lines(stdout).map((line) => Number(jsonOf(line)["tickNumber"]))

/** Runs a line of the shell in which $TV is the command. */
const shell = (script: string) =>
  spawnSync("bash", ["-c", `TV="'${process.execPath}' '${mainModule()}'"; tv() { eval "$TV" '"$@"'; }; ${script}`], {
    maxBuffer: 64 * 1024 * 1024
  })

describe("tickvault runs", () => {
  it("shows each run in a line, with its state", async () => {
    const { data, files, runId } = ingested()
    await run(["ingest", pathOf(sampled.file), "--data", data])
    const whole = await run(["runs", "--data", data])
    assert.strictEqual(whole.code, 0, whole.stderr)
    const [place, header, ...rows] = lines(whole.stdout)
    assert.strictEqual(place, `Runs in ${data}`)
    assert.match(header ?? "", /^RUN +TICKS +FIRST +LAST +STEP +FILES +SIZE +FIRST COMMIT +LAST COMMIT +STATE$/u)
    assert.lengthOf(rows, 2)
    const row = rows.find((one) => one.startsWith(runId)) ?? ""
    assert.match(row, /1,000 +1 +1000 +1 +10 +[\d.]+ kB +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +\S+ \S+Z +looks whole$/u)
    rmSync(files[4] ?? "")
    truncateSync(files[7] ?? "", 100)
    const { stdout } = await run(["runs", "--data", data, "--json"])
    const summaries = lines(stdout).map(jsonOf)
    const summary = summaries.find((one) => one["run"] === runId)
    assert.deepInclude(summary, { ticks: 900, first: "1", last: "1000", step: "1", files: 9, location: data })
    assert.deepStrictEqual(summary?.["troubles"], [
      { kind: "missingFiles", count: 1 },
      { kind: "filesOfWrongSize", count: 1 },
      { kind: "missingTicks", count: 100 }
    ])
    assert.deepInclude(
      summaries.find((one) => one["run"] !== runId),
      { state: "looks whole", ticks: 100, step: "10" }
    )
  })

  it("makes no folder, and says which one there is not", async () => {
    const cwd = temporaryFolder()
    const missing = await run(["runs"], { cwd })
    assert.strictEqual(missing.code, 1)
    assert.include(
      missing.stderr,
      `tickvault: there is no folder ${join(cwd, "data")}: give the folder of the runs with --data`
    )
    assert.deepStrictEqual(readdirSync(cwd), [])
    const empty = await run(["runs", "--data", cwd])
    assert.strictEqual(empty.stdout, `There are no runs in ${cwd}.\n`)
    assert.strictEqual(empty.code, 0)
    assert.deepStrictEqual(readdirSync(cwd), [])
  })
})

describe("tickvault inspect", () => {
  it("shows totals, shares and files, long tables cut", async () => {
    const { data, runId } = ingested("none")
    const { code, stderr, stdout } = await run(["inspect", runId, "--data", data])
    assert.strictEqual(code, 0, stderr)
    assert.include(
      stdout,
      `Run ${runId} in ${data}/${runId}\n  state       looks whole\n  ticks       1,000, 1 to 1000\n`
    )
    assert.match(stdout, /\nSERVICE +FILES +TICKS +SIZE +ATTEMPTS\npersistence-1 +10 +1,000 +3\.2 MB +10\n/u)
    assert.match(stdout, /\n +901 +1000 +100 +\d+ kB +persistence-1 +size +1 +\d+ ms +\S+ \S+Z +as written\n$/u)
    const account = jsonOf((await run(["inspect", runId, "--data", data, "--json"])).stdout)
    assert.deepInclude(account, { ticks: 1000, bytes: recorded.bytes, attempts: 10, retries: 0, letters: [] })
    assert.lengthOf(account["batches"] as ReadonlyArray<unknown>, 10)
  })

  it("tells the size of compressed files from that of their ticks", async () => {
    const { data, files, runId } = ingested()
    const account = jsonOf((await run(["inspect", runId, "--data", data, "--json"])).stdout)
    const stored = files.reduce((total, file) => total + statSync(file).size, 0)
    assert.isBelow(stored, recorded.bytes / 10)
    assert.deepInclude(account, { ticks: 1000, bytes: stored, meanTickBytes: recorded.bytes / 1000 })
    for (const shares of ["services", "flushReasons"]) {
      const all = account[shares] as ReadonlyArray<{ readonly bytes: number }>
      assert.deepStrictEqual(
        all.map(({ bytes }) => bytes),
        [stored]
      )
    }
  })

  it("names the nearest run when there is none of the name", async () => {
    const { data, runId } = ingested()
    const near = await run(["inspect", `${runId}x`, "--data", data])
    assert.strictEqual(near.code, 1)
    assert.include(near.stderr, `there is no run "${runId}x" in ${data}: did you mean ${runId}?`)
    const far = await run(["cat", "../etc", "--data", data])
    assert.strictEqual(far.code, 1)
    assert.include(far.stderr, 'there is no run "../etc"')
  })
})

describe("tickvault cat", () => {
  it("writes the ticks between two as JSON, 64-bit numbers as text", async () => {
    const { data, runId } = ingested()
    const { code, stderr, stdout } = await run(["cat", runId, "--data", data, "--from", "95", "--to", "205"])
    assert.strictEqual(code, 0, stderr)
    assert.strictEqual(stderr, "")
    assert.deepStrictEqual(
      ticksIn(stdout),
      Array.from({ length: 111 }, (_, index) => 95 + index)
    )
    assert.deepInclude(jsonOf(lines(stdout)[0] ?? ""), { simulationRunId: runId, tickNumber: "95" })
  })

  it("names a bad number, and a range of nothing", async () => {
    const { data, runId } = ingested()
    for (const [args, problem] of [
      [["--from", "ten"], '--from is "ten": a tick number is a whole number from 0 to 9223372036854775807'],
      [["--to", "9223372036854775808"], '--to is "9223372036854775808"'],
      [["--from", "7", "--to", "3"], "--from 7 is greater than --to 3"]
    ] as const) {
      const { code, stderr } = await run(["cat", runId, "--data", data, ...args])
      assert.strictEqual(code, 1)
      assert.include(stderr, problem)
    }
  })

  it("ends quietly when its reader has gone", () => {
    const { data, runId } = ingested()
    const { status, stderr, stdout } = shell(`tv cat ${runId} --data ${data} | head -c 100; exit \${PIPESTATUS[0]}`)
    assert.strictEqual(stderr.toString(), "")
    assert.strictEqual(status, 0)
    assert.strictEqual(stdout.length, 100)
  })

  it("copies a run byte for byte into another folder, whatever the pace of the reader", () => {
    const { data, runId } = ingested()
    const other = temporaryFolder()
    const copy = `tv cat ${runId} --data ${data} --format delimited | (sleep 0.3; cat)`
    assert.deepStrictEqual(new Uint8Array(shell(copy).stdout), readReal(recorded.file))
    shell(`${copy} | tv ingest - --data ${other} --max-batch-size 100`)
    const [from, to] = [data, other].map((folder) => storedRuns(folder).get(runId))
    assert.deepStrictEqual(to?.files, from?.files)
    for (const name of from?.files ?? []) {
      assert.isTrue(readFileSync(join(data, runId, name)).equals(readFileSync(join(other, runId, name))))
    }
  })

  it("changes no byte of what waits to be read, though the memory of its batches is used again", () => {
    const data = temporaryFolder()
    mkdirSync(join(data, "run"))
    const written = Array.from({ length: 200 }, (_, index) => {
      const ticks = TestTick.range("run", index * 2, index * 2 + 1, 5000 + index)
      const bytes = Buffer.concat([...Delimited.encode(ticks)])
      const [first, last] = ticks.map(({ tickNumber }) => `${tickNumber}`.padStart(19, "0"))
      writeFileSync(join(data, "run", `batch_${first}_${last}.pb`), bytes)
      return bytes
    })
    const { stdout } = shell(`tv cat run --data ${data} --format delimited | (sleep 1; cat)`)
    assert.isTrue(stdout.equals(Buffer.concat(written)))
  })

  it("says that a disk is full", () => {
    const { data, runId } = ingested()
    const { status, stderr } = shell(`tv cat ${runId} --data ${data} > /dev/full`)
    assert.strictEqual(status, 1)
    assert.include(stderr.toString(), "standard output can't be written any further: ENOSPC")
  })

  it("writes nothing binary to a terminal", () => {
    const { data, runId } = ingested()
    const command = `'${process.execPath}' '${mainModule()}' cat ${runId} --format delimited --data '${data}'`
    const { error, status, stdout } = spawnSync("script", ["-qec", command, "/dev/null"])
    if (error !== undefined) return
    assert.strictEqual(status, 1)
    assert.include(stdout.toString(), "delimited ticks are binary and not for a terminal")
  })

  it("ends at a damage and names the file, or goes on with --salvage and says what is gone", async () => {
    const { data, files, runId } = ingested("none")
    const [, damaged = ""] = files
    const bytes = readFileSync(damaged)
    writeFileSync(damaged, bytes.with(bytes.length - 2, (bytes.at(-2) ?? 0) ^ 0x55))
    const ended = await run(["cat", runId, "--data", data])
    assert.strictEqual(ended.code, 1)
    assert.lengthOf(ticksIn(ended.stdout), 199)
    assert.include(ended.stderr, `tickvault: ${damaged} is damaged: `)
    assert.include(ended.stderr, "--salvage skips what is damaged")
    const salvaged = await run(["cat", runId, "--data", data, "--salvage"])
    assert.strictEqual(salvaged.code, 3)
    const all = ticksIn(salvaged.stdout)
    assert.lengthOf(all, 999)
    assert.notInclude(all, 200)
    assert.match(salvaged.stderr, /^tickvault: .*: its checksum differs from .* from byte \d+\); gone: tick 200\n$/u)
    const unharmed = await run(["cat", runId, "--data", data, "--salvage", "--from", "201"])
    assert.strictEqual(unharmed.code, 0)
  })

  it("leaves out with --salvage what has the form of a tick and is none inside, and goes on", async () => {
    const { data, files, runId } = ingested("none")
    rmSync(join(data, runId, "ledger"), { recursive: true })
    const [first = ""] = files
    const bytes = readFileSync(first)
    // Within the organisms of tick 3: the length before them stays, what they are made of is no message.
    const start = [1, 2].reduce((at) => at + 2 + ((bytes[at] ?? 0) & 0x7f) + (bytes[at + 1] ?? 0) * 128, 0)
    writeFileSync(
      first,
      Buffer.concat([bytes.subarray(0, start + 100), Buffer.alloc(40, 0xff), bytes.subarray(start + 140)])
    )
    const ended = await run(["cat", runId, "--data", data])
    assert.strictEqual(ended.code, 1)
    assert.deepStrictEqual(ticksIn(ended.stdout), [1, 2])
    const salvaged = await run(["cat", runId, "--data", data, "--salvage"])
    assert.strictEqual(salvaged.code, 3, salvaged.stderr)
    assert.lengthOf(ticksIn(salvaged.stdout), 999)
    assert.match(salvaged.stderr, /^tickvault: left out: tick 3 can't be shown as JSON/u)
  })

  it("ends where a file is missing and names it", async () => {
    const { data, files, runId } = ingested()
    const [, missing = ""] = files
    rmSync(missing)
    const ended = await run(["cat", runId, "--data", data])
    assert.strictEqual(ended.code, 1)
    assert.deepStrictEqual(ticksIn(ended.stdout).length, 100)
    assert.include(ended.stderr, `tickvault: ${missing} is in the ledger but no longer stored`)
    assert.include(ended.stderr, "--salvage skips what is missing")
  })
})
