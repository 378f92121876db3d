// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off newPromise:off
import { execFileSync } from "node:child_process"
import { createWriteStream, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { zstdDecompressSync } from "node:zlib"
import { assert, describe, it } from "vitest"
import { accountOf, pause, run, start, temporaryFolder, until } from "../support/process.ts"
import { realBatches } from "../support/realData.ts"
import { pathOf, readRecorded } from "../support/recordedFiles.ts"
import { deadLetters, leftovers, storedRuns } from "../support/storedRuns.ts"

const number = (tick: bigint) => tick.toString().padStart(19, "0")

const [one, , sixty] = realBatches

/** That `data` holds exactly the one file which is the whole of a recorded batch. */
const assertStored = (
  data: string,
  { file, firstTick, step, ticks }: (typeof realBatches)[number],
  codec: "zstd" | "none" = "zstd"
) => {
  const runs = [...storedRuns(data)]
  assert.lengthOf(runs, 1)
  const [runId = "", stored] = runs[0] ?? []
  const name = `batch_${number(firstTick)}_${number(firstTick + BigInt(ticks - 1) * step)}.pb${codec === "zstd" ? ".zst" : ""}`
  assert.deepStrictEqual(stored?.files, [name])
  const bytes = readFileSync(join(data, runId, name))
  assert.isTrue((codec === "zstd" ? zstdDecompressSync(bytes) : bytes).equals(readRecorded(file)))
  assert.deepStrictEqual(deadLetters(data), [])
  assert.deepStrictEqual(leftovers(data), [])
}

describe("tickvault ingest", () => {
  for (const batch of realBatches) {
    const stored = async (codec: "zstd" | "none", ...args: ReadonlyArray<string>) => {
      const data = temporaryFolder()
      const ended = await run(["ingest", pathOf(batch.file), "--data", data, "--json", ...args])
      assert.strictEqual(ended.code, 0, ended.stderr)
      const { runIds, seconds, storedBytes, ...counts } = accountOf(ended)
      assert.deepStrictEqual(counts, {
        received: batch.ticks,
        written: batch.ticks,
        duplicate: 0,
        deadLettered: 0,
        returned: 0,
        lost: 0,
        inFlight: 0,
        batches: 1,
        writtenBytes: batch.bytes
      })
      assert.isAbove(seconds, 0)
      assert.deepStrictEqual(runIds, [...storedRuns(data).keys()])
      assert.strictEqual(ended.stdout.split("\n").length, 2)
      assertStored(data, batch, codec)
      assert.strictEqual(storedBytes, [...storedRuns(data).values()][0]?.bytes)
      return storedBytes
    }

    it(`stores ${batch.file} as one compressed file of what was recorded`, async () => {
      assert.isBelow(await stored("zstd"), batch.bytes / 10)
    })

    it(`stores ${batch.file} as one file, byte for byte what was recorded, when it is not to compress`, async () => {
      assert.strictEqual(await stored("none", "--compression", "none"), batch.bytes)
    })
  }

  it("takes plain and compressed ticks from standard input", async () => {
    for (const input of [readRecorded(sixty.file), readFileSync(pathOf(sixty.file))]) {
      const data = temporaryFolder()
      const ended = await run(["ingest", "-", "--data", data], { input })
      assert.strictEqual(ended.code, 0, ended.stderr)
      assertStored(data, sixty)
    }
  })

  it("puts together what arrives in tiny pieces", async () => {
    for (const input of [
      readRecorded(one.file).subarray(0, 30_000),
      readFileSync(pathOf(sixty.file)).subarray(0, 30_000)
    ]) {
      const whole = temporaryFolder()
      const pieces = temporaryFolder()
      const expected = accountOf(await run(["ingest", "-", "--data", whole, "--json"], { input }))
      const { child, ended, logs } = start(["ingest", "-", "--data", pieces, "--json"])
      await logs(/Service started/u)
      for (let from = 0; from < input.length;) {
        const size = from < 50 ? 1 : 1 + ((from * 7) % 997)
        await new Promise((resolve) => void child.stdin.write(input.subarray(from, from + size), resolve))
        from += size
      }
      child.stdin.end()
      const { runIds, received } = accountOf(await ended)
      assert.isAbove(received, 0)
      assert.deepStrictEqual([received, runIds], [expected.received, expected.runIds])
      assert.deepStrictEqual(storedRuns(pieces), storedRuns(whole))
    }
  })

  it("names every tick a duplicate that an earlier process has stored", async () => {
    const data = temporaryFolder()
    await run(["ingest", pathOf(one.file), "--data", data])
    const [runId = ""] = storedRuns(data).keys()
    const [file = ""] = readdirSync(join(data, runId))
    const before = readFileSync(join(data, runId, file))
    const again = await run(["ingest", pathOf(one.file), "--data", data, "--json"])
    assert.strictEqual(again.code, 0, again.stderr)
    const { batches, deadLettered, duplicate, lost, written } = accountOf(again)
    assert.deepStrictEqual(
      { batches, deadLettered, duplicate, lost, written },
      { batches: 0, deadLettered: 0, duplicate: 1000, lost: 0, written: 0 }
    )
    assert.isTrue(readFileSync(join(data, runId, file)).equals(before))
    assertStored(data, one)
  })

  it("names every tick a duplicate that an earlier process has stored in batches of another size", async () => {
    for (const { file, ticks } of [one, sixty]) {
      const data = temporaryFolder()
      const ingest = (size: number) =>
        run(["ingest", pathOf(file), "--data", data, "--instances", "2", "--max-batch-size", String(size), "--json"])
      await ingest(30)
      const [[runId = "", before] = []] = storedRuns(data)
      const again = await ingest(17)
      assert.strictEqual(again.code, 0, again.stderr)
      const { batches, duplicate, written } = accountOf(again)
      assert.deepStrictEqual({ batches, duplicate, written }, { batches: 0, duplicate: ticks, written: 0 })
      assert.match(again.stderr, /Ticks are stored already/u)
      assert.notMatch(again.stderr, /Duplicate tick detected/u)
      assert.deepStrictEqual(storedRuns(data).get(runId), before)

      // Without a ledger the files are looked into; what is not there any more is stored again, and nothing else.
      rmSync(join(data, runId, "ledger"), { recursive: true })
      rmSync(join(data, runId, before?.files[1] ?? ""))
      const third = accountOf(await ingest(23))
      assert.deepStrictEqual([third.duplicate, third.written], [ticks - 30, 30])
      assert.sameDeepMembers([...(storedRuns(data).get(runId)?.ticks ?? [])], [...(before?.ticks ?? [])])
      assert.strictEqual((await run(["verify", "--data", data])).code, 0)
    }
  })

  it("stores again in batches of another size what an earlier process has stored, when it is to remember keys", async () => {
    const data = temporaryFolder()
    const args = ["ingest", pathOf(sixty.file), "--data", data, "--json", "--max-batch-size"]
    await run([...args, "30"])
    const env = { TICKVAULT_PERSISTENCE_IDEMPOTENCY_MEMORY: "keys" }
    const { duplicate, written } = accountOf(await run([...args, "17"], { env }))
    assert.deepStrictEqual({ duplicate, written }, { duplicate: 0, written: 100 })
    assert.lengthOf([...storedRuns(data).values()][0]?.ticks ?? [], 200)
  })

  it("makes a dead letter of a batch that has other ticks than the stored one of its name", async () => {
    const data = temporaryFolder()
    const input = Buffer.from(readRecorded(sixty.file))
    const args = ["ingest", "-", "--data", data, "--json"]
    await run(args, { input })
    input.writeUInt8(input.readUInt8(input.length - 1) ^ 1, input.length - 1)
    const ended = await run(args, { input })
    assert.strictEqual(ended.code, 2, ended.stderr)
    const { deadLettered, duplicate, written } = accountOf(ended)
    assert.deepStrictEqual({ deadLettered, duplicate, written }, { deadLettered: 100, duplicate: 0, written: 0 })
    assert.match(ended.stderr, /Stored ticks have the same numbers but other bytes/u)
  })

  it("names every tick a duplicate that comes a second time in the same process", async () => {
    const data = temporaryFolder()
    const ended = await run(["ingest", pathOf(one.file), pathOf(one.file), "--data", data, "--json"])
    assert.strictEqual(ended.code, 0, ended.stderr)
    const { duplicate, received, written } = accountOf(ended)
    assert.deepStrictEqual({ duplicate, received, written }, { duplicate: 1000, received: 2000, written: 1000 })
    assert.match(ended.stderr, /Duplicate tick detected/u)
    assertStored(data, one)
  })

  it("takes several files of several runs one after the other", async () => {
    const data = temporaryFolder()
    const files = realBatches.map(({ file }) => pathOf(file))
    const ended = await run(["ingest", ...files, "--data", data, "--json", "--mixed-runs", "split"])
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.strictEqual(accountOf(ended).written, 2100)
    assert.deepStrictEqual([...accountOf(ended).runIds].sort(), [...storedRuns(data).keys()].sort())
  })

  it("ends on the first signal while standard input is open, with what it has got stored", async () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const data = temporaryFolder()
      const process_ = start(["ingest", "-", "--data", data, "--json", "--log-level", "debug"])
      await process_.logs(/Service started/u)
      const input = readRecorded(sixty.file)
      await new Promise((resolve) => void process_.child.stdin.write(input.subarray(0, input.length - 10), resolve))
      await pause(300)
      process_.signal(signal)
      const ended = await process_.ended
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.include({ ...accountOf(ended) }, { received: 99, written: 99, inFlight: 0, lost: 0 })
      assert.lengthOf([...storedRuns(data).values()][0]?.ticks ?? [], 99)
    }
  })

  it("ends with 1 when a source goes away before it is read", async () => {
    const folder = temporaryFolder()
    const pipe = join(folder, "ticks")
    execFileSync("mkfifo", [pipe])
    const process_ = start(["ingest", "-", pipe, "--data", join(folder, "data"), "--json"])
    await process_.logs(/Service started/u)
    rmSync(pipe)
    process_.child.stdin.end(readRecorded(sixty.file))
    const ended = await process_.ended
    assert.strictEqual(ended.code, 1, ended.stderr)
    assert.include({ ...accountOf(ended) }, { received: 100, written: 100, inFlight: 0, lost: 0 })
    assert.match(ended.stderr, /ticks: .*ENOENT/u)
  })

  it("reads a named pipe, and ends on a signal while nobody writes to it", async () => {
    const folder = temporaryFolder()
    const pipe = join(folder, "ticks")
    execFileSync("mkfifo", [pipe])
    const data = join(folder, "data")

    const waiting = start(["ingest", pipe, "--data", data, "--json"])
    await waiting.logs(/Service started/u)
    await pause(100)
    waiting.signal("SIGTERM")
    const ended = await waiting.ended
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.strictEqual(accountOf(ended).received, 0)

    const reading = start(["ingest", pipe, "--data", data, "--json"])
    await reading.logs(/Service started/u)
    createWriteStream(pipe).end(readRecorded(sixty.file))
    assert.strictEqual((await reading.ended).code, 0)
    assertStored(data, sixty)
  })

  it("stores a batch when its time has come, with standard input still open", async () => {
    const data = temporaryFolder()
    const process_ = start(["ingest", "-", "--data", data, "--batch-timeout-seconds", "0.2"])
    process_.child.stdin.write(readRecorded(sixty.file))
    await until(() => [...storedRuns(data).values()].some(({ ticks }) => ticks.length > 0), "a batch is stored")
    process_.signal("SIGTERM")
    assert.strictEqual((await process_.ended).code, 0)
  })

  it("takes what lies in the current folder's ./data when no folder is given", async () => {
    const cwd = temporaryFolder()
    const copy = join(cwd, "recorded")
    writeFileSync(copy, readRecorded(sixty.file))
    assert.strictEqual((await run(["ingest", "recorded"], { cwd })).code, 0)
    assertStored(join(cwd, "data"), sixty)
  })
})
