// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off preferSchemaOverJson:off
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { SimulationMetadataSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import { comparableTicks } from "../support/comparableTicks.ts"
import { accountOf, run, start, temporaryFolder } from "../support/process.ts"
import { pathOf } from "../support/recordedFiles.ts"
import { deadLetters, storedRuns } from "../support/storedRuns.ts"

const runId = "resumed"

const named = { TICKVAULT_SIMULATION_ENGINE_RUN_ID: runId }

const args = (data: string, ticks: number, ...more: ReadonlyArray<string>) => [
  ...`run --data ${data} --ticks ${ticks} --max-batch-size 10`.split(" "),
  ...more
]

/** A folder with a run of that many ticks, of a world that nobody gets by default. */
const makeRun = async (ticks: number) => {
  const data = join(temporaryFolder(), "data")
  const ended = await run(args(data, ticks, "--seed", "7"), { env: named })
  assert.strictEqual(ended.code, 0, ended.stderr)
  return data
}

const engine = { className: "SimulationEngine", resources: { tickData: "queue-out:q" } }
const service = { className: "PersistenceService", resources: { input: "queue-in:q", storage: "storage-write:s" } }

const configOf = (storage: string, services: Record<string, unknown>) => ({
  pipeline: {
    resources: { q: { className: "TickQueue" }, s: { className: storage } },
    services,
    startupSequence: Object.keys(services)
  }
})

const messageIn = (file: string) => fromBinary(SimulationMetadataSchema, readFileSync(file))

const userMetadata = (file: string) => messageIn(file).userMetadata

const writeUserMetadata = (file: string, changed: Record<string, string>) =>
  writeFileSync(file, toBinary(SimulationMetadataSchema, { ...messageIn(file), userMetadata: changed }))

const filesOf = (data: string) =>
  readdirSync(data, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => [name, statSync(join(data, name)).mtimeMs] as const)

describe("tickvault run --resume", () => {
  it("goes on with the next tick, with the settings of the run, and says so", async () => {
    const data = await makeRun(40)
    rmSync(join(data, runId, "batch_0000000000000000021_0000000000000000030.pb.zst"))
    const ended = await run(args(data, 60, "--resume", runId))
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.include(ended.stdout, "It resumed after tick 20: 30 ticks were stored already.")
    assert.match(ended.stdout, /written +30 /u)
    assert.match(ended.stderr, /level=INFO .*the settings in its metadata.* replaced="seed 7 instead of 42"/u)
    assert.deepStrictEqual(comparableTicks(data, runId), comparableTicks(await makeRun(60), runId))
  })

  it("goes on to the tick at which the run was to end, unless --ticks says another one", async () => {
    const data = await makeRun(40)
    rmSync(join(data, runId, "batch_0000000000000000031_0000000000000000040.pb.zst"))
    const resume = ["run", "--data", data, "--resume", runId]
    const ended = await run(resume)
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.match(ended.stdout, /written +10 /u)
    assert.include(ended.stderr, 'replaced="seed 7 instead of 42; maxTicks 40 instead of 20000"')
    assert.match((await run(resume)).stdout, /^Run resumed is complete up to tick 40/u)
    assert.match((await run([...resume, "--ticks", "45"])).stdout, /written +5 /u)
    assert.match((await run([...resume, "--ticks", "20"])).stdout, /^Run resumed is complete up to tick 20/u)

    // As a version before this one has stored it.
    const metadata = join(data, runId, "metadata.pb")
    const { maxTicks, simulationKind, ...older } = userMetadata(metadata)
    assert.strictEqual(maxTicks, "40")
    assert.strictEqual(simulationKind, "tickvault/World")
    writeUserMetadata(metadata, older)
    const env = { TICKVAULT_SIMULATION_ENGINE_MAX_TICKS: "50" }
    assert.match((await run(resume, { env })).stdout, /written +5 /u)
  })

  it("ends where a flag, a variable or a file says, before the tick at which the run was to end", async () => {
    const data = await makeRun(20)
    const resume = ["run", "--data", data, "--resume", runId]
    const env = { TICKVAULT_SIMULATION_ENGINE_MAX_TICKS: "25" }
    assert.match((await run(resume, { env })).stdout, /written +5 /u)
    const complete = await run(resume, { env: { TICKVAULT_SIMULATION_ENGINE_MAX_TICKS: "10" } })
    assert.strictEqual(complete.code, 0, complete.stderr)
    assert.match(
      complete.stdout,
      /^Run resumed is complete up to tick 10, its end \(environment TICKVAULT_SIMULATION_ENGINE_MAX_TICKS\): 25 ticks were stored already\. Some of them lie beyond, up to tick 25\./u
    )
    const file = join(temporaryFolder(), "pipeline.json")
    const options = { maxTicks: 30 }
    writeFileSync(file, JSON.stringify(configOf("FileStorage", { one: { ...engine, options }, service })))
    assert.match((await run([...resume, "--config", file])).stdout, /written +5 /u)
    assert.match((await run([...resume, "--config", file])).stdout, /complete up to tick 30, its end \(file .*\):/u)
  })

  it("doesn't call a run complete that was made longer, when nobody says how long", async () => {
    const data = await makeRun(20)
    const resume = ["run", "--data", data, "--resume", runId]
    assert.match((await run([...resume, "--ticks", "30"])).stdout, /written +10 /u)
    // As after a crash on the way to tick 30.
    rmSync(join(data, runId, "batch_0000000000000000021_0000000000000000030.pb.zst"))
    assert.match((await run([...resume, "--ticks", "25"])).stdout, /written +5 /u)
    const before = filesOf(data)
    for (const more of [[], ["--json"]]) {
      const ended = await run([...resume, ...more])
      assert.strictEqual(ended.code, 1)
      assert.strictEqual(ended.stdout, "")
      assert.match(ended.stderr, /run resumed began with --ticks 20, but it has ticks up to 25: .* Say with --ticks/u)
    }
    assert.deepStrictEqual(filesOf(data), before)
    assert.match((await run([...resume, "--ticks", "30"])).stdout, /written +5 /u)
  })

  it("prints what was there for programs", async () => {
    const data = await makeRun(20)
    const ended = await run(args(data, 30, "--resume", runId, "--json"))
    assert.deepInclude(accountOf(ended), { written: 10, resumed: { after: "20", stored: 20, inLetters: 0 } })
  })

  it("writes nothing when the run is complete", async () => {
    const data = await makeRun(20)
    const before = filesOf(data)
    const ended = await run(args(data, 20, "--resume", runId))
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.match(ended.stdout, /^Run resumed is complete up to tick 20, .*: 20 ticks were stored already\. Nothing/u)
    const json = await run(args(data, 20, "--resume", runId, "--json"))
    assert.deepInclude(accountOf(json), {
      runIds: [runId],
      received: 0,
      resumed: { after: "20", stored: 20, inLetters: 0 }
    })
    assert.deepStrictEqual(filesOf(data), before)
  })

  it("refuses what it can't resume, and says why", async () => {
    const data = await makeRun(20)
    const foreign = join(temporaryFolder(), "data")
    await run(["ingest", pathOf("evochora-60-organisms.pb.zst"), "--data", foreign])
    const [foreignRun = ""] = storedRuns(foreign).keys()
    const refused: ReadonlyArray<readonly [args: ReadonlyArray<string>, message: RegExp]> = [
      [args(data, 30, "--resume", "resmued"), /there is no run "resmued" in .*: did you mean resumed\?/u],
      [args(data, 30, "--resume", ".."), /there is no run "\.\." in /u],
      [args(data, 30, "--resume", runId, "--seed", "7"), /--seed is for a new run/u],
      [args(foreign, 30, "--resume", foreignRun), /has no metadata\.pb in .* so it can't be resumed/u],
      [args(join(foreign, "nowhere"), 30, "--resume", runId), /there is no folder .*nowhere/u]
    ]
    for (const [command, message] of refused) {
      const ended = await run(command)
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, message)
      assert.strictEqual(ended.stdout, "")
    }
    assert.isFalse(existsSync(join(foreign, "nowhere")))

    writeFileSync(
      join(foreign, foreignRun, "metadata.pb"),
      Buffer.concat([Buffer.of(10, foreignRun.length), Buffer.from(foreignRun)])
    )
    const ended = await run(args(foreign, 30, "--resume", foreignRun))
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /another program or an older version made the run, so it can't be resumed here/u)
  })

  it("needs a configuration with one engine and a storage that lasts", async () => {
    const folder = temporaryFolder()
    const refused = [
      [configOf("FileStorage", { one: engine, two: engine, service }), /the configuration starts 2 engines/u],
      [configOf("InMemoryStorage", { one: engine, service }), /s is a InMemoryStorage: its runs end with the process/u]
    ] as const
    for (const [config, message] of refused) {
      writeFileSync(join(folder, "pipeline.json"), JSON.stringify(config))
      const ended = await run(["run", "--config", join(folder, "pipeline.json"), "--resume", runId], { cwd: folder })
      assert.match(ended.stderr, message)
      assert.strictEqual(ended.code, 1)
    }
  })

  it("steps over what waits in dead letters", async () => {
    const data = await makeRun(20)
    const process_ = start(args(data, 40, "--instances", "1", "--resume", runId), {
      env: { TICKVAULT_SIMULATION_ENGINE_TICKS_PER_SECOND: "50" }
    })
    await process_.logs(/Simulation run goes on/u)
    const conflict = join(data, runId, "batch_0000000000000000031_0000000000000000040.pb.zst")
    // The key of a batch is taken, so that the batch becomes a dead letter.
    writeFileSync(conflict, "something else")
    assert.strictEqual((await process_.ended).code, 2)
    assert.lengthOf(deadLetters(data), 1)
    renameSync(conflict, join(temporaryFolder(), "elsewhere"))

    const ended = await run(args(data, 50, "--resume", runId))
    assert.include(
      ended.stdout,
      "It resumed after tick 30: 30 ticks were stored already, 10 more waited as dead letters."
    )
    const numbers = comparableTicks(data, runId).map(([tick]) => Number(tick))
    assert.deepStrictEqual(
      numbers,
      Array.from({ length: 50 }, (_, index) => index + 1).filter((tick) => tick <= 30 || tick > 40)
    )
    assert.lengthOf(deadLetters(data), 1)
  })

  it("of one run by two processes at once stores whole batches only, and one of them says what has happened", async () => {
    const data = await makeRun(20)
    const slow = { env: { TICKVAULT_SIMULATION_ENGINE_TICKS_PER_SECOND: "200" } }
    const both = [1, 2].map(() => start(args(data, 300, "--resume", runId, "--batch-timeout-seconds", "0.1"), slow))
    const ended = await Promise.all(both.map((one) => one.ended))
    for (const one of ended) assert.include([0, 2], one.code, one.stderr)
    const warnings = ended.filter(({ stderr }) => stderr.includes("Another process has stored batches of this run"))
    const isNoticed = warnings.length > 0 || deadLetters(data).length > 0
    assert.isTrue(isNoticed)
    // Ticks that are stored twice differ only in their time of capture.
    const expected = new Map(comparableTicks(await makeRun(300), runId))
    const ticks = comparableTicks(data, runId)
    for (const [tick, bytes] of ticks) assert.strictEqual(bytes, expected.get(tick))
    assert.strictEqual(new Set(ticks.map(([tick]) => tick)).size, 300)
  })
})
