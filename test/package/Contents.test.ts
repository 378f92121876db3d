// @module-tag integration
// This packs the package for real. @effect-diagnostics nodeBuiltinImport:off preferSchemaOverJson:off
import { mkdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { assert, beforeAll, describe, it } from "vitest"
import { folderOfFile, listed, pack, type Package, readPackage, sh } from "../support/packed.ts"

const folder = folderOfFile()
const installed = join(folder, "node_modules/tickvault")
let files: ReadonlyArray<string> = []

beforeAll(() => {
  const archive = pack(folder)
  files = listed(archive)
  mkdirSync(installed, { recursive: true })
  sh(folder, "tar", "-xzf", archive, "-C", installed, "--strip-components=1")
}, 120_000)

const read = (file: string) => readFileSync(join(installed, file), "utf8")

/** The modules of the library, which is all of `dist` but the bundled command line. */
const modules = () => files.filter((file) => /^dist\/(?!main\.js$|bin\/).*\.js$/u.test(file))

const declarations = () => files.filter((file) => /^dist\/.*\.d\.ts$/u.test(file))

describe("the packed package", () => {
  it("has a source map for each module and each declaration file, and the source that it leads to", () => {
    const found = [...modules(), ...declarations()].flatMap((file) => {
      if (!files.includes(`${file}.map`)) return [`${file} has no map`]
      const { sourceRoot, sources } = JSON.parse(read(`${file}.map`)) as { sourceRoot: string; sources: Array<string> }
      const missing = sources.map((source) => join(dirname(file), sourceRoot, source)).filter((s) => !files.includes(s))
      const named = read(file).includes(`sourceMappingURL=${file.split("/").at(-1)}.map`)
      return [...missing.map((s) => `${file}.map leads to ${s}`), ...(named ? [] : [`${file} doesn't name its map`])]
    })
    assert.isAbove(modules().length, 100)
    assert.deepStrictEqual(found, [])
  })

  it("has a declaration file for each module", () => {
    const found = modules().filter((file) => !files.includes(file.replace(/\.js$/u, ".d.ts")))
    assert.deepStrictEqual(found, [])
  })

  it("names no types of Node, and only packages that an app has", () => {
    const { peerDependencies = {} } = readPackage()
    const known = (name: string) => Object.keys(peerDependencies).some((peer) => `${name}/`.startsWith(`${peer}/`))
    const found = declarations().flatMap((file) => {
      const code = read(file)
        .replaceAll(/\/\*[\s\S]*?\*\//gu, "")
        .replaceAll(/^\/\/(?!\/).*$/gmu, "")
      const imports = [...code.matchAll(/(?:\bfrom |\bimport |\bimport\()"([^".][^"]*)"/gu)].map(
        ([, name = ""]) => name
      )
      const types = code.match(/\bBuffer\b|\bNodeJS\b|^\/\/\/ *<reference.*$/gmu) ?? []
      return [...imports.filter((name) => !known(name)), ...types].map((name) => `${file}: ${name}`)
    })
    assert.isAbove(declarations().length, 100)
    assert.deepStrictEqual(found, [])
  })

  it("gives a path to what index.ts exports and to the tools for tests, and to nothing else", () => {
    const require = createRequire(join(folder, "app.js"))
    const resolves = (module: string) => {
      try {
        return require.resolve(`tickvault/${module}`) === join(installed, `dist/${module}.js`)
      } catch (error) {
        assert.propertyVal(error, "code", "ERR_PACKAGE_PATH_NOT_EXPORTED")
        return false
      }
    }
    const index = [...read("dist/index.js").matchAll(/from "\.\/(.+)\.js"/gu)].map(([, module]) => module)
    const all = files.flatMap((file) => /^dist\/(.+)\.js$/u.exec(file)?.[1] ?? [])
    const expected = all.filter((module) => index.includes(module) || /^testing\/[^/]+$/u.test(module))
    assert.deepStrictEqual(all.filter(resolves), expected)
    assert.strictEqual(require.resolve("tickvault"), join(installed, "dist/index.js"))
  })

  it("runs nothing when it is installed", () => {
    const { scripts } = JSON.parse(read("package.json")) as Package
    const names = ["preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare", "prepublish"]
    assert.deepStrictEqual(
      names.filter((name) => name in scripts),
      []
    )
  })

  it("has what the README links to", () => {
    const links = [...read("README.md").matchAll(/\]\((?!https?:|#)([^)#]+)/gu)].map(([, link = ""]) => link)
    const missing = links.filter((link) => !files.some((file) => `${file}/`.startsWith(`${link}/`)))
    assert.isAbove(links.length, 3)
    assert.deepStrictEqual(missing, [])
  })

  it("has no file that nobody needs", () => {
    const needed = /^(?:dist|docs|examples|proto|src)\/|^(?:LICENSE|[A-Z]+\.md|package\.json)$/u
    const stray = /tsbuildinfo|\.tgz$|^src\/(?:cli\/|main\.ts$)/u
    assert.deepStrictEqual(
      files.filter((file) => !needed.test(file) || stray.test(file)),
      []
    )
  })
})
