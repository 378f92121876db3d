// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off preferSchemaOverJson:off
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"
import { accountOf, run, start, temporaryFolder } from "../support/process.ts"
import { mainModule } from "../support/commandLine.ts"
import { storedRuns } from "../support/storedRuns.ts"

const short = ["run", "--ticks", "300", "--max-batch-size", "100"]

const ticksIn = (data: string) => [...storedRuns(data).values()].flatMap(({ ticks }) => ticks).length

const jsonLines = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)

const payloads = async (seed: string) => {
  const data = temporaryFolder()
  await run(["run", "--ticks", "50", "--seed", seed, "--data", data])
  return [...storedRuns(data).values()].flatMap(({ ticks }) => ticks.map(({ payload }) => payload.length))
}

describe("what the command line writes", () => {
  it("is one line of JSON on standard output with --json", async () => {
    const data = temporaryFolder()
    const ended = await run([...short, "--json", "--data", data])
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.strictEqual(ended.stdout.trimEnd().split("\n").length, 1)
    const fields =
      "runIds received written duplicate deadLettered returned lost inFlight batches writtenBytes storedBytes seconds"
    assert.deepStrictEqual(Object.keys(accountOf(ended)), fields.split(" "))
    const [runId = ""] = accountOf(ended).runIds
    assert.deepStrictEqual(readdirSync(data).sort(), [".dead-letters", runId])
    assert.strictEqual(ticksIn(data), 300)
  })

  it("is an account in words without it", async () => {
    const data = temporaryFolder()
    const ended = await run([...short, "--data", data])
    assert.match(
      ended.stdout,
      new RegExp(`^Run \\S+ is in ${data}/\\S+\n  received +300\n  written +300  in 3 files, `, "u")
    )
    assert.match(ended.stdout, /Every tick is settled: stored\.\n$/u)
  })

  it("is logged as JSON when asked for by flag or variable, nothing else on standard error", async () => {
    const data = temporaryFolder()
    for (const [args, env] of [
      [["--log-format", "json"], {}],
      [[], { TICKVAULT_LOG_FORMAT: "json" }]
    ] as const) {
      const { stderr } = await run([...short, ...args, "--data", data], { env })
      const lines = jsonLines(stderr)
      assert.isTrue(lines.some(({ message }) => message === "Simulation run begins"))
    }
  })

  it("is logged at the level asked for", async () => {
    const data = temporaryFolder()
    const quiet = await run([...short, "--log-level", "error", "--data", data])
    assert.strictEqual(quiet.stderr, "")
    const verbose = await run([...short, "--data", data], { env: { TICKVAULT_LOG_LEVEL: "Debug" } })
    assert.match(verbose.stderr, /level=DEBUG .*Successfully wrote batch/u)
    const warning = await run([...short, "--data", data], { env: { TICKVAULT_LOG_LEVEL: "warn" } })
    assert.strictEqual(warning.stderr, "")
    const wrong = await run([...short, "--data", data], { env: { TICKVAULT_LOG_LEVEL: "loud" } })
    assert.strictEqual(wrong.code, 1)
    assert.match(wrong.stderr, /TICKVAULT_LOG_LEVEL is "loud"; allowed values: all, trace, debug, info, warn/u)
  })

  it("has the same ticks for the same seed", async () => {
    assert.deepStrictEqual(await payloads("7"), await payloads("7"))
    assert.notDeepEqual(await payloads("7"), await payloads("8"))
  })

  it("may be cut off: no tick is lost when nobody reads it any more", async () => {
    const data = temporaryFolder()
    const { child, ended } = start([...short, "--data", data])
    child.stdout.destroy()
    child.stderr.destroy()
    assert.strictEqual((await ended).code, 0)
    assert.strictEqual(ticksIn(data), 300)
  })

  it("may have been closed from the beginning", async () => {
    const data = temporaryFolder()
    const main = mainModule()
    const script = '"$@" >&- 2>&- <&-'
    const { status } = spawnSync("sh", ["-c", script, "sh", process.execPath, main, ...short, "--data", data])
    assert.strictEqual(status, 0)
    assert.strictEqual(ticksIn(data), 300)
  })

  it("may be read up to its first line only", async () => {
    const data = temporaryFolder()
    const main = mainModule()
    const script = '"$@" 2>&1 | head -1'
    const { stdout } = spawnSync("sh", ["-c", script, "sh", process.execPath, main, ...short, "--data", data])
    assert.lengthOf(stdout.toString().trimEnd().split("\n"), 1)
    assert.strictEqual(ticksIn(data), 300)
  })
})

describe("tickvault without work to do", () => {
  it("shows its version", async () => {
    const ended = await run(["--version"])
    assert.strictEqual(ended.code, 0)
    assert.match(ended.stdout, /^tickvault v\d+\.\d+\.\d+\n$/u)
  })

  it("is the same from its sources as bundled", async () => {
    const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))
    assert.deepStrictEqual(await run(["--help"], { main }), await run(["--help"]))
  })

  it("shows its commands", async () => {
    const ended = await run(["--help"])
    assert.strictEqual(ended.code, 0)
    const commands = ["run", "ingest", "runs", "inspect", "cat", "config"]
    for (const command of commands) assert.match(ended.stdout, new RegExp(`^  ${command} `, "mu"))
  })

  it("says that a terminal is no source of ticks", () => {
    const main = mainModule()
    const command = `'${process.execPath}' '${main}' ingest - --data '${join(temporaryFolder(), "data")}'`
    const { error, status, stdout } = spawnSync("script", ["-qec", command, "/dev/null"])
    if (error !== undefined) return
    assert.strictEqual(status, 1)
    assert.match(stdout.toString(), /standard input is a terminal/u)
  })
})
