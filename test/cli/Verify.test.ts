// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off preferSchemaOverJson:off
import { execFileSync, spawnSync } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { mainModule } from "../support/commandLine.ts"
import { type Ended, run, start, temporaryFolder } from "../support/process.ts"
import { realBatches } from "../support/realData.ts"
import { pathOf } from "../support/recordedFiles.ts"
import { deadLetters } from "../support/storedRuns.ts"

interface Report {
  readonly state: string
  readonly ticks: number
  readonly runs: ReadonlyArray<{
    readonly run: string
    readonly state: string
    readonly missing: number
    readonly waiting: number
    readonly counts: Readonly<Record<string, number>>
    readonly findings: ReadonlyArray<Readonly<Record<string, unknown>>>
  }>
}

const report = ({ stdout }: Ended): Report => {
  assert.lengthOf(stdout.trimEnd().split("\n"), 1)
  return JSON.parse(stdout) as Report
}

/** Folders with a run of 300 ticks in three files; copied for each test. */
const templates = {
  zstd: mkdtempSync(join(tmpdir(), "tickvault-test-")),
  none: mkdtempSync(join(tmpdir(), "tickvault-test-"))
}

beforeAll(() => {
  for (const [compression, data] of Object.entries(templates)) {
    const args = ["run", "--ticks", "300", "--max-batch-size", "100", "--compression", compression, "--data", data]
    const { status, stderr } = spawnSync(process.execPath, [mainModule(), ...args])
    assert.strictEqual(status, 0, stderr.toString())
  }
})

afterAll(() => {
  for (const template of Object.values(templates)) rmSync(template, { recursive: true, force: true })
})

const setup = (compression: keyof typeof templates = "zstd") => {
  const data = temporaryFolder()
  cpSync(templates[compression], data, { recursive: true, preserveTimestamps: true })
  const [runId = ""] = readdirSync(data).filter((name) => !name.startsWith("."))
  const folder = join(data, runId)
  const files = readdirSync(folder).filter((name) => name.startsWith("batch_"))
  assert.lengthOf(files, 3)
  return { data, runId, folder, files: files.map((file) => join(folder, file)) }
}

const verify = (data: string, ...args: ReadonlyArray<string>) => run(["verify", "--data", data, ...args])

describe("tickvault verify", () => {
  it("calls a whole run whole, in words and as JSON, and changes nothing", async () => {
    const { data, runId } = setup()
    const before = readdirSync(data, { recursive: true })
    const ended = await verify(data)
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.match(
      ended.stdout,
      new RegExp(
        `^WHOLE: run ${runId}: 300 ticks, from 1 to 300, 3 files, .*\n1 run: 1 whole. 300 ticks in 3 files, .*\n$`,
        "u"
      )
    )
    assert.strictEqual(ended.stderr, "")
    const { runs, state, ticks } = report(await verify(data, runId, "--json"))
    assert.deepStrictEqual({ state, ticks }, { state: "whole", ticks: 300 })
    assert.deepInclude(runs[0], { run: runId, state: "whole", missing: 0, counts: {}, findings: [] })
    assert.deepStrictEqual(readdirSync(data, { recursive: true }), before)
  })

  it("says what is missing where a file is gone, and ends with 3", async () => {
    const { data, files } = setup()
    rmSync(files[1] ?? "")
    const ended = await verify(data)
    assert.strictEqual(ended.code, 3)
    assert.match(ended.stdout, /^NOT WHOLE: run \S+: 200 ticks, from 1 to 300, 2 files, .*, 100 MISSING\n/u)
    assert.match(ended.stdout, /\n {2}1 hole: .*\n {4}ticks 101 to 200 \(100\)\n/u)
    assert.match(
      ended.stdout,
      /\n {2}1 file that is gone: .*\n {4}\S+batch_\d+_\d+\.pb\.zst: ticks 101 to 200 \(100\)\n/u
    )
  })

  it.each(["none", "zstd"] as const)(
    "finds a flipped byte, and what is intact beside it (compression %s)",
    async (codec) => {
      const { data, files } = setup(codec)
      const bytes = readFileSync(files[2] ?? "")
      const at = codec === "none" ? 5000 : bytes.length >> 1
      bytes[at] = (bytes[at] ?? 0) ^ 1
      writeFileSync(files[2] ?? "", bytes)
      const ended = await verify(data, "--json")
      assert.strictEqual(ended.code, 3)
      const [verdict] = report(ended).runs
      assert.deepStrictEqual(verdict?.counts, { Hole: 1, DamagedFile: 1 })
      const damaged = verdict?.findings.find(({ _tag }) => _tag === "DamagedFile")
      assert.deepInclude(damaged, { first: "201", last: "300", count: 100 })
      // After the damage of a compressed file nothing can be read.
      if (codec === "none") assert.strictEqual(damaged?.["intact"], 99)
      else assert.isBelow(Number(damaged?.["intact"]), 100)
    }
  )

  it("ends with 2 when only dead letters are between a run and wholeness", async () => {
    const { data, files, folder } = setup()
    // The second file is taken by something else: its ticks go into a letter.
    const again = temporaryFolder()
    const target = join(again, folder.slice(data.length + 1))
    mkdirSync(target, { recursive: true })
    writeFileSync(join(target, (files[1] ?? "").slice(folder.length + 1)), "")
    const ingested = await run(["ingest", ...files, "--data", again, "--max-batch-size", "100"])
    assert.strictEqual(ingested.code, 2, ingested.stderr)
    assert.lengthOf(deadLetters(again), 1)
    rmSync(join(target, (files[1] ?? "").slice(folder.length + 1)))
    const ended = await verify(again)
    assert.strictEqual(ended.code, 2, ended.stdout)
    assert.match(ended.stdout, /^ONLY DEAD LETTERS: run .* 200 ticks, .*, 100 waiting in dead letters\n/u)
    assert.match(ended.stdout, /\n {2}1 dead letter that waits: .*\n {4}\S+: ticks 101 to 200 \(100\), key_conflict\n/u)
    // Also of a run of which nothing else is there.
    rmSync(target, { recursive: true })
    const onlyLetters = await verify(again)
    assert.strictEqual(onlyLetters.code, 2, onlyLetters.stdout)
    assert.match(onlyLetters.stdout, /^ONLY DEAD LETTERS: run .*, 100 waiting in dead letters\n/u)
  })

  it("follows links to runs, and is not held up by a pipe", async () => {
    const { data, folder, runId } = setup()
    const linked = temporaryFolder()
    symlinkSync(folder, join(linked, runId))
    execFileSync("mkfifo", [join(folder, "batch_0000000000000009001_0000000000000009100.pb")])
    const ended = await verify(linked, runId)
    assert.strictEqual(ended.code, 0, ended.stdout + ended.stderr)
    assert.strictEqual((await verify(data)).code, 0)
  })

  it("writes the ledger anew when it is asked to, and not for what is damaged", async () => {
    const { data, files, folder } = setup()
    rmSync(join(folder, "ledger"), { recursive: true })
    const before = await verify(data)
    assert.strictEqual(before.code, 3)
    assert.match(before.stdout, /\n {2}3 files that the ledger doesn't know: /u)
    const bytes = readFileSync(files[0] ?? "")
    writeFileSync(files[0] ?? "", bytes.subarray(0, bytes.length >> 1))
    const partly = await verify(data, "--rebuild")
    assert.strictEqual(partly.code, 3)
    assert.match(partly.stdout, /^Ledger entries written: 2 files, 0 dead letters\.\nNOT WHOLE: /u)
    assert.match(partly.stderr, /A damaged file gets no ledger entry/u)
    writeFileSync(files[0] ?? "", bytes)
    const rebuilt = await verify(data, "--rebuild", "--json")
    assert.strictEqual(rebuilt.code, 0, rebuilt.stdout)
    assert.strictEqual(report(rebuilt).state, "whole")
  })

  it("opens a storage with its configured options to write its ledger anew", async () => {
    const { data, folder } = setup()
    const left = join(folder, ".tickvault-0a.tmp")
    writeFileSync(left, "")
    const twoHoursAgo = statSync(left).mtimeMs / 1000 - 7200
    utimesSync(left, twoHoursAgo, twoHoursAgo)
    const config = join(temporaryFolder(), "pipeline.json")
    const parts = { input: "queue-in:ticks", storage: "storage-write:runs" }
    const services = { store: { className: "PersistenceService", resources: parts } }
    for (const [temporaryFileMaxAge, remains] of [
      ["3 hours", true],
      ["1 hour", false]
    ] as const) {
      const resources = {
        runs: { className: "FileStorage", options: { rootDirectory: data, temporaryFileMaxAge } },
        ticks: { className: "TickQueue" }
      }
      writeFileSync(config, JSON.stringify({ resources, services }))
      const ended = await run(["verify", "--rebuild", "--config", config])
      assert.strictEqual(ended.code, 0, ended.stdout + ended.stderr)
      assert.strictEqual(existsSync(left), remains, temporaryFileMaxAge)
    }
  })

  it("names the nearest run when there is none of that name, and makes no folder that is missing", async () => {
    const { data, runId } = setup()
    const unknown = await verify(data, `${runId}x`)
    assert.strictEqual(unknown.code, 1)
    assert.include(unknown.stderr, `there is no run "${runId}x"`)
    assert.include(unknown.stderr, `did you mean ${runId}?`)
    const missing = join(data, "missing")
    const ended = await verify(missing)
    assert.strictEqual(ended.code, 1)
    assert.include(ended.stderr, `there is no folder ${missing}`)
    assert.isFalse(existsSync(missing))
    const empty = temporaryFolder()
    assert.strictEqual((await verify(empty)).code, 1)
    assert.deepStrictEqual(readdirSync(empty), [])
  })

  it("verifies the runs that are named, or all", async () => {
    const { data, runId } = setup()
    const [, , sixty] = realBatches
    assert.strictEqual((await run(["ingest", pathOf(sixty.file), "--data", data])).code, 0)
    cpSync(join(data, runId), join(data, "copy"), { recursive: true })
    const all = await verify(data, "--json")
    assert.strictEqual(all.code, 3)
    const states = report(all).runs.map(({ run: name, state }) => [name === runId ? "made" : name, state])
    assert.lengthOf(states, 3)
    assert.deepStrictEqual(
      states.find(([name]) => name === "copy"),
      ["copy", "broken"]
    )
    assert.deepStrictEqual(
      states.find(([name]) => name === "made"),
      ["made", "whole"]
    )
    assert.strictEqual((await verify(data, runId)).code, 0)
  })

  it("finds no damage beside a process that is storing", async () => {
    const data = temporaryFolder()
    const storing = start(["run", "--ticks", "1000000", "--max-batch-size", "50", "--instances", "1", "--data", data])
    await storing.logs(/Progress/u)
    for (let times = 0; times < 3; times++) {
      const ended = await verify(data, "--json")
      const [verdict] = report(ended).runs
      // An entry may be on its way; nothing else may look wrong.
      const { TornLedger: _torn, UnknownFile: _unknown, ...others } = verdict?.counts ?? {}
      assert.deepStrictEqual(others, {}, ended.stdout)
    }
    storing.signal("SIGINT")
    assert.strictEqual((await storing.ended).code, 0)
    const ended = await verify(data)
    assert.strictEqual(ended.code, 0, ended.stdout)
  })
})
