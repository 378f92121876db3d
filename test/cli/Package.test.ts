// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off processEnv:off preferSchemaOverJson:off
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { zstdDecompressSync } from "node:zlib"
import { assert, describe, it } from "vitest"
import { install, listed, pack, readPackage, root, sh } from "../support/packed.ts"
import { temporaryFolder } from "../support/process.ts"
import { readRecorded } from "../support/recordedFiles.ts"

describe("the package, installed elsewhere", () => {
  it("runs from the command line and is imported as a library", { timeout: 150_000 }, () => {
    const folder = temporaryFolder()
    const archive = pack(folder)
    const app = install(folder, archive)

    const { version } = readPackage()
    assert.strictEqual(sh(app, "npx", "--no-install", "tickvault", "--version"), `tickvault v${version}\n`)

    const ticks = join(app, "ticks.pb")
    writeFileSync(ticks, readRecorded("evochora-60-organisms.pb.zst"))
    sh(app, "npx", "--no-install", "tickvault", "ingest", "ticks.pb", "--json")
    const [run = ""] = readdirSync(join(app, "data")).filter((name) => !name.startsWith("."))
    const [file = ""] = readdirSync(join(app, "data", run))
    assert.isTrue(zstdDecompressSync(readFileSync(join(app, "data", run, file))).equals(readFileSync(ticks)))

    cpSync(join(root, "examples/tickvault.conf"), join(app, "tickvault.conf"))
    const checked = sh(app, "npx", "--no-install", "tickvault", "config", "check", "tickvault.conf")
    assert.include(checked, "configuration is good")

    const script = 'import * as tickvault from "tickvault"; console.log(Object.keys(tickvault).length > 5)'
    assert.strictEqual(sh(app, process.execPath, "--input-type=module", "-e", script), "true\n")

    const packed = listed(archive)
    assert.isTrue(packed.includes("dist/main.js"))
    assert.isTrue(packed.includes("dist/bin/THIRD-PARTY-NOTICES.md"))
    // The sources are there for the maps, which the bundled command line has none of.
    assert.deepStrictEqual(
      packed.filter((path) => /^(?:src\/cli\/|src\/main\.ts|test\/|node_modules\/)/u.test(path)),
      []
    )
  })
})
