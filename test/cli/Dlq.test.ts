// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off preferSchemaOverJson:off
import { once } from "node:events"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import * as TestTick from "../../src/testing/TestTick.ts"
import { batchName, delimited, idsIn, type Letters, makeLetters, snapshot } from "../support/deadLetterFolder.ts"
import { pause, run, start, temporaryFolder } from "../support/process.ts"
import { randomFrom } from "../support/random.ts"
import { deadLetters, leftovers, storedRuns } from "../support/storedRuns.ts"

const dlq = ({ cwd }: Pick<Letters, "cwd">, ...args: ReadonlyArray<string>) => run(["dlq", ...args], { cwd })

const numbersIn = (data: string, runId: string) =>
  storedRuns(data)
    .get(runId)
    ?.ticks.map(({ tick }) => Number(tick))

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

const damage = (data: string, id: string) => {
  const folder = join(data, ".dead-letters")
  const name = readdirSync(folder).find((file) => file.startsWith(id))
  assert(name !== undefined)
  const bytes = readFileSync(join(folder, name))
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff
  writeFileSync(join(folder, name), bytes)
}

describe("dlq list", () => {
  it("names each letter, oldest first, with its run, ticks, reason, age and retries, and the totals", async () => {
    const letters = await makeLetters(2, 10, ["a", "b"])
    const [first, ...rest] = (await dlq(letters, "list")).stdout.trimEnd().split("\n")
    assert.match(first ?? "", /^ID +RUN +RANGE +TICKS +REASON +AGE +RETRIES$/u)
    assert.match(rest[0] ?? "", new RegExp(String.raw`^${letters.ids[0]} +a +1-10 +10 +key_conflict +\d+ s +0$`, "u"))
    assert.deepStrictEqual(
      rest.slice(0, -1).map((line) => line.split(/ +/u).slice(0, 3)),
      letters.ids.map((id, index) => [id, index < 2 ? "a" : "b", index % 2 === 0 ? "1-10" : "11-20"])
    )
    assert.strictEqual(rest.at(-1), "4 letters, 40 ticks")
    const json = JSON.parse((await dlq(letters, "list", "--run", "b", "--json")).stdout)
    assert.deepStrictEqual(json.total, { letters: 2, ticks: 20, damaged: 0 })
    assert.deepInclude(json.letters[1], {
      id: letters.ids[3],
      queue: "persistence-dlq",
      runs: ["b"],
      first: "11",
      last: "20",
      reason: "key_conflict",
      retries: 0
    })
  })

  it("says that there are none, and does not take a folder that is not there for one without letters", async () => {
    const cwd = temporaryFolder()
    mkdirSync(join(cwd, "data"))
    assert.strictEqual((await dlq({ cwd }, "list")).stdout, "There are no dead letters.\n")
    assert.deepStrictEqual(readdirSync(join(cwd, "data")), [])
    const missing = await dlq({ cwd }, "list", "--data", "dta")
    assert.strictEqual(missing.code, 1)
    assert.match(missing.stderr, /there is no folder .*dta/u)
    assert.deepStrictEqual(readdirSync(cwd), ["data"])
  })

  it("says of a queue in memory that its letters don't last", async () => {
    const cwd = temporaryFolder()
    const config = join(import.meta.dirname, "../config/fixtures/production.conf")
    const ended = await dlq({ cwd }, "list", "--config", config)
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /no FileDeadLetterQueue/u)
  })
})

describe("dlq show", () => {
  it("shows all of a letter that a unique beginning of its id names, its ticks up to a number", async () => {
    const letters = await makeLetters(1, 30)
    const [id = ""] = letters.ids
    const { stdout } = await dlq(letters, "show", id.slice(0, 20))
    for (const pattern of [
      new RegExp(String.raw`^letter +${id}$`, "mu"),
      /^reason +key_conflict$/mu,
      /^failed +first \d{4}-\d\d-\d\dT[\d:.]+Z, \d+ s ago$/mu,
      /^source +persistence-1, from queue raw-tick-data$/mu,
      /^ {2}storage write of "run\/batch_.* failed: the key holds different bytes already/mu,
      /^ {2}tickCount +30$/mu,
      /^payload +List<TickData>, \d+ B, 30 ticks$/mu,
      /^ {2}run +20 +7$/mu,
      /^ {2}and 10 further ticks: --json lists all/mu
    ]) {
      assert.match(stdout, pattern)
    }
    assert.notMatch(stdout, /^ {2}run +21 /mu)
    const json = JSON.parse((await dlq(letters, "show", id, "--json")).stdout)
    assert.lengthOf(json.payload, 30)
    assert.deepStrictEqual(json.payload[29], { run: "run", tick: "30", bytes: 7 })
    assert.strictEqual(json.metadata.endTick, "30")
  })

  it("names candidates when an id is ambiguous or unknown", async () => {
    const letters = await makeLetters(2)
    const [first = "", second = ""] = letters.ids
    const ambiguous = await dlq(letters, "show", "00")
    assert.strictEqual(ambiguous.code, 1)
    assert.include(ambiguous.stderr, `it could be ${first}, ${second}`)
    const unknown = await dlq(letters, "show", `${second}0`)
    assert.strictEqual(unknown.code, 1)
    assert.include(unknown.stderr, `did you mean ${second}?`)
    assert.include((await dlq(letters, "show", "zzz")).stderr, `there are ${first}, ${second}`)
  })
})

describe("dlq replay", () => {
  it("wants to be told which letters", async () => {
    const cwd = temporaryFolder()
    mkdirSync(join(cwd, "data"))
    const wrong: ReadonlyArray<ReadonlyArray<string>> = [[], ["--all", "--run", "run"], ["--all", "001"]]
    for (const ended of await Promise.all(wrong.map((args) => dlq({ cwd }, "replay", ...args)))) {
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /ids, --all, or --run RUN/u)
    }
  })

  it("changes nothing with --dry-run, and says what it would meet", async () => {
    const letters = await makeLetters(2)
    rmSync(join(letters.data, "run", batchName(1, 10)))
    const before = snapshot(letters.data)
    const ended = await dlq(letters, "replay", "--all", "--dry-run")
    assert.strictEqual(ended.code, 2)
    const lines = ended.stdout.split("\n")
    assert.strictEqual(lines[0], `${letters.ids[0]}: 10 to store, 0 stored already, 0 refused`)
    assert.match(lines[1] ?? "", /0 to store, 0 stored already, 10 refused: they would stay/u)
    assert.deepStrictEqual(snapshot(letters.data), before)
    assert.strictEqual((await dlq(letters, "replay", letters.ids[0] ?? "", "--dry-run")).code, 0)
  })

  it("leaves what still fails a letter with a longer history, and stores it once nothing is in the way", async () => {
    const letters = await makeLetters(2)
    rmSync(join(letters.data, "run", batchName(1, 10)))
    const failing = await dlq(letters, "replay", "--all")
    assert.strictEqual(failing.code, 2)
    assert.match(
      failing.stdout,
      new RegExp(`^${letters.ids[0]}: 10 stored, .*deleted\n${letters.ids[1]}: 0 stored`, "u")
    )
    assert.match(failing.stdout, /1 of 2 letters deleted; 10 stored, 0 stored already; 1 letter could not/u)
    const [row] = JSON.parse((await dlq(letters, "list", "--json")).stdout).letters
    assert.deepInclude(row, { id: letters.ids[1], retries: 1, ticks: 10 })
    rmSync(join(letters.data, "run", batchName(11, 20)))
    const ended = await dlq(letters, "replay", "--all")
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.deepStrictEqual(numbersIn(letters.data, "run"), upTo(20))
    assert.deepStrictEqual(deadLetters(letters.data), [])
    assert.deepStrictEqual(leftovers(letters.data), [])
    const again = await dlq(letters, "replay", "--all")
    assert.deepStrictEqual([again.code, again.stdout], [0, "There are no dead letters.\n"])
  })

  it("takes only the letters of a run with --run", async () => {
    const letters = await makeLetters(1, 10, ["a", "b"])
    letters.makeWay()
    assert.strictEqual((await dlq(letters, "replay", "--run", "b")).code, 0)
    assert.deepStrictEqual(idsIn(letters.data), letters.ids.slice(0, 1))
    assert.deepStrictEqual(numbersIn(letters.data, "b"), upTo(10))
    const none = await dlq(letters, "replay", "--run", "c")
    assert.deepStrictEqual([none.code, none.stdout], [0, "No letter has ticks of the run.\n"])
  })

  it("compresses what it stores as the storage is configured", async () => {
    const letters = await makeLetters(2)
    letters.makeWay()
    assert.strictEqual((await dlq(letters, "replay", letters.ids[0] ?? "")).code, 0)
    const env = { TICKVAULT_STORAGE_MAIN_COMPRESSION: "none" }
    const ended = await run(["dlq", "replay", "--all"], { cwd: letters.cwd, env })
    assert.strictEqual(ended.code, 0, ended.stderr)
    const batches = readdirSync(join(letters.data, "run")).filter((name) => name.startsWith("batch_"))
    assert.deepStrictEqual(batches.toSorted(), [batchName(1, 10), batchName(11, 20).replace(".zst", "")])
  })

  it("is safe beside a running pipeline, and beside another replay", async () => {
    const letters = await makeLetters(20)
    letters.makeWay()
    const pipeline = start(["ingest", "-", "--max-batch-size", "10", "--json"], { cwd: letters.cwd })
    await pipeline.logs(/Service started/u)
    const replays = [dlq(letters, "replay", "--all"), dlq(letters, "replay", "--all")]
    for (let first = 201; first < 400; first += 20) {
      pipeline.child.stdin.write(delimited(TestTick.range("run", first, first + 19)))
      await pause(30)
    }
    for (const ended of await Promise.all(replays)) assert.strictEqual(ended.code, 0, ended.stderr)
    pipeline.child.stdin.end()
    assert.strictEqual((await pipeline.ended).code, 0)
    assert.deepStrictEqual(numbersIn(letters.data, "run"), upTo(400))
    assert.deepStrictEqual(deadLetters(letters.data), [])
    assert.deepStrictEqual(leftovers(letters.data), [])
  })

  it("shuts down cleanly whenever a signal comes, and continues the next time", { timeout: 60_000 }, async () => {
    const random = randomFrom(11)
    const letters = await makeLetters(60)
    letters.makeWay()
    let partly = 0
    for (let repeat = 0; repeat < 4; repeat++) {
      const before = deadLetters(letters.data).length
      const replaying = start(["dlq", "replay", "--all"], { cwd: letters.cwd })
      await once(replaying.child.stdout, "data")
      await pause(random.between(0, 60))
      replaying.signal(random.pick(["SIGINT", "SIGTERM"] as const))
      const ended = await replaying.ended
      const after = deadLetters(letters.data).length
      assert.strictEqual(ended.code, after === 0 ? 0 : 2, ended.stderr)
      assert.match(ended.stdout, new RegExp(`${before - after} of ${before} letters? deleted`, "u"))
      assert.deepStrictEqual(leftovers(letters.data), [])
      // Every letter is either whole or gone with all of its ticks stored.
      assert.lengthOf(numbersIn(letters.data, "run") ?? [], (60 - after) * 10)
      if (after === 0) break
      partly++
    }
    assert.isAbove(partly, 0)
    if (deadLetters(letters.data).length > 0) {
      assert.strictEqual((await dlq(letters, "replay", "--all")).code, 0)
    }
    assert.deepStrictEqual(numbersIn(letters.data, "run"), upTo(600))
  })

  it("skips a damaged letter, which is listed as damaged and can be dropped", async () => {
    const letters = await makeLetters(2)
    letters.makeWay()
    const [first = ""] = letters.ids
    damage(letters.data, first)
    const list = (await dlq(letters, "list", "--run", "run")).stdout
    assert.match(list, new RegExp(String.raw`^${first} +\? +\? +\? +DAMAGED`, "mu"))
    assert.match(list, new RegExp(`^DAMAGED ${first}: .*checksum`, "mu"))
    assert.match(list, /^2 letters, 10 ticks; 1 is damaged/mu)
    const shown = await dlq(letters, "show", first)
    assert.strictEqual(shown.code, 1)
    assert.match(shown.stderr, /checksum/u)
    const ended = await dlq(letters, "replay", "--all")
    assert.strictEqual(ended.code, 2)
    assert.deepStrictEqual(numbersIn(letters.data, "run"), upTo(20).slice(10))
    assert.deepStrictEqual(idsIn(letters.data), [first])
    assert.match((await dlq(letters, "drop", first, "--reason", "bad disk")).stdout, /^Dropped .* a damaged letter/u)
    assert.deepStrictEqual(idsIn(letters.data), [])
  })
})

describe("dlq drop", () => {
  it("needs a reason, keeps it in the ledger, and prints what it deleted", async () => {
    const letters = await makeLetters(1)
    const [id = ""] = letters.ids
    for (const args of [[], ["--reason", "  "]]) {
      const ended = await dlq(letters, "drop", id, ...args)
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /--reason/u)
      assert.deepStrictEqual(idsIn(letters.data), [id])
    }
    const ended = await dlq(letters, "drop", id, "--reason", "made by mistake")
    assert.deepStrictEqual([ended.code, ended.stdout], [0, `Dropped ${id}. Deleted for good: 10 ticks of run, 1-10.\n`])
    assert.deepStrictEqual(idsIn(letters.data), [])
    const ledger = join(letters.data, "run/ledger")
    assert.isTrue(
      readdirSync(ledger).some((log) => readFileSync(join(ledger, log), "utf8").includes("made by mistake"))
    )
  })
})

describe("dlq export", () => {
  it("writes what ingest takes, and overwrites nothing", async () => {
    const letters = await makeLetters(1)
    const [id = ""] = letters.ids
    const ended = await dlq(letters, "export", id, "exported")
    assert.deepStrictEqual(
      [ended.code, ended.stdout],
      [0, "Wrote 10 ticks, 80 B, to exported. The letter stays where it is.\n"]
    )
    assert.deepStrictEqual(idsIn(letters.data), [id])
    assert.strictEqual((await run(["ingest", "exported", "--data", "other"], { cwd: letters.cwd })).code, 0)
    assert.deepStrictEqual(numbersIn(join(letters.cwd, "other"), "run"), upTo(10))

    writeFileSync(join(letters.cwd, "exported"), "mine")
    const refused = await dlq(letters, "export", id, "exported")
    assert.strictEqual(refused.code, 1)
    assert.match(refused.stderr, /^tickvault: exported can't be written: it exists already/u)
    assert.strictEqual(readFileSync(join(letters.cwd, "exported"), "utf8"), "mine")

    const { stdout } = await dlq(letters, "export", id, "-")
    assert.strictEqual(stdout, delimited(TestTick.range("run", 1, 10)).toString())
    assert.strictEqual((await dlq(letters, "export", id, "letter", "--letter")).code, 0)
    const file = readdirSync(join(letters.data, ".dead-letters")).find((name) => name.startsWith(id)) ?? ""
    assert.isTrue(
      readFileSync(join(letters.cwd, "letter")).equals(readFileSync(join(letters.data, ".dead-letters", file)))
    )
    assert.strictEqual((await dlq(letters, "export", id, "nowhere/letter")).code, 1)
    assert.isFalse(existsSync(join(letters.cwd, "nowhere")))
  })
})

const service = (storage: string) => ({
  className: "PersistenceService",
  resources: { input: "queue-in:ticks", storage: `storage-write:${storage}`, dlq: "queue-out:letters" }
})

const document = (services: object) => ({
  resources: {
    main: { className: "FileStorage", options: { rootDirectory: "data" } },
    other: { className: "FileStorage", options: { rootDirectory: "other" } },
    ticks: { className: "TickQueue" },
    letters: { className: "FileDeadLetterQueue", options: { directory: "data/.dead-letters" } }
  },
  services: { one: service("main"), two: service("other"), ...services },
  startupSequence: ["one", "two"]
})

describe("a configuration with several storages", () => {
  it("must say into which one letters are replayed", async () => {
    const letters = await makeLetters(1)
    letters.makeWay()
    mkdirSync(join(letters.cwd, "other"))
    writeFileSync(join(letters.cwd, "two.json"), JSON.stringify(document({})))
    const ended = await dlq(letters, "replay", "--all", "--config", "two.json")
    assert.strictEqual(ended.code, 1)
    assert.match(ended.stderr, /letters of letters could go into main or other: give letters a RecoveryService/u)
    assert.deepStrictEqual(idsIn(letters.data), letters.ids)

    const recovery = {
      className: "RecoveryService",
      resources: { dlq: "queue-in:letters", storage: "storage-write:other" }
    }
    writeFileSync(join(letters.cwd, "said.json"), JSON.stringify(document({ recovery })))
    assert.strictEqual((await dlq(letters, "replay", "--all", "--config", "said.json")).code, 0)
    assert.deepStrictEqual(numbersIn(join(letters.cwd, "other"), "run"), upTo(10))
  })
})
