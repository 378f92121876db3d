// @module-tag integration
// @effect-diagnostics nodeBuiltinImport:off
import { assert, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import * as FileDeadLetterQueue from "../src/deadletter/FileDeadLetterQueue.ts"
import * as IdempotencyTracker from "../src/idempotency/IdempotencyTracker.ts"
import * as PersistenceService from "../src/persistence/PersistenceService.ts"
import * as TickQueue from "../src/queue/TickQueue.ts"
import * as RecoveryService from "../src/replay/RecoveryService.ts"
import * as SimulationEngine from "../src/simulation/SimulationEngine.ts"
import * as World from "../src/simulation/World.ts"
import * as FileStorage from "../src/storage/FileStorage.ts"

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")

const blocks = [...readme.matchAll(/<!-- (?<file>\S+) -->\n```\w+\n(?<code>[\s\S]*?)```/gu)]

it("the README shows at least the app, the configuration and the test", () => {
  assert.isAtLeast(blocks.length, 3)
})

it.each(blocks.map(({ groups }) => [groups?.["file"] ?? "", groups?.["code"] ?? ""]))(
  "the README shows %s as it is",
  (file, code) => {
    assert.strictEqual(code, readFileSync(new URL(`../${file}`, import.meta.url), "utf8"))
  }
)

it("every block of code in the README is taken from a file or is a command", () => {
  const all = [...readme.matchAll(/^```(?<language>\w+)$/gmu)].map(({ groups }) => groups?.["language"])
  assert.strictEqual(all.filter((language) => language !== "sh").length, blocks.length)
})

it("every path of a test that the README names is there", () => {
  const paths = [...readme.matchAll(/`(?<path>test\/[\w/.-]+)`/gu)].map(({ groups }) => groups?.["path"] ?? "")
  assert.isAbove(paths.length, 5)
  for (const path of paths) assert.isTrue(existsSync(new URL(`../${path}`, import.meta.url)), path)
})

it("every option is in the table of options", () => {
  const table = readme.slice(readme.indexOf("## Options"), readme.indexOf("## Metrics"))
  const schemas = [
    PersistenceService,
    TickQueue,
    FileStorage,
    FileDeadLetterQueue,
    IdempotencyTracker,
    SimulationEngine,
    RecoveryService
  ]
  const names = [...schemas.flatMap(({ Options }) => Object.keys(Options.fields)), ...Object.keys(World.Options.fields)]
  assert.isAbove(names.length, 20)
  for (const name of names) assert.include(table, `\`${name}\``)
})

it("the README has no place that was left to fill", () => {
  assert.notMatch(readme, /^[A-Z_]{6,}$/mu)
})
