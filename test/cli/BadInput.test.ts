// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off preferSchemaOverJson:off
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import * as Delimited from "../../src/domain/Delimited.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { accountOf, run, temporaryFolder } from "../support/process.ts"
import { randomFrom } from "../support/random.ts"
import { readRecorded } from "../support/recordedFiles.ts"
import { deadLetters, leftovers, storedRuns } from "../support/storedRuns.ts"

const asRoot = process.getuid?.() === 0

const delimited = (ticks: ReadonlyArray<Tick.Tick>) => Buffer.concat([...Delimited.encode(ticks)])

/** Ingests `bytes` from a file named "input" in a folder of its own. */
const ingest = async (bytes: Uint8Array) => {
  const folder = temporaryFolder()
  const data = join(folder, "data")
  writeFileSync(join(folder, "input"), bytes)
  const ended = await run(["ingest", "input", "--data", data, "--json"], { cwd: folder })
  assert.deepStrictEqual(leftovers(data), [])
  return { ended, data }
}

const numbersOf = (data: string, runId: string) =>
  storedRuns(data)
    .get(runId)
    ?.ticks.map(({ tick }) => Number(tick))

const lastLine = (text: string) => text.trimEnd().split("\n").at(-1)

const document = (startupSequence: ReadonlyArray<string>) => ({
  pipeline: {
    resources: { files: { className: "FileStorage" }, ticks: { className: "TickQueue" } },
    services: {
      engine: { className: "SimulationEngine", resources: { tickData: "queue-out:ticks" } },
      writer: {
        className: "PersistenceService",
        resources: { input: "queue-in:ticks", storage: "storage-write:files" }
      }
    },
    startupSequence
  }
})

describe("ingest of a damaged source", () => {
  it("stores what came before a cut within a message, and says where it is", async () => {
    const whole = readRecorded("evochora-60-organisms.pb.zst")
    const { data, ended } = await ingest(whole.subarray(0, whole.length - 5))
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /input: message 100 at byte \d+: the stream ends within the message/u)
    assert.include({ ...accountOf(ended) }, { received: 99, written: 99, lost: 0 })
    assert.lengthOf([...storedRuns(data).values()][0]?.ticks ?? [], 99)
  })

  it("stores what came before damage in the middle", async () => {
    const good = delimited(TestTick.range("run", 1, 50))
    const { data, ended } = await ingest(Buffer.concat([good, Buffer.from([5, 0xff, 0xff, 0xff, 0xff, 0xff]), good]))
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, new RegExp(`input: message 51 at byte ${good.length}: not a TickData message`, "u"))
    assert.lengthOf(numbersOf(data, "run") ?? [], 50)
  })

  it("refuses random bytes", async () => {
    const random = randomFrom(7)
    const { data, ended } = await ingest(Uint8Array.from({ length: 4096 }, () => random.between(128, 255)))
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /input: message 1 at byte 0: .*not in the delimited format/u)
    assert.strictEqual(storedRuns(data).size, 0)
  })

  it("refuses an empty file", async () => {
    const { ended } = await ingest(new Uint8Array())
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /input: it is empty/u)
  })

  it("refuses compressed ticks that are cut", async () => {
    const { deflate } = { deflate: (await import("node:zlib")).zstdCompressSync }
    const compressed = deflate(delimited(TestTick.range("run", 1, 500)))
    const { ended } = await ingest(compressed.subarray(0, compressed.length - 20))
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /input: the zstd compression is damaged or cut/u)
  })

  it("does not read on after a damaged file, and names what it has not read", async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, "first"), delimited(TestTick.range("run", 1, 10)).subarray(0, -1))
    writeFileSync(join(folder, "second"), delimited(TestTick.range("run", 11, 20)))
    const ended = await run(["ingest", "first", "second"], { cwd: folder })
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stdout, /PROBLEM: first: message 10 at byte/u)
    assert.match(ended.stdout, /PROBLEM: not read after that: second/u)
    assert.lengthOf(numbersOf(join(folder, "data"), "run") ?? [], 9)
  })
})

describe("ingest of ticks that can't be stored", () => {
  const names = {
    "a climbing path": "../../etc",
    "a path": "a/b",
    "300 characters": "x".repeat(300),
    nothing: "",
    "a NUL byte": "a\0b"
  }
  for (const [what, runId] of Object.entries(names)) {
    it(`dead-letters a tick whose run id is ${what}, and stores the ticks around it`, async () => {
      const ticks = [...TestTick.range("run", 1, 10), TestTick.make(runId, 11), ...TestTick.range("run", 12, 20)]
      const { data, ended } = await ingest(delimited(ticks))
      assert.strictEqual(ended.code, 2, ended.stderr)
      assert.include({ ...accountOf(ended) }, { received: 20, written: 19, deadLettered: 1, lost: 0, inFlight: 0 })
      assert.match(ended.stderr, /Tick can't be stored and will be dead-lettered.* message=11 .*violation=/u)
      assert.lengthOf(numbersOf(data, "run") ?? [], 19)
      assert.lengthOf(deadLetters(data), 1)
      assert.deepStrictEqual(readdirSync(data).sort(), [".dead-letters", "run"])
    })
  }

  it("dead-letters a tick with a negative number", async () => {
    const { data, ended } = await ingest(delimited([TestTick.make("run", -1), ...TestTick.range("run", 1, 5)]))
    assert.strictEqual(ended.code, 2, ended.stderr)
    assert.match(ended.stderr, /its number is negative/u)
    assert.deepStrictEqual(numbersOf(data, "run"), [1, 2, 3, 4, 5])
    assert.lengthOf(deadLetters(data), 1)
  })

  it("dead-letters a message of 0 bytes", async () => {
    const good = delimited(TestTick.range("run", 1, 5))
    const { data, ended } = await ingest(Buffer.concat([good, Buffer.from([0])]))
    assert.strictEqual(ended.code, 2, ended.stderr)
    assert.include({ ...accountOf(ended) }, { received: 6, written: 5, deadLettered: 1 })
    assert.lengthOf(deadLetters(data), 1)
  })

  it("dead-letters ticks under the name of others, and leaves those as they are", async () => {
    const folder = temporaryFolder()
    const path = join(folder, "ticks")
    writeFileSync(path, delimited(TestTick.range("run", 1, 10)))
    assert.strictEqual((await run(["ingest", path], { cwd: folder })).code, 0)
    writeFileSync(path, delimited(TestTick.range("run", 1, 10, 8)))
    const ended = await run(["ingest", path], { cwd: folder })
    assert.strictEqual(ended.code, 2)
    assert.match(ended.stderr, /holds different bytes already/u)
    assert.match(ended.stdout, /10 ticks could not be stored and wait as dead letters in .*\.dead-letters/u)
    assert.isTrue(
      storedRuns(join(folder, "data"))
        .get("run")
        ?.ticks.every(({ payload }) => payload.length < 10)
    )
  })
})

describe("input that can't be opened", () => {
  it("names a missing file", async () => {
    const cwd = temporaryFolder()
    const ended = await run(["ingest", "nowhere/missing.pb"], { cwd })
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /^tickvault: nowhere\/missing\.pb can't be read: .*\n$/u)
    assert.deepStrictEqual(readdirSync(cwd), [])
  })

  it("says that a folder is a folder", async () => {
    const cwd = temporaryFolder()
    mkdirSync(join(cwd, "recorded"))
    const ended = await run(["ingest", "recorded"], { cwd })
    assert.strictEqual(ended.code, 1)
    assert.strictEqual(ended.stderr, "tickvault: recorded is a folder: name the files in it\n")
  })

  it.skipIf(!asRoot)("names a file that may not be read", async () => {
    const cwd = temporaryFolder()
    chmodSync(cwd, 0o777)
    const path = join(cwd, "secret")
    writeFileSync(path, "")
    chmodSync(path, 0o600)
    const ended = await run(["ingest", "secret"], { cwd, asNobody: true })
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /^tickvault: secret can't be read: .*\n$/u)
  })

  it("starts nothing when one of several files is missing", async () => {
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, "good"), delimited(TestTick.range("run", 1, 5)))
    const ended = await run(["ingest", "good", "missing"], { cwd })
    assert.strictEqual(ended.code, 1)
    assert.deepStrictEqual(readdirSync(cwd), ["good"])
  })
})

describe("a data folder that can't be used", () => {
  it("is refused when it is a file", async () => {
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, "data"), "")
    for (const data of ["data", "data/below"]) {
      const ended = await run(["run", "--ticks", "10", "--data", data], { cwd })
      assert.strictEqual(ended.code, 1)
      assert.match(lastLine(ended.stderr) ?? "", /^tickvault: storage open of ".*data.*" failed: .*no folder/u)
      assert.strictEqual(ended.stdout, "")
    }
  })

  it.skipIf(!asRoot)("is refused when it may not be written to", async () => {
    const cwd = temporaryFolder()
    chmodSync(cwd, 0o755)
    const ended = await run(["run", "--ticks", "10", "--data", "data"], { cwd, asNobody: true })
    assert.strictEqual(ended.code, 1)
    assert.match(lastLine(ended.stderr) ?? "", /^tickvault: storage open of ".*data" failed: permission denied/u)
  })
})

describe("a configuration that a command can't run", () => {
  const cases: ReadonlyArray<
    readonly [command: ReadonlyArray<string>, starts: ReadonlyArray<string>, message: RegExp]
  > = [
    [["run"], ["engine"], /starts no PersistenceService/u],
    [["run"], ["writer"], /starts no SimulationEngine/u],
    [["ingest", "-"], ["engine"], /starts no PersistenceService/u]
  ]
  for (const [command, starts, message] of cases) {
    it(`is refused by ${command.join(" ")} when it starts only the ${starts.join()}`, async () => {
      const cwd = temporaryFolder()
      writeFileSync(join(cwd, "pipeline.json"), JSON.stringify(document(starts)))
      const ended = await run([...command, "--config", "pipeline.json"], { cwd })
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, message)
    })
  }
})

describe("a wrong command line", () => {
  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, message: RegExp]> = [
    [["rnu"], /run/u],
    [["run", "--tick", "5"], /--ticks/u],
    [["run", "--ticks", "many"], /ticks/u],
    [["run", "--ticks", "0"], /--ticks/u],
    [["run", "--max-batch-size", "0"], /--max-batch-size/u],
    [["run", "--instances", "0"], /--instances/u],
    [["run", "--config", "x.conf", "--instances", "3"], /--instances is for the pipeline without --config/u],
    [["ingest"], /file/u]
  ]
  for (const [args, message] of wrong) {
    it(`refuses \`${args.join(" ")}\``, async () => {
      const cwd = temporaryFolder()
      const ended = await run(args, { cwd })
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, message)
      assert.deepStrictEqual(readdirSync(cwd), [])
    })
  }
})
