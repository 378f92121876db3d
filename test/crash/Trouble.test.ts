// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { execFileSync } from "node:child_process"
import { chmodSync, chownSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import {
  accountOf,
  canLimit,
  type Options,
  run,
  type Started,
  start,
  temporaryFolder,
  until
} from "../support/process.ts"
import { pathOf, readRecorded } from "../support/recordedFiles.ts"
import { deadLetters, storedRuns } from "../support/storedRuns.ts"

const refused = /Storage and dead-letter queue both refuse/u

/** A simulation that stores batches of 20 ticks, each tried once before it is given up. */
const simulate = (data: string, ticks: number, ticksPerSecond: number, instances: number, options: Options = {}) => {
  const limits = ["--max-batch-size", "20", "--max-retries", "0", "--instances", String(instances)]
  return start(["run", "--data", data, "--ticks", String(ticks), ...limits, "--json"], {
    ...options,
    env: { TICKVAULT_SIMULATION_ENGINE_TICKS_PER_SECOND: String(ticksPerSecond) }
  })
}

/** One batch at a time, two a second: when the storage refuses it, the dead letters refuse it too. */
const simulateSlowly = (data: string, options?: Options) => simulate(data, 120, 40, 1, options)

/** Ten batches a second, of which several are in flight. */
const simulateFast = (data: string, options?: Options) => simulate(data, 400, 200, 2, options)

/** The user that has no rights beyond the common ones. */
const nobody = 65_534

const runIn = (data: string): string => {
  const [run = ""] = existsSync(data) ? readdirSync(data).filter((name) => !name.startsWith(".")) : []
  return run
}

const hasBatches =
  (data: string, atLeast = 1) =>
  () => {
    const run = runIn(data)
    return run !== "" && readdirSync(join(data, run)).filter((name) => name.startsWith("batch_")).length >= atLeast
  }

const assertWhole = async (data: string) => {
  const verified = await run(["verify", "--data", data])
  assert.strictEqual(verified.code, 0, verified.stdout + verified.stderr)
}

const assertAllStored = async (process_: Started, data: string, ticks: number) => {
  const ended = await process_.ended
  assert.strictEqual(ended.code, 0, ended.stderr)
  assert.include({ ...accountOf(ended) }, { received: ticks, written: ticks, lost: 0, inFlight: 0 })
  const [stored] = storedRuns(data).values()
  assert.lengthOf(stored?.ticks ?? [], ticks)
  await assertWhole(data)
}

/**
 * As above, where batches race: one may find the storage refusing and, just after that, the dead letters accepting. A
 * replay stores what became a letter.
 */
const assertAllStoredOrLettered = async (process_: Started, data: string, ticks: number) => {
  const ended = await process_.ended
  const account = accountOf(ended)
  assert.strictEqual(ended.code, account.deadLettered === 0 ? 0 : 2, ended.stderr)
  assert.include({ ...account }, { received: ticks, duplicate: 0, returned: 0, lost: 0, inFlight: 0 })
  assert.strictEqual(account.written + account.deadLettered, ticks)
  const replayed = await run(["dlq", "replay", "--all", "--data", data])
  assert.strictEqual(replayed.code, 0, replayed.stderr)
  assert.deepStrictEqual(deadLetters(data), [])
  const [stored] = storedRuns(data).values()
  assert.lengthOf(stored?.ticks ?? [], ticks)
  await assertWhole(data)
}

const makeReadOnly = async (data: string, process_: Started) => {
  await until(hasBatches(data), "a batch was stored")
  // The letters first, and last when it can be written again: a batch that only the storage refuses becomes one.
  const folders = [join(data, ".dead-letters"), join(data, runIn(data))]
  for (const folder of folders) chmodSync(folder, 0o555)
  await process_.logs(refused)
  for (const folder of folders.toReversed()) chmodSync(folder, 0o755)
}

const takeHandles = async (data: string, process_: Started) => {
  await until(hasBatches(data), "a batch was stored")
  const limit = (handles: string) => execFileSync("prlimit", [`--pid=${process_.child.pid}`, `--nofile=${handles}:`])
  limit("8")
  await process_.logs(refused)
  limit("1024")
}

describe.skipIf(process.getuid?.() !== 0)("a folder that becomes read-only (needs the right to change users)", () => {
  it("is waited for until it can be written again, and nothing is lost", async () => {
    const data = temporaryFolder()
    chownSync(data, nobody, nobody)
    const process_ = simulateSlowly(data, { asNobody: true })
    await makeReadOnly(data, process_)
    await assertAllStored(process_, data, 120)
  })

  it("is waited for by two services with many batches, and nothing is lost", async () => {
    const data = temporaryFolder()
    chownSync(data, nobody, nobody)
    const process_ = simulateFast(data, { asNobody: true })
    await makeReadOnly(data, process_)
    await assertAllStoredOrLettered(process_, data, 400)
  })
})

describe.skipIf(!canLimit)("a process that has no file handle to spare", () => {
  it("waits for one, and nothing is lost", async () => {
    const data = temporaryFolder()
    const process_ = simulateSlowly(data)
    await takeHandles(data, process_)
    await assertAllStored(process_, data, 120)
  })

  it("waits for one with two services and many batches, and nothing is lost", async () => {
    const data = temporaryFolder()
    const process_ = simulateFast(data)
    await takeHandles(data, process_)
    await assertAllStoredOrLettered(process_, data, 400)
  })
})

describe("a run's folder that is deleted under the process", () => {
  it("is made again, and what comes after is stored", async () => {
    const data = temporaryFolder()
    const process_ = start(
      ["run", "--data", data, "--ticks", "400", "--max-batch-size", "20", "--retry-backoff-ms", "10", "--json"],
      { env: { TICKVAULT_SIMULATION_ENGINE_TICKS_PER_SECOND: "200" } }
    )
    // The last one may still be on its way, and be written again.
    await until(hasBatches(data, 2), "two batches were stored")
    // Out of the way first, as nothing can come into it there while it is deleted.
    const gone = join(temporaryFolder(), "gone")
    renameSync(join(data, runIn(data)), gone)
    rmSync(gone, { recursive: true, force: true })
    const ended = await process_.ended
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.include({ ...accountOf(ended) }, { received: 400, lost: 0, inFlight: 0 })
    const ticks = [...storedRuns(data).values()].flatMap((stored) => stored.ticks)
    assert.strictEqual(ticks.at(-1)?.tick, 400n)
    assert.deepStrictEqual(deadLetters(data), [])
    const first = ticks[0]?.tick ?? 0n
    assert.isAbove(Number(first), 1)
    assert.lengthOf(ticks, Number(400n - first + 1n))
    // The ledger was deleted too, and made again from what is there. Whether it knew of what is gone is chance.
    const verified = await run(["verify", "--data", data])
    assert.include([0, 3], verified.code)
    assert.notMatch(verified.stdout, /damaged|doesn't know/u)
  })
})

describe("two processes that store into the same folder at once", () => {
  it("of two runs store both, each whole", async () => {
    const data = temporaryFolder()
    const ended = await Promise.all(
      (["evochora-1-organism.pb.zst", "evochora-60-organisms.pb.zst"] as const).map((file) =>
        run(["ingest", pathOf(file), "--data", data, "--max-batch-size", "50", "--json"])
      )
    )
    assert.deepStrictEqual(
      ended.map(({ code }) => code),
      [0, 0]
    )
    const sizes = [...storedRuns(data).values()].map(({ ticks }) => ticks.length)
    assert.sameMembers(sizes, [1000, 100])
    await assertWhole(data)
  })

  it("of the same run store every tick once", async () => {
    const data = temporaryFolder()
    const ticks = join(data, "..", `${data.split("/").at(-1)}.pb`)
    writeFileSync(ticks, readRecorded("evochora-1-organism.pb.zst"))
    const ingest = ["ingest", ticks, "--data", data, "--max-batch-size", "20", "--json"]
    const ended = await Promise.all([run(ingest), run(ingest)])
    rmSync(ticks)
    const accounts = ended.map(accountOf)
    for (const [index, account] of accounts.entries()) {
      assert.strictEqual(ended[index]?.code, 0, ended[index]?.stderr)
      assert.strictEqual(account.written + account.duplicate, 1000)
    }
    assert.strictEqual((accounts[0]?.written ?? 0) + (accounts[1]?.written ?? 0), 1000)
    const [stored] = storedRuns(data).values()
    assert.lengthOf(stored?.ticks ?? [], 1000)
    await assertWhole(data)
  })
})
