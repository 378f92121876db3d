// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Path from "effect/Path"
import * as TestClock from "effect/testing/TestClock"
import type { Check } from "../../src/storage/FolderChecks.ts"
import * as PipelineConfig from "../../src/config/PipelineConfig.ts"
import type { PlannedSpace } from "../../src/pipeline/PlannedSpace.ts"
import * as StartupChecks from "../../src/pipeline/StartupChecks.ts"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import { good } from "../config/harness.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as ScriptedFileSystem from "../support/ScriptedFileSystem.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"

const platform = Layer.merge(Layer.provideMerge(ScriptedFileSystem.layer, NodeServices.layer), LogWatch.layer())

const nothingPlanned: PlannedSpace = new Map()

/** A folder, the embedded pipeline in it and the time of the machine. */
const setup = Effect.fnUntraced(function* (env: Readonly<Record<string, string>> = {}) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const script = yield* ScriptedFileSystem.ScriptedFileSystem
  const nowMs = yield* TestClock.withLive(Clock.currentTimeMillis)
  yield* TestClock.setTime(nowMs)
  const data = path.join(yield* temporaryFolder, "data")
  const overrides = PipelineConfig.overrides({ data })
  const { config } = yield* good({ env, overrides })
  const files = Effect.map(fs.readDirectory(data, { recursive: true }), (names) => names.sort())
  return { fs, path, script, nowMs, data, config, files, open: FileStorage.make("opened", { rootDirectory: data }) }
})

const planned = (bytes: number | undefined): PlannedSpace => new Map([["storage-main", { bytes, basis: "a test" }]])

const find = (checks: ReadonlyArray<Check>, resource: string, subject: Check["subject"]) =>
  checks.find((check) => check.resource === resource && check.subject === subject)

/** What isn't as it should be, one line each. */
const bad = (checks: ReadonlyArray<Check>) =>
  checks.filter(({ verdict }) => verdict !== "ok").map((check) => `${check.verdict} ${check.resource} ${check.subject}`)

describe("a check at start", () => {
  it.effect("finds a folder good that works, and leaves nothing in it", () =>
    Effect.gen(function* () {
      const { config, data, files, open } = yield* setup()
      yield* open
      const checks = yield* StartupChecks.check(config, nothingPlanned, "thorough")
      assert.deepStrictEqual(bad(checks), [])
      assert.deepStrictEqual(yield* files, [])
      assert.strictEqual(find(checks, "storage-main", "folder")?.message, data)
      const subjects = checks.filter(({ resource }) => resource === "storage-main").map(({ subject }) => subject)
      const all = ["folder", "files", "hard links", "fsync", "durability", "free space", "leftovers", "set aside"]
      assert.deepStrictEqual<ReadonlyArray<string>>(subjects, all)
    }).pipe(Effect.provide(platform))
  )

  it.effect("makes no folder that is missing, and says that it will be made", () =>
    Effect.gen(function* () {
      const { config, data, fs } = yield* setup()
      const checks = yield* StartupChecks.check(config, nothingPlanned, "thorough")
      assert.deepStrictEqual(bad(checks), [])
      assert.strictEqual(find(checks, "storage-main", "folder")?.message, `${data} will be made`)
      assert.isFalse(yield* fs.exists(data))
    }).pipe(Effect.provide(platform))
  )

  it.effect("has a problem where the folder is a file or below one, and stops the start with it", () =>
    Effect.gen(function* () {
      const { config, data, fs } = yield* setup()
      yield* fs.writeFile(data, Uint8Array.of(1))
      const checks = yield* StartupChecks.check(config, nothingPlanned, "quick")
      assert.deepStrictEqual(bad(checks), ["problem storage-main folder", "problem persistence-dlq folder"])
      const { message } = yield* Effect.flip(StartupChecks.atStart(config, nothingPlanned))
      assert.include(message, `storage open of "${data}" failed: no object can lie there (ENOTDIR)`)
      assert.match(message, /\(and 1 more: see `tickvault doctor`\)$/u)
    }).pipe(Effect.provide(platform))
  )

  it.effect.each([
    ["EACCES", "problem"],
    ["EROFS", "problem"],
    ["ENOSPC", "warning"],
    ["EIO", "warning"]
  ] as const)("that can't write (%s) is a %s: a pipeline waits for what may pass", ([code, verdict]) =>
    Effect.gen(function* () {
      const { config, open, script } = yield* setup()
      yield* open
      yield* script.fail("write", /\.tmp$/u, code)
      const checks = yield* StartupChecks.check(config, nothingPlanned, "quick")
      assert.deepStrictEqual(bad(checks), [`${verdict} storage-main files`])
      assert.include(find(checks, "storage-main", "files")?.message, `(${code})`)
    }).pipe(Effect.provide(platform))
  )

  it.effect(
    "warns where there are no hard links and folders can't be fsynced, and leaves it to the storage to log it",
    () =>
      Effect.gen(function* () {
        yield* LogWatch.expect("Warn", /^No hard links/u, { times: 1 })
        yield* LogWatch.expect("Warn", /^Folders can't be fsynced/u, { times: 1 })
        const { config, open, script } = yield* setup()
        yield* script.failAlways("link", /./u, "EOPNOTSUPP")
        yield* script.failAlways("sync", /data$/u, "EINVAL")
        yield* open
        const checks = yield* StartupChecks.check(config, nothingPlanned, "quick")
        assert.deepStrictEqual(bad(checks), ["warning storage-main hard links", "warning storage-main fsync"])
        yield* StartupChecks.atStart(config, nothingPlanned)
      }).pipe(Effect.provide(platform))
  )

  it.effect("warns, once a start, where less than all is made durable", () =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Warn", "A check at start has a warning", { times: 2 })
      const { config } = yield* setup({
        TICKVAULT_STORAGE_MAIN_DURABILITY: "none",
        TICKVAULT_PERSISTENCE_DLQ_DURABILITY: "file"
      })
      yield* StartupChecks.atStart(config, nothingPlanned)
      const findings = (yield* LogWatch.lines).map(({ annotations }) => annotations["finding"])
      assert.match(String(findings[0]), /^none: a power cut may take or cut what was stored last; set the option/u)
      assert.match(String(findings[1]), /^file: a power cut may take the names/u)
    }).pipe(Effect.provide(platform))
  )

  it.effect("warns when less is free than is planned, and tells the gauge", () =>
    Effect.gen(function* () {
      const { config } = yield* setup()
      const checks = yield* StartupChecks.check(config, planned(1e18), "quick")
      assert.deepStrictEqual(bad(checks), ["warning storage-main free space"])
      const { facts, message } = find(checks, "storage-main", "free space") ?? assert.fail("not checked")
      assert.match(message, /free, planned: about 1000000\.0 TB \(a test\); make room/u)
      assert.deepStrictEqual(bad(yield* StartupChecks.check(config, planned(1), "quick")), [])
      assert.deepStrictEqual(bad(yield* StartupChecks.check(config, planned(undefined), "quick")), [])
      const gauge = (yield* Metric.snapshot).find(
        ({ attributes, id }) => id === "persistence_storage_free_bytes" && attributes?.["storage"] === "storage-main"
      )
      const free = gauge !== undefined && "value" in gauge.state ? Number(gauge.state.value) : 0
      assert.isAbove(free, 0)
      assert.approximately(free, Number(facts["freeBytes"]), 1e9)
    }).pipe(Effect.provide(platform), Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})

describe("the clock", () => {
  it.effect("before 2025 is a problem", () =>
    Effect.gen(function* () {
      const { config } = yield* setup()
      yield* TestClock.setTime(1_735_689_600_000 - 1)
      assert.deepStrictEqual(bad(yield* StartupChecks.check(config, nothingPlanned, "quick")), ["problem system clock"])
      yield* TestClock.setTime(1_735_689_600_000)
      assert.deepStrictEqual(bad(yield* StartupChecks.check(config, nothingPlanned, "quick")), [])
    }).pipe(Effect.provide(platform))
  )

  it.effect("that is more than a minute behind the last stored file gives a warning", () =>
    Effect.gen(function* () {
      const { config, data, fs, nowMs, open, path } = yield* setup()
      yield* open
      const run = path.join(data, "run")
      yield* fs.makeDirectory(run)
      yield* fs.utimes(run, (nowMs + 59_000) / 1000, (nowMs + 59_000) / 1000)
      assert.deepStrictEqual(bad(yield* StartupChecks.check(config, nothingPlanned, "quick")), [])
      yield* fs.utimes(run, (nowMs + 90_000) / 1000, (nowMs + 90_000) / 1000)
      const checks = yield* StartupChecks.check(config, nothingPlanned, "quick")
      assert.deepStrictEqual(bad(checks), ["warning system clock"])
      assert.match(
        find(checks, "system", "clock")?.message ?? "",
        /^it is 1m 30s behind the last stored file; set the clock/u
      )
    }).pipe(Effect.provide(platform))
  )
})

describe("leftovers of crashes", () => {
  it.effect("are dealt with by a thorough check only, and young ones are another process's", () =>
    Effect.gen(function* () {
      const { config, data, files, fs, nowMs, open, path } = yield* setup()
      yield* open
      const put = Effect.fnUntraced(function* (name: string, content: string, ageHours: number) {
        const file = path.join(data, name)
        yield* fs.makeDirectory(path.dirname(file), { recursive: true })
        yield* fs.writeFileString(file, content)
        yield* fs.utimes(file, nowMs / 1000 - ageHours * 3600, nowMs / 1000 - ageHours * 3600)
      })
      yield* put(".tickvault-1a.tmp", "x", 2)
      yield* put("run/.tickvault-2b.tmp", "x", 2)
      yield* put("run/.tickvault-3c.tmp", "x", 0.5)
      yield* put("run/batch_1_2.pb", "", 2)
      yield* put("run/batch_3_4.pb", "x", 2)
      yield* put("run/batch_5_6.pb", "", 0)
      yield* put("run/ledger/a.log", "", 2)
      yield* put("run/.set-aside/batch_7_8.pb.1", "x", 2)
      const before = yield* files
      assert.deepStrictEqual(bad(yield* StartupChecks.check(config, nothingPlanned, "quick")), [])
      assert.deepStrictEqual(yield* files, before)

      const checks = yield* StartupChecks.check(config, nothingPlanned, "thorough")
      assert.deepStrictEqual(bad(checks), ["warning storage-main leftovers", "warning storage-main set aside"])
      const found = find(checks, "storage-main", "leftovers")
      assert.deepStrictEqual(found?.facts, { removed: 2, young: 1, empty: 1 })
      assert.include(found?.message, "2 old removed, 1 young left alone; empty files that a crash left behind: 1,")
      assert.include(found?.message, "the first one run/batch_1_2.pb")
      assert.deepStrictEqual(find(checks, "storage-main", "set aside")?.facts, { files: 1 })
      const gone = before.filter((name) => name.endsWith("1a.tmp") || name.endsWith("2b.tmp"))
      assert.deepStrictEqual(
        yield* files,
        before.filter((name) => !gone.includes(name))
      )
    }).pipe(Effect.provide(platform))
  )
})
