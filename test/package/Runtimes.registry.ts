// @module-tag integration
// This runs real processes. @effect-diagnostics nodeBuiltinImport:off preferSchemaOverJson:off
import { cpSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "vitest"
import { folderOfFile, install, pack, readPackage, root, sh } from "../support/packed.ts"
import { binary, installTools, mainOfApp } from "./registry.ts"

const folder = folderOfFile()
let app = ""
let tools = ""

beforeAll(() => {
  tools = installTools(folder, "deno", "bun")
  app = install(folder, pack(folder))
  cpSync(join(root, "examples/tickvault.conf"), join(app, "tickvault.conf"))
  cpSync(join(root, "examples/app.ts"), join(app, "app.ts"))
  writeFileSync(join(app, "main.ts"), mainOfApp)
})

const runtimes: Record<string, () => ReadonlyArray<string>> = {
  Deno: () => [binary(tools, "@deno", "deno"), "run", "--allow-all"],
  Bun: () => [binary(tools, "@oven", "bin/bun")]
}

describe.each(Object.entries(runtimes))("under %s", (name, command) => {
  const run = (...args: ReadonlyArray<string>) => {
    const [program = "", ...first] = command()
    return sh(app, program, ...first, ...args)
  }
  const tickvault = (...args: ReadonlyArray<string>) => run("node_modules/tickvault/dist/main.js", ...args)

  it("the command line says its version", () => {
    assert.strictEqual(tickvault("--version"), `tickvault v${readPackage().version}\n`)
  })

  it("the command line stores a run that is whole, with the ticks that Node reads, too", () => {
    const data = `data-${name}`
    tickvault("run", "--ticks", "300", "--data", data)
    const [runId = ""] = readdirSync(join(app, data)).filter((file) => !file.startsWith("."))
    assert.match(tickvault("verify", "--data", data), /^WHOLE: .* 300 ticks, from 1 to 300/u)
    const byNode = sh(app, "node_modules/.bin/tickvault", "cat", runId, "--data", data)
    assert.strictEqual(byNode.split("\n").length, 301)
    assert.isTrue(tickvault("cat", runId, "--data", data) === byNode)
  })

  it("the command line reads a HOCON file", () => {
    assert.include(tickvault("config", "check", "tickvault.conf"), "configuration is good")
  })

  it("an app stores what it makes", () => {
    rmSync(join(app, "ticks"), { recursive: true, force: true })
    assert.include(run("main.ts"), "written: 5000 lost: 0\n")
  })
})
