// @module-tag integration
// This runs real processes. @effect-diagnostics nodeBuiltinImport:off preferSchemaOverJson:off
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "vitest"
import { attempt, folderOfFile, pack, readPackage, root, sh } from "../support/packed.ts"
import { binary, installTools, mainOfApp, makeApp } from "./registry.ts"

const folder = folderOfFile()
let archive = ""
let tools = ""

beforeAll(() => {
  tools = installTools(folder, "pnpm", "typescript-5", "typescript-6")
  archive = pack(folder)
})

const managers: Record<string, () => ReadonlyArray<string>> = {
  npm: () => ["npm", "install", "--no-audit", "--no-fund"],
  pnpm: () => [binary(tools, "@pnpm", "pnpm"), "add"]
}

/** Adds packages to an app, with a package manager. */
const add = (app: string, manager: string, ...specs: ReadonlyArray<string>) => {
  const [program = "", ...args] = managers[manager]?.() ?? []
  return attempt(app, program, ...args, ...specs)
}

/** The peers as a package manager takes them, each with what `version` makes of its range. */
const peers = (version: (range: string) => string): ReadonlyArray<string> =>
  Object.entries(readPackage().peerDependencies ?? {}).map(([name, range]) => `${name}@${version(range)}`)

/** The first version of a caret range. */
const lowest = (range: string): string => {
  assert.match(range, /^\^\d+\.\d+\.\d+$/u)
  return range.slice(1)
}

const typesOfNode = `@types/node@${readPackage().devDependencies["@types/node"]}`

/** Every path of the tools for tests. Both ways to a module lead to the same types. */
const library = () => `import * as tickvault from "tickvault"
import { Storage } from "tickvault/storage/Storage"

export const storage: typeof Storage = tickvault.Storage.Storage
export * as everything from "tickvault"
${readdirSync(join(root, "src/testing"))
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length))
  .map((name) => `export * as ${name} from "tickvault/testing/${name}"`)
  .join("\n")}
`

/** Exports all values of all namespaces, so that an app's declarations must name all of their types. */
const values = () => {
  const index = readFileSync(join(root, "src/index.ts"), "utf8")
  const names = [...index.matchAll(/^export \* as (\w+)/gmu)].map(([, name = ""]) => name)
  const lines = names.map((name) => `export const all${name} = { ...tickvault.${name} }`)
  return ['import * as tickvault from "tickvault"', ...lines, ""].join("\n")
}

/** All examples but the tests, which need a test runner. */
const examples = readdirSync(join(root, "examples")).filter((file) => /^[^.]+\.ts$/u.test(file))

const writeSources = (app: string) => {
  for (const example of examples) cpSync(join(root, "examples", example), join(app, example))
  writeFileSync(join(app, "main.ts"), mainOfApp)
  writeFileSync(join(app, "library.ts"), library())
  writeFileSync(join(app, "values.ts"), values())
}

const compilerOptions = {
  target: "ES2024",
  lib: ["ES2024", "DOM"],
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  declaration: true,
  noEmit: true,
  allowImportingTsExtensions: true
}

/** Checks the types of an app and of all declarations that it reaches, with a compiler in `typescript`. */
const check = (app: string, typescript: string, module: string, moduleResolution: string) => {
  const options = { compilerOptions: { ...compilerOptions, module, moduleResolution }, include: ["*.ts"] }
  writeFileSync(join(app, "tsconfig.json"), JSON.stringify(options))
  sh(app, process.execPath, join(typescript, "bin/tsc"), "--project", ".")
}

/** The folders under `node_modules` that hold a package of this name, links left out. */
const copies = (app: string, name: string): ReadonlyArray<string> =>
  sh(app, "find", "node_modules", "-type", "d", "-path", `*/node_modules/${name}`).trim().split("\n")

describe.each(Object.keys(managers))("an app made with %s", (manager) => {
  const ranges = { lowest, highest: (range: string) => range }

  it.each(Object.entries(ranges))(
    "compiles, stores and verifies with the %s versions of the peers",
    (which, version) => {
      const app = makeApp(folder, `${manager}-${which}`)
      const { output, status } = add(app, manager, archive, ...peers(version), typesOfNode)
      assert.strictEqual(status, 0, output)
      assert.notMatch(output, /ERESOLVE|peer dep|deprecated|install scripts/iu)
      assert.strictEqual(copies(app, "effect").length, 1)

      writeSources(app)
      check(app, join(root, "node_modules/typescript"), "nodenext", "nodenext")
      assert.include(sh(app, process.execPath, "main.ts"), "written: 5000 lost: 0\n")
      const verdict = sh(app, "node_modules/.bin/tickvault", "verify", "--data", "ticks")
      assert.match(verdict, /^WHOLE so far: |^WHOLE: /u)
    }
  )
})

describe("an effect outside the range", () => {
  it("is refused by npm", () => {
    const app = makeApp(folder, "npm-outside")
    const { output, status } = add(app, "npm", archive, "effect@4.0.6")
    assert.strictEqual(status, 1, output)
    assert.match(output, /ERESOLVE unable to resolve dependency tree[\s\S]*peer effect@"\^4/u)
  })

  it("is warned of by pnpm", () => {
    const app = makeApp(folder, "pnpm-outside")
    const { output, status } = add(app, "pnpm", archive, "effect@4.0.6")
    assert.strictEqual(status, 0, output)
    assert.include(output, "Issues with peer dependencies found")
    const peersCheck = attempt(app, binary(tools, "@pnpm", "pnpm"), "peers", "check")
    assert.match(peersCheck.output, /unmet peer effect\s+Installed: 4\.0\.6[\s\S]*tickvault@/u)
  })
})

describe("the declarations", () => {
  const compilers = {
    "TypeScript 5": () => join(tools, "typescript-5"),
    "TypeScript 6": () => join(tools, "typescript-6"),
    "TypeScript 7": () => join(root, "node_modules/typescript")
  }
  let app = ""

  beforeAll(() => {
    app = makeApp(folder, "declarations")
    const { output, status } = add(app, "npm", archive, ...peers(lowest), typesOfNode)
    assert.strictEqual(status, 0, output)
    writeSources(app)
  })

  it.each(Object.entries(compilers))("are read by %s, for Node and for bundlers", (_, typescript) => {
    check(app, typescript(), "nodenext", "nodenext")
    check(app, typescript(), "esnext", "bundler")
  })
})
