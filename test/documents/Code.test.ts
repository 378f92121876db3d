// @module-tag integration
/** Every example in the documents and in the headers of the public modules compiles: all of them in one run of tsc. */
// @effect-diagnostics nodeBuiltinImport:off preferSchemaOverJson:off
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { blocks, documents, read, root } from "./documents.ts"

const { exports } = JSON.parse(read("package.json")) as { readonly exports: Readonly<Record<string, unknown>> }

/** Whether the package gives a path to `module`, such as "queue/TickQueue": the longest pattern that matches decides. */
const isPublic = (module: string): boolean => {
  const path = module === "index" ? "." : `./${module}`
  const [best] = Object.keys(exports)
    .filter((key) => {
      const [before = "", after] = key.split("*")
      return after === undefined ? key === path : path.startsWith(before) && path.endsWith(after)
    })
    .toSorted((a, b) => b.replace("*", "").length - a.replace("*", "").length)
  return best !== undefined && exports[best] !== null
}

// The command line is a program; the build of the library leaves it out.
const modules = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts") && !/^(?:cli\/|main\.ts$)/u.test(file))
  .map((file) => file.slice(0, -".ts".length))
  .filter(isPublic)
  .toSorted()

/** The examples in the comment that a module begins with. */
const examplesOf = (module: string) => {
  const header = /^(?:\/\/.*\n)*\/\*\*[\s\S]*?\*\//u.exec(read(`src/${module}.ts`))?.[0] ?? ""
  const text = header.replaceAll(/^ \* ?/gmu, "")
  return blocks({ name: module, text }).filter(({ language }) => language === "ts")
}

interface Example {
  /** Where it stands. */
  readonly source: string
  readonly code: string
}

const examples: ReadonlyArray<Example> = [
  // Blocks that show a file are left out: the project compiles the file itself.
  ...documents.flatMap((own) =>
    blocks(own)
      .filter(({ file, language }) => language === "ts" && file === undefined)
      .map(({ code }) => ({ source: own.name, code }))
  ),
  ...modules.flatMap((module) => examplesOf(module).map(({ code }) => ({ source: `src/${module}.ts`, code })))
]

const fileOf = (source: string, index: number) => `${source.replaceAll(/[^\w]/gu, "_")}__${index}.ts`

/** What the compiler says against the examples, by the document or module that they are in. */
let errors: ReadonlyMap<string, ReadonlyArray<string>> = new Map()

const compile = (folder: string) => {
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  mkdirSync(join(folder, "code"))
  const sources = new Map<string, string>()
  for (const [index, { code, source }] of examples.entries()) {
    const file = fileOf(source, index)
    sources.set(file, source)
    writeFileSync(join(folder, "code", file), code)
  }
  const paths = { tickvault: [join(root, "src/index.ts")], "tickvault/*": [join(root, "src/*.ts")] }
  const compilerOptions = { paths, plugins: [], typeRoots: [join(root, "node_modules/@types")] }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }))
  const project = join(folder, "tsconfig.json")
  writeFileSync(
    project,
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      compilerOptions,
      include: ["code", join(root, "src/**/*.d.ts")]
    })
  )
  const tsc = join(root, "node_modules/typescript/bin/tsc")
  const { status, stdout } = spawnSync(process.execPath, [tsc, "--project", project, "--pretty", "false"], {
    cwd: folder,
    encoding: "utf8"
  })
  const lines = stdout.split("\n").filter((line) => /\berror TS\d+/u.test(line))
  assert.strictEqual(status === 0, lines.length === 0, stdout)
  return Map.groupBy(lines, (line) => sources.get(/code\/(?<file>[^(]+)\(/u.exec(line)?.groups?.["file"] ?? "") ?? "")
}

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), "tickvault-examples-"))
  try {
    errors = compile(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 120_000)

it("no error is anywhere else", () => {
  assert.deepStrictEqual(errors.get("") ?? [], [])
})

describe("the documents", () => {
  it.each(documents.map(({ name }) => name))("have examples in %s that compile", (name) => {
    assert.deepStrictEqual(errors.get(name) ?? [], [])
  })
})

describe("the public modules", () => {
  it("are found", () => {
    assert.isAbove(modules.length, 50)
    for (const module of ["index", "Pipeline", "queue/TickQueue"]) assert.include(modules, module)
    for (const module of ["batch/internal/zstd", "gen/org"]) assert.notInclude(modules, module)
  })

  it.each(modules)("%s begins with an example that compiles", (module) => {
    assert.isAbove(examplesOf(module).length, 0)
    assert.deepStrictEqual(errors.get(`src/${module}.ts`) ?? [], [])
  })
})
