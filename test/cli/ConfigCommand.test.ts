// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"
import { run, temporaryFolder } from "../support/process.ts"

const fixture = (name: string) => fileURLToPath(new URL(`../config/fixtures/${name}`, import.meta.url))

const rows = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/u))

describe("tickvault config check", () => {
  for (const name of ["production.conf", "production.yaml", "production.json"]) {
    it(`finds ${name} good`, async () => {
      const ended = await run(["config", "check", fixture(name)])
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.match(ended.stdout, /^configuration is good: \d+ resources, 3 services\nstarts: simulation-engine, /u)
      assert.strictEqual(ended.stderr, "")
    })
  }

  it("names each problem with its path, what was found, and what is allowed or was likely meant", async () => {
    const cwd = temporaryFolder()
    writeFileSync(
      join(cwd, "wrong.conf"),
      `pipeline {
        shutdownTimeout = "soon"
        resources { q { className = TickQueue }, s { className = FileStorag } }
        services.p {
          className = PersistenceService
          resources { input = "queue-in:q", storage = "storage-write:s" }
          options { maxBatchSize = 0, maxRetrys = 3, batchTimeoutSeconds = "five" }
        }
      }`
    )
    const ended = await run(["config", "check", "wrong.conf"], { cwd })
    assert.strictEqual(ended.code, 1)
    assert.strictEqual(ended.stdout, "")
    const lines = ended.stderr.trimEnd().split("\n")
    assert.strictEqual(lines[0], "tickvault: 5 problems in the configuration (file wrong.conf):")
    const expected = [
      /resources\.s\.className: found "FileStorag".*did you mean `FileStorage`/u,
      /options\.maxRetrys: unknown option `maxRetrys`: did you mean `maxRetries`/u,
      /shutdownTimeout: found "soon", must be a duration/u,
      /options\.maxBatchSize: found 0, must be a whole number of 1 or more/u,
      /options\.batchTimeoutSeconds: found "five", must be a number above 0/u
    ]
    for (const problem of expected)
      assert.isTrue(
        lines.some((line) => problem.test(line)),
        `${problem}`
      )
  })

  it("says that a file is missing or no configuration", async () => {
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, "broken.json"), "{")
    const missing = await run(["config", "check", "missing.conf"], { cwd })
    assert.deepStrictEqual([missing.code, missing.stderr], [1, "tickvault: missing.conf: there is no such file\n"])
    const broken = await run(["config", "check", "broken.json"], { cwd })
    assert.strictEqual(broken.code, 1)
    assert.match(broken.stderr, /^tickvault: broken\.json: .+\n$/u)
  })
})

describe("tickvault config show", () => {
  it("shows each value with where it came from", async () => {
    const cwd = temporaryFolder()
    const ended = await run(["config", "show", "--data", "runs", "--seed", "3"], {
      cwd,
      env: { TICKVAULT_PERSISTENCE_1_MAX_BATCH_SIZE: "7" }
    })
    assert.strictEqual(ended.code, 0, ended.stderr)
    const shown = new Map(rows(ended.stdout).map(([path, value, source]) => [path, `${value} from ${source}`]))
    const of = (path: string) => shown.get(`pipeline.${path}`)
    assert.strictEqual(of("resources.storage-main.options.rootDirectory"), "runs from command line --data")
    assert.strictEqual(of("resources.persistence-dlq.options.directory"), "runs/.dead-letters from command line --data")
    assert.strictEqual(of("services.simulation-engine.options.seed"), "3 from command line --seed")
    assert.strictEqual(
      of("services.persistence-1.options.maxBatchSize"),
      "7 from environment TICKVAULT_PERSISTENCE_1_MAX_BATCH_SIZE"
    )
    assert.strictEqual(of("services.persistence-2.options.maxBatchSize"), "1000 from default")
    assert.deepStrictEqual(readdirSync(cwd), [])
  })

  it("shows a file's values over the defaults", async () => {
    const ended = await run(["config", "show", "--config", fixture("production.conf")])
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.match(ended.stdout, /production\.conf/u)
  })

  it("refuses a variable that means nothing, with the one that was likely meant", async () => {
    const ended = await run(["config", "show"], { env: { TICKVAULT_RAW_TICK_DATA_MAXBYTES: "3" } })
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /TICKVAULT_RAW_TICK_DATA_MAXBYTES: .*did you mean TICKVAULT_RAW_TICK_DATA_MAX_BYTES\?/u)
  })
})
