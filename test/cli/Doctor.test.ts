// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off preferSchemaOverJson:off globalDate:off
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { canMount, makeDisk } from "../support/disk.ts"
import { accountOf, type Ended, run, start, temporaryFolder } from "../support/process.ts"
import { pathOf } from "../support/recordedFiles.ts"
import { storedRuns } from "../support/storedRuns.ts"

const asRoot = process.getuid?.() === 0

/** The lines of a report as verdict, resource, subject and message, and its sum. */
const report = ({ stdout }: Ended) => {
  const lines = stdout.trimEnd().split("\n")
  const sum = lines.pop()
  return { sum, lines: lines.map((line) => line.split(/ {2,}/u)) }
}

const bad = (ended: Ended) =>
  report(ended)
    .lines.filter(([verdict]) => verdict !== "ok")
    .map(([verdict, resource, subject]) => `${verdict} ${resource} ${subject}`)

const messageOf = (ended: Ended, resource: string, subject: string) =>
  report(ended).lines.find((line) => line[1] === resource && line[2] === subject)?.[3] ?? ""

describe("tickvault doctor", () => {
  it("finds a pipeline well that has worked, in one aligned line a check", async () => {
    const cwd = temporaryFolder()
    assert.strictEqual((await run(["run", "--ticks", "20"], { cwd })).code, 0)
    const before = readdirSync(join(cwd, "data"), { recursive: true })
    const ended = await run(["doctor"], { cwd })
    assert.deepStrictEqual([ended.code, ended.stderr], [0, ""])
    const { lines, sum } = report(ended)
    assert.strictEqual(sum, "All is well.")
    assert.deepStrictEqual(bad(ended), [])
    assert.isAtLeast(lines.length, 15)
    const rows = ended.stdout.trimEnd().split("\n").slice(0, -1)
    for (const [index, row] of rows.entries()) {
      assert.strictEqual(row.indexOf(lines[index]?.[3] ?? "?"), (rows[0] ?? "").indexOf(lines[0]?.[3] ?? "?"), row)
    }
    assert.match(messageOf(ended, "storage-main", "free space"), /B free, planned: about .*20000 ticks of the size/u)
    assert.deepStrictEqual(readdirSync(join(cwd, "data"), { recursive: true }), before)
  })

  it("says that a missing folder will be made, and does not make it", async () => {
    const cwd = temporaryFolder()
    const ended = await run(["doctor", "--data", "deep/below"], { cwd })
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.strictEqual(messageOf(ended, "storage-main", "folder"), `${join(cwd, "deep/below")} will be made`)
    assert.deepStrictEqual(readdirSync(cwd), [])
  })

  it.skipIf(!asRoot)("has a problem with a folder that it may not write to, says what to do, and exits 1", async () => {
    const cwd = temporaryFolder()
    mkdirSync(join(cwd, "data"))
    chmodSync(cwd, 0o755)
    const ended = await run(["doctor"], { cwd, asNobody: true })
    assert.strictEqual(ended.code, 1)
    assert.deepStrictEqual(bad(ended), ["problem storage-main folder", "problem persistence-dlq folder"])
    assert.match(messageOf(ended, "storage-main", "folder"), /permission denied \(EACCES\): give the user that runs/u)
    assert.strictEqual(report(ended).sum, "2 problems, 0 warnings.")
  })

  it("removes what a crash left behind an hour ago, and names what needs a decision", async () => {
    const cwd = temporaryFolder()
    const folder = join(cwd, "data", "run")
    mkdirSync(join(folder, ".set-aside"), { recursive: true })
    const put = (name: string, content: string, ageHours: number) => {
      writeFileSync(join(folder, name), content)
      const written = Date.now() / 1000 - ageHours * 3600
      utimesSync(join(folder, name), written, written)
    }
    put(".tickvault-1a.tmp", "x", 2)
    put(".tickvault-2b.tmp", "x", 0.1)
    put("batch_0000000000000000001_0000000000000000002.pb", "", 1)
    put(".set-aside/batch.1", "x", 1)
    const ended = await run(["doctor"], { cwd })
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.deepStrictEqual(bad(ended), ["warning storage-main leftovers", "warning storage-main set aside"])
    assert.match(
      messageOf(ended, "storage-main", "leftovers"),
      /1 old removed, 1 young left alone; empty files .*: 1,/u
    )
    assert.isFalse(existsSync(join(folder, ".tickvault-1a.tmp")))
    assert.isTrue(existsSync(join(folder, ".tickvault-2b.tmp")))
    assert.strictEqual(report(ended).sum, "0 problems, 2 warnings.")
  })

  it("prints one object with --json, with facts for programs", async () => {
    const cwd = temporaryFolder()
    mkdirSync(join(cwd, "data"))
    const config = {
      pipeline: {
        resources: {
          store: { className: "FileStorage", options: { durability: "none", rootDirectory: "data" } },
          queue: { className: "TickQueue" }
        },
        services: {
          writer: {
            className: "PersistenceService",
            resources: { input: "queue-in:queue", storage: "storage-write:store" }
          }
        },
        startupSequence: ["writer"]
      }
    }
    writeFileSync(join(cwd, "pipeline.json"), JSON.stringify(config))
    const ended = await run(["doctor", "--config", "pipeline.json", "--json"], { cwd })
    assert.strictEqual(ended.code, 0, ended.stderr)
    const { checks, verdict } = JSON.parse(ended.stdout) as {
      readonly verdict: string
      readonly checks: ReadonlyArray<Record<string, unknown>>
    }
    assert.strictEqual(verdict, "warning")
    assert.deepStrictEqual(
      checks.filter((check) => check["verdict"] !== "ok").map((check) => [check["resource"], check["check"]]),
      [["store", "durability"]]
    )
    const facts = Object.assign({}, ...checks.map((check) => check["facts"])) as Record<string, unknown>
    assert.include(facts, { durability: "none", hardLinks: true, folderSync: true, exists: true })
    assert.isNumber(facts["freeBytes"])
  })

  it("says what is wrong with a configuration, and looks at nothing", async () => {
    const cwd = temporaryFolder()
    const ended = await run(["doctor", "--config", "missing.conf"], { cwd })
    assert.deepStrictEqual(
      [ended.code, ended.stdout, ended.stderr],
      [1, "", "tickvault: missing.conf: there is no such file\n"]
    )
  })
})

describe.skipIf(!canMount)("little room (needs the right to mount)", () => {
  it("is a warning of the doctor and of a start, which goes ahead", async () => {
    const { ballast, data } = makeDisk()
    const env = { TICKVAULT_STORAGE_MAIN_COMPRESSION: "none" }
    const ended = await run(["doctor", "--data", data], { env })
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.deepStrictEqual(bad(ended), ["warning storage-main free space"])
    assert.match(messageOf(ended, "storage-main", "free space"), /^1\.0 MB free, planned: about .* MB .*; make room/u)
    const started = await run(["run", "--data", data, "--ticks", "200", "--json"], { env })
    assert.strictEqual(started.code, 0, started.stderr)
    assert.notInclude(started.stderr, "A check at start")
    const args = ["ingest", pathOf("evochora-60-organisms.pb.zst"), "--data", data, "--max-retries", "0"]
    const ingest = start(args, { env })
    await ingest.logs(
      /A check at start has a warning.*check="free space" finding="[0-9.]+ kB free, planned: about 3\.1 MB/u
    )
    rmSync(ballast)
    assert.strictEqual((await ingest.ended).code, 0, ingest.stderr())
  })
})

describe("a start", () => {
  it.skipIf(!asRoot)("stops with the first problem, before anything is made or stored", async () => {
    const cwd = temporaryFolder()
    mkdirSync(join(cwd, "data"))
    chmodSync(cwd, 0o755)
    const ended = await run(["ingest", pathOf("evochora-1-organism.pb.zst")], { cwd, asNobody: true })
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /^tickvault: storage open of ".*data" failed: permission denied .*\(and 1 more: see/u)
    assert.deepStrictEqual(readdirSync(join(cwd, "data")), [])
  })

  it("warns of a durability that is less than full, and stores all the same", async () => {
    const data = temporaryFolder()
    const ended = await run(["ingest", pathOf("evochora-1-organism.pb.zst"), "--data", data, "--json"], {
      env: { TICKVAULT_STORAGE_MAIN_DURABILITY: "file" }
    })
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.match(ended.stderr, /level=WARN.*A check at start has a warning.*check=durability/u)
    assert.strictEqual(accountOf(ended).written, 1000)
    assert.lengthOf(
      [...storedRuns(data).values()].flatMap(({ ticks }) => ticks),
      1000
    )
  })
})
