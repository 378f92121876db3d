// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off processEnv:off preferSchemaOverJson:off
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { zstdDecompressSync } from "node:zlib"
import { assert, describe, it } from "vitest"
import { temporaryFolder } from "../support/process.ts"
import { readRecorded } from "../support/recordedFiles.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

interface Package {
  readonly version: string
  readonly dependencies: Record<string, string>
  readonly bin: Record<string, string>
}

interface Lock {
  readonly packages: Record<string, { readonly dev?: boolean; readonly optional?: boolean }>
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(join(root, path), "utf8"))

const environment = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}` }

/** Runs a program to its end and gives what it wrote to standard output. */
const sh = (cwd: string, program: string, ...args: ReadonlyArray<string>): string => {
  const { error, status, stderr, stdout } = spawnSync(program, args, { cwd, env: environment, encoding: "utf8" })
  if (error !== undefined) throw error
  assert.strictEqual(status, 0, `${program} ${args.join(" ")}\n${stdout}\n${stderr}`)
  return stdout
}

/** Builds a copy of the sources and packs it; gives the path of the archive. */
const pack = (folder: string): string => {
  const copy = join(folder, "package")
  mkdirSync(copy)
  for (const name of ["package.json", "LICENSE", "README.md", "proto"]) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(copy, name), { recursive: true })
  }
  const dist = join(copy, "dist")
  const node = process.execPath
  sh(root, node, "node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", dist)
  const bundle = ["--config", "rolldown.config.ts", "--log-level", "warn", "--dir", dist]
  sh(root, node, "node_modules/rolldown/bin/cli.mjs", ...bundle)
  sh(copy, "npm", "pack", "--ignore-scripts", "--pack-destination", folder)
  const [archive = ""] = readdirSync(folder).filter((name) => name.endsWith(".tgz"))
  return join(folder, archive)
}

/**
 * Installs the archive into an empty folder as `npm install` would, with the versions of this checkout's lock file: they
 * come out of npm's cache where there is no network.
 */
const install = (folder: string, archive: string): string => {
  const app = join(folder, "app")
  mkdirSync(app)
  const spec = `file:${archive}`
  const manifest = { name: "app", version: "1.0.0", dependencies: { tickvault: spec } }
  const { bin, dependencies, version } = readJson("package.json") as Package
  const locked = Object.entries((readJson("package-lock.json") as Lock).packages).filter(
    ([path, { dev }]) => path !== "" && dev !== true
  )
  const packages = {
    "": manifest,
    "node_modules/tickvault": { version, resolved: spec, dependencies, bin },
    ...Object.fromEntries(locked)
  }
  writeFileSync(join(app, "package.json"), JSON.stringify(manifest))
  writeFileSync(join(app, "package-lock.json"), JSON.stringify({ ...manifest, lockfileVersion: 3, packages }))
  sh(app, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
  return app
}

describe("the package, installed elsewhere", () => {
  it("runs from the command line and is imported as a library", { timeout: 150_000 }, () => {
    const folder = temporaryFolder()
    const archive = pack(folder)
    const app = install(folder, archive)

    const { version } = readJson("package.json") as Package
    assert.strictEqual(sh(app, "npx", "--no-install", "tickvault", "--version"), `tickvault v${version}\n`)

    const ticks = join(app, "ticks.pb")
    writeFileSync(ticks, readRecorded("evochora-60-organisms.pb.zst"))
    sh(app, "npx", "--no-install", "tickvault", "ingest", "ticks.pb", "--json")
    const [run = ""] = readdirSync(join(app, "data")).filter((name) => !name.startsWith("."))
    const [file = ""] = readdirSync(join(app, "data", run))
    assert.isTrue(zstdDecompressSync(readFileSync(join(app, "data", run, file))).equals(readFileSync(ticks)))

    cpSync(join(root, "test/examples/tickvault.conf"), join(app, "tickvault.conf"))
    const checked = sh(app, "npx", "--no-install", "tickvault", "config", "check", "tickvault.conf")
    assert.include(checked, "configuration is good")

    const script = 'import * as tickvault from "tickvault"; console.log(Object.keys(tickvault).length > 5)'
    assert.strictEqual(sh(app, process.execPath, "--input-type=module", "-e", script), "true\n")

    const packed = sh(folder, "tar", "-tzf", archive).split("\n")
    assert.isTrue(packed.includes("package/dist/main.js"))
    assert.isTrue(packed.includes("package/dist/bin/THIRD-PARTY-NOTICES.md"))
    assert.deepStrictEqual(
      packed.filter((path) => /^package\/(?:src|test|node_modules)\//u.test(path)),
      []
    )
  })
})
