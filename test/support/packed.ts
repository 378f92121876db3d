// This runs real processes. @effect-diagnostics nodeBuiltinImport:off processEnv:off preferSchemaOverJson:off
/** The package as npm packs it, and an app that it is installed in. */
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert } from "vitest"

export const root = fileURLToPath(new URL("../../", import.meta.url))

export interface Package {
  readonly version: string
  readonly files: ReadonlyArray<string>
  readonly exports: Record<string, unknown>
  readonly scripts: Record<string, string>
  readonly bin: Record<string, string>
  readonly dependencies?: Record<string, string>
  readonly devDependencies: Record<string, string>
  readonly peerDependencies?: Record<string, string>
}

interface Locked extends Partial<Package> {
  readonly dev?: boolean
  readonly optionalDependencies?: Record<string, string>
}

interface Lock {
  readonly packages: Record<string, Locked>
}

/** Reads a JSON file of this checkout. */
export const readJson = (path: string): unknown => JSON.parse(readFileSync(join(root, path), "utf8"))

export const readPackage = (): Package => readJson("package.json") as Package

// Deno would look for newer versions of itself.
const environment = {
  ...process.env,
  DENO_NO_UPDATE_CHECK: "1",
  PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}`
}

/** How a program ended: with `status`. */
export interface Ended {
  readonly status: number | null
  readonly stdout: string
  /** All that it wrote, standard error included. */
  readonly output: string
}

/** Runs a program to its end, for three minutes at most. */
export const attempt = (cwd: string, program: string, ...args: ReadonlyArray<string>): Ended => {
  const options = { cwd, env: environment, encoding: "utf8", timeout: 180_000, maxBuffer: 2 ** 26 } as const
  const { error, status, stderr, stdout } = spawnSync(program, args, options)
  if (error !== undefined) throw error
  return { status, stdout, output: `${stdout}\n${stderr}` }
}

/** Runs a program that must end well. Gives what it wrote to standard output. */
export const sh = (cwd: string, program: string, ...args: ReadonlyArray<string>): string => {
  const { output, status, stdout } = attempt(cwd, program, ...args)
  assert.strictEqual(status, 0, `${program} ${args.join(" ")}\n${output}`)
  return stdout
}

/** What npm packs besides the `files` of `package.json`, and what builds the package. */
const alwaysPacked = ["package.json", "LICENSE", "README.md"]
const builtWith = ["tsconfig.json", "tsconfig.build.json", "rolldown.config.ts"]

/** Packs a copy of this checkout in `folder` as `npm publish` would. Gives the path of the archive. */
export const pack = (folder: string): string => {
  const copy = join(folder, "package")
  mkdirSync(copy)
  const files = readPackage().files.filter((name) => name !== "dist" && !name.startsWith("!"))
  for (const name of [...alwaysPacked, ...files, ...builtWith])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
  sh(copy, "npm", "pack", "--pack-destination", folder)
  const [archive = ""] = readdirSync(folder).filter((name) => name.endsWith(".tgz"))
  return join(folder, archive)
}

/** The paths in an archive, from the folder of the package. */
export const listed = (archive: string): ReadonlyArray<string> =>
  sh(dirname(archive), "tar", "-tzf", archive)
    .split("\n")
    .flatMap((path) => (path === "" || path.endsWith("/") ? [] : [path.replace(/^package\//u, "")]))

/** A folder that is removed after the last test of the file. */
export const folderOfFile = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "tickvault-package-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The entries of the lock file that an app with this package gets: its dependencies, its peers, and all that they need. */
const lockedPackages = (lock: Lock): Record<string, Locked> => {
  const found: Record<string, Locked> = {}
  const add = (owner: string, name: string): void => {
    const nested = `${owner}/node_modules/${name}`
    const path = nested in lock.packages ? nested : `node_modules/${name}`
    const locked = lock.packages[path]
    if (locked === undefined || path in found) return
    const { dev: _, ...entry } = locked
    found[path] = entry
    addAll(path, entry)
  }
  const addAll = (owner: string, { dependencies, optionalDependencies, peerDependencies }: Partial<Locked>) => {
    for (const names of [dependencies, optionalDependencies, peerDependencies]) {
      for (const name of Object.keys(names ?? {})) add(owner, name)
    }
  }
  const { dependencies = {}, peerDependencies = {} } = readPackage()
  addAll("", { dependencies, peerDependencies })
  return found
}

/**
 * Installs the archive into an empty folder as `npm install` would, with the versions of this checkout's lock file: they
 * come out of npm's cache where there is no network.
 */
export const install = (folder: string, archive: string): string => {
  const app = join(folder, "app")
  mkdirSync(app)
  const spec = `file:${archive}`
  const manifest = { name: "app", version: "1.0.0", dependencies: { tickvault: spec } }
  const { bin, dependencies, peerDependencies, version } = readPackage()
  const packages = {
    "": manifest,
    "node_modules/tickvault": { version, resolved: spec, dependencies, peerDependencies, bin },
    ...lockedPackages(readJson("package-lock.json") as Lock)
  }
  writeFileSync(join(app, "package.json"), JSON.stringify(manifest))
  writeFileSync(join(app, "package-lock.json"), JSON.stringify({ ...manifest, lockfileVersion: 3, packages }))
  sh(app, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
  return app
}
