// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off globalTimers:off
import { execFileSync } from "node:child_process"
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, onTestFinished } from "vitest"
import { canMount, makeDisk } from "../support/disk.ts"
import {
  accountOf,
  canLimit,
  makeRoom,
  type Options,
  pause,
  type Started,
  start,
  temporaryFolder
} from "../support/process.ts"
import { pathOf, readRecorded } from "../support/recordedFiles.ts"
import { deadLetters, leftovers, parseDelimited, storedRuns } from "../support/storedRuns.ts"

const recorded = "evochora-60-organisms.pb.zst"

const ingest = ["ingest", pathOf(recorded), "--json"]

/** Five batches of about 650 kB before compression, each tried once before it is dead-lettered. */
const inBatches = [...ingest, "--max-batch-size", "20", "--max-retries", "0"]

/** How ticks are stored, with room for one or two batches of a disk, and a size of files that no batch keeps to. */
const ways = [
  { compression: "zstd", leftKiB: 32, fileSizeLimitKiB: 4 },
  { compression: "none", leftKiB: 1024, fileSizeLimitKiB: 64 }
] as const

const refused = /Storage and dead-letter queue both refuse/u

/** That all of the recorded ticks lie in `data`, byte for byte, and nothing else does. */
const assertAllStored = (data: string) => {
  const [run] = storedRuns(data).values()
  const expected = parseDelimited(readRecorded(recorded))
  assert.lengthOf(run?.ticks ?? [], 100)
  assert.isTrue(run?.ticks.every(({ payload }, index) => payload.equals(expected[index]?.payload ?? Buffer.of())))
  assert.deepStrictEqual(deadLetters(data), [])
  assert.deepStrictEqual(leftovers(data), [])
}

/** That the account names what is left, and the rest of it lies in `data`. */
const assertLeft = async (process_: Started, data: string) => {
  const ended = await process_.ended
  assert.strictEqual(ended.code, 3, ended.stderr)
  const account = accountOf(ended)
  const stored = [...storedRuns(data).values()].flatMap(({ ticks }) => ticks).length
  assert.strictEqual(account.written, stored)
  assert.isAbove(account.inFlight + account.returned, 0)
  assert.strictEqual(account.received, account.written + account.inFlight + account.returned)
}

const startAs = ({ compression }: (typeof ways)[number], args: ReadonlyArray<string>, options: Options) =>
  start([...args, "--compression", compression], options)

const stuck = (way: (typeof ways)[number], args: ReadonlyArray<string>, timeout: string) =>
  startAs(way, args, { env: { TICKVAULT_SHUTDOWN_TIMEOUT: timeout }, fileSizeLimitKiB: way.fileSizeLimitKiB })

const onFullDisk = "a full disk, dead letters on the same (needs the right to mount; compression $compression)"

describe.skipIf(!canMount).each(ways)(onFullDisk, (way) => {
  it("is waited out, even past the shutdown timeout, and all goes on when room is made", async () => {
    const { ballast, data } = makeDisk(way.leftKiB)
    const process_ = startAs(way, [...inBatches, "--data", data], { env: { TICKVAULT_SHUTDOWN_TIMEOUT: "300 millis" } })
    await process_.logs(refused)
    await pause(1500)
    assert.isNull(process_.child.exitCode)
    rmSync(ballast)
    const ended = await process_.ended
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.match(ended.stderr, /accepts batches again/u)
    assert.include({ ...accountOf(ended) }, { received: 100, written: 100, batches: 5, lost: 0, inFlight: 0 })
    assertAllStored(data)
  })

  it("holds up the end after a signal for no longer than the shutdown timeout", async () => {
    const { data, free } = makeDisk(way.leftKiB)
    const process_ = startAs(way, [...inBatches, "--data", data], { env: { TICKVAULT_SHUTDOWN_TIMEOUT: "500 millis" } })
    await process_.logs(refused)
    process_.signal("SIGTERM")
    await assertLeft(process_, data)
    assert.isAbove(free(), 0)
  })

  it("holds back a simulation, which goes on when room is made", async () => {
    const { ballast, data } = makeDisk(way.leftKiB)
    const process_ = startAs(
      way,
      ["run", "--data", data, "--ticks", "2000", "--max-batch-size", "100", "--max-retries", "0", "--json"],
      { env: { TICKVAULT_RAW_TICK_DATA_CAPACITY: "300" } }
    )
    await process_.logs(refused)
    await pause(500)
    assert.isNull(process_.child.exitCode)
    rmSync(ballast)
    const ended = await process_.ended
    const account = accountOf(ended)
    const ticks = [...storedRuns(data).values()].flatMap((run) => run.ticks)
    assert.strictEqual(account.written, ticks.length)
    // A batch may have been dead-lettered while there was room for the smaller of the two.
    assert.strictEqual(account.written + account.deadLettered, 2000, ended.stderr)
    assert.strictEqual(ended.code, account.deadLettered === 0 ? 0 : 2)
  })
})

describe.skipIf(!canLimit).each(ways)("a storage that takes nothing (compression $compression)", (way) => {
  it("is waited for until it does", async () => {
    const data = temporaryFolder()
    const process_ = stuck(way, [...ingest, "--max-retries", "0", "--data", data], "300 millis")
    await process_.logs(refused)
    await pause(700)
    makeRoom(process_)
    const ended = await process_.ended
    assert.strictEqual(ended.code, 0, ended.stderr)
    assertAllStored(data)
  })

  it("is given up at the second signal, with the count of what was left", async () => {
    const data = temporaryFolder()
    const process_ = stuck(way, [...inBatches, "--data", data], "10 minutes")
    await process_.logs(refused)
    process_.signal("SIGINT")
    await pause(500)
    assert.isNull(process_.child.exitCode)
    process_.signal("SIGINT")
    await assertLeft(process_, data)
  })

  it("is given up when signals keep coming, however fast", async () => {
    const data = temporaryFolder()
    const process_ = stuck(way, [...inBatches, "--data", data], "10 minutes")
    await process_.logs(refused)
    const held = setInterval(() => process_.signal("SIGINT"), 50)
    onTestFinished(() => clearInterval(held))
    // Which of the signals comes last is chance: the account is out by then.
    assert.match((await process_.ended).stdout, /"inFlight":[1-9]/u)
  })

  it("is explained in the summary as text", async () => {
    const data = temporaryFolder()
    const args = [...inBatches, "--data", data].filter((arg) => arg !== "--json")
    const process_ = stuck(way, args, "300 millis")
    await process_.logs(refused)
    process_.signal("SIGTERM")
    const ended = await process_.ended
    assert.strictEqual(ended.code, 3)
    assert.match(ended.stdout, /[0-9]+ ticks NOT SETTLED: the process was ended before that/u)
  })
})

describe("a storage that hangs", () => {
  it("is left behind when the shutdown timeout has passed", async () => {
    const data = temporaryFolder()
    const runId = parseDelimited(readRecorded(recorded))[0]?.runId ?? ""
    mkdirSync(join(data, runId))
    // To compare it with what lies there, the batch is read from a pipe that nobody writes to.
    execFileSync("mkfifo", [join(data, runId, "batch_0000000000000000010_0000000000000001000.pb.zst")])
    const process_ = start([...ingest, "--data", data, "--log-level", "debug"], {
      env: { TICKVAULT_SHUTDOWN_TIMEOUT: "500 millis" }
    })
    await process_.logs(/Drained ticks from queue/u)
    await pause(200)
    process_.signal("SIGTERM")
    const ended = await process_.ended
    assert.deepStrictEqual([ended.code, ended.signal], [3, null], ended.stderr)
    assert.include({ ...accountOf(ended) }, { received: 100, written: 0, inFlight: 100 })
  })
})
