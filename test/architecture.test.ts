// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"

/** Lower ranks know nothing of higher ones; folders of equal rank don't know each other. */
const ranks: Record<string, number> = {
  gen: 0,
  protobuf: 0,
  domain: 1,
  queue: 2,
  storage: 2,
  idempotency: 2,
  service: 2,
  batch: 3,
  deadletter: 4,
  ledger: 4,
  runs: 5,
  summary: 6,
  verify: 6,
  recall: 6,
  persistence: 6,
  simulation: 6,
  replay: 7,
  resume: 7,
  config: 8,
  kinds: 9,
  pipeline: 9,
  "Pipeline.ts": 10,
  cli: 11,
  testing: 11,
  "index.ts": 12,
  "main.ts": 12
}

/** Folders that know the generated messages; all others see ticks and letters. */
const knowGenerated = ["gen", "domain", "deadletter", "runs", "simulation"]

/** Adapters, file by file, that need Node itself. All others need Effect's platform services at most. */
const platformAdapters = ["main.ts", "domain/Checksum.ts", "batch/internal/zstd.ts", "storage/FreeSpace.ts"]

/** Files that pass on what others export: the entry of the package, and the messages of the wire contract. */
const barrels = ["index.ts", "domain/Contracts.ts"]

interface Source {
  readonly file: string
  readonly owner: string
  readonly text: string
  /** The text without comments. */
  readonly code: string
  readonly imports: ReadonlyArray<string>
}

const withoutComments = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\//gu, "").replaceAll(/(^|\s)\/\/.*$/gmu, "$1")

const importsOf = (code: string) =>
  [...code.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*"([^"]+)"/gu)].map(([, target]) => target ?? "")

const readSources = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = path.join(import.meta.dirname, "../src")
  const files = (yield* fs.readDirectory(root, { recursive: true })).filter((file) => file.endsWith(".ts"))
  return yield* Effect.forEach(files.toSorted(), (file) =>
    Effect.map(fs.readFileString(path.join(root, file)), (text): Source => {
      const code = withoutComments(text)
      return { file, owner: file.split("/")[0] ?? file, text, code, imports: importsOf(code) }
    })
  )
}).pipe(Effect.provide(NodeServices.layer))

/** Where a relative import of `file` leads, from `src`. */
const resolve = (file: string, target: string) => {
  const segments = file.split("/").slice(0, -1)
  for (const segment of target.split("/")) {
    if (segment === "..") segments.pop()
    else if (segment !== ".") segments.push(segment)
  }
  return segments.join("/")
}

/** Every source that is written by hand and breaks a rule, with what breaks it. */
const offences = (rule: (source: Source) => Iterable<string>) =>
  Effect.map(readSources, (sources) => {
    assert.isAbove(sources.length, 50)
    return sources
      .filter(({ owner }) => owner !== "gen")
      .flatMap((source) => [...rule(source)].map((offence) => `src/${source.file}: ${offence}`))
  })

const relative = ({ file, imports }: Source) =>
  imports.filter((target) => target.startsWith(".")).map((target) => resolve(file, target))

describe("imports", () => {
  it.effect("point down the ranks of the folders", () =>
    Effect.gen(function* () {
      const found = yield* offences((source) =>
        relative(source).flatMap((target) => {
          const [from, to] = [source.owner, target.split("/")[0] ?? target]
          const [rank, below] = [ranks[from], ranks[to]]
          if (rank === undefined || below === undefined) return [`${rank === undefined ? from : to} has no rank`]
          return from === to || below < rank ? [] : [`must not import ${target}`]
        })
      )
      assert.deepStrictEqual(found, [])
    })
  )

  it.effect("reach into no internal folder of another room", () =>
    Effect.gen(function* () {
      const found = yield* offences((source) =>
        relative(source).filter((target) => {
          const [room, rest] = target.split("/internal/")
          return rest !== undefined && !source.file.startsWith(`${room}/`)
        })
      )
      assert.deepStrictEqual(found, [])
    })
  )

  it.effect("go in no circles, those of types neither", () =>
    Effect.gen(function* () {
      const sources = yield* readSources
      const targets = new Map(
        sources.map(({ file, imports }) => [file, imports.map((target) => resolve(file, target))])
      )
      const done = new Set<string>()
      const circles: Array<string> = []
      const visit = (file: string, way: ReadonlyArray<string>): void => {
        if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(" > "))
        if (way.includes(file) || done.has(file)) return
        for (const target of targets.get(file) ?? []) visit(target, [...way, file])
        done.add(file)
      }
      for (const { file } of sources) visit(file, [])
      assert.deepStrictEqual(circles, [])
    })
  )

  it.effect("of generated code are in the folders that know the messages", () =>
    Effect.gen(function* () {
      const found = yield* offences((source) =>
        knowGenerated.includes(source.owner) ? [] : relative(source).filter((target) => target.startsWith("gen/"))
      )
      assert.deepStrictEqual(found, [])
    })
  )

  it.effect("of Node and its platform are in the entries and in adapters", () =>
    Effect.gen(function* () {
      const found = yield* offences(({ file, imports, owner }) =>
        owner === "cli" || platformAdapters.includes(file)
          ? []
          : imports.filter((target) => /^node:|^@effect\/platform-node/u.test(target))
      )
      assert.deepStrictEqual(found, [])
    })
  )

  it.effect("of Effect are deep, and of files have their ending", () =>
    Effect.gen(function* () {
      const found = yield* offences(({ imports }) =>
        imports.filter(
          (target) => target === "effect" || target === "@effect/platform-node" || /^\.(?!.*\.(ts|json)$)/u.test(target)
        )
      )
      assert.deepStrictEqual(found, [])
    })
  )
})

describe("source files", () => {
  it.effect("pass nothing on that another folder exports, and not all of anything", () =>
    Effect.gen(function* () {
      const found = yield* offences(({ code, file, owner }) =>
        barrels.includes(file)
          ? []
          : [...code.matchAll(/^export (type )?(\*|\{[^}]*\})[^\n]* from "([^"]+)"/gmu)]
              .filter(
                ([, type, what, target]) =>
                  (what === "*" && type === undefined) || !resolve(file, target ?? "").startsWith(`${owner}/`)
              )
              .map(([line]) => line)
      )
      assert.deepStrictEqual(found, [])
    })
  )

  it.effect("leave time, chance, output and the environment to Effect's services", () =>
    Effect.gen(function* () {
      const ambient =
        /\bDate\.now\b|\bnew Date\b|\bMath\.random\b|\b(set|clear)(Timeout|Interval|Immediate)\b|\bconsole\.|\bprocess\.env\b|\brandomUUID\b/gu
      const found = yield* offences(({ code }) => [...code.matchAll(ambient)].map(([word]) => word))
      assert.deepStrictEqual(found, [])
    })
  )

  it.effect("have no fiber that nobody owns and no value that nobody checks", () =>
    Effect.gen(function* () {
      const unowned =
        /\bforkDetach\b|\bforkDaemon\b|[:<|,(]\s*any\b|\bas any\b|\bas never\b|\bas unknown as\b|@ts-(ignore|nocheck|expect-error)/gu
      const found = yield* offences(({ code, text }) => [
        ...[...code.matchAll(unowned)].map(([word]) => word),
        ...[...text.matchAll(/@ts-(ignore|nocheck|expect-error)/gu)].map(([word]) => word)
      ])
      assert.deepStrictEqual(found, [])
    })
  )

  it.effect("have 300 lines at most", () =>
    Effect.gen(function* () {
      const found = yield* offences(({ text }) => {
        const lines = text.trimEnd().split("\n").length
        return lines > 300 ? [`${lines} lines`] : []
      })
      assert.deepStrictEqual(found, [])
    })
  )

  it.effect("say at their head what they are", () =>
    Effect.gen(function* () {
      const found = yield* offences(({ file, text }) =>
        file.endsWith(".d.ts") || /^(#!.*\n)?\/\*\*/u.test(text) ? [] : ["has no header"]
      )
      assert.deepStrictEqual(found, [])
    })
  )

  it.effect("name their services after their place", () =>
    Effect.gen(function* () {
      const found = yield* offences(({ code, owner }) =>
        [...code.matchAll(/class (\w+) extends Context\.Service<[\s\S]*?>\(\)\("([^"]+)"/gu)].flatMap(([, name, id]) =>
          id === (owner.endsWith(".ts") ? `tickvault/${name}` : `tickvault/${owner}/${name}`)
            ? []
            : [`${name} is called "${id}"`]
        )
      )
      assert.deepStrictEqual(found, [])
    })
  )
})

/** The namespaces of `src/index.ts`, by the module that each is. */
const namespaces = Effect.map(readSources, (sources) => {
  const index = sources.find(({ file }) => file === "index.ts")
  const lines = index?.code.matchAll(/^export \* as (\w+) from "\.\/(.+)\.ts"$/gmu) ?? []
  return new Map([...lines].map(([, name = "", module = ""]) => [module, name]))
})

const Package = Schema.fromJsonString(Schema.Struct({ exports: Schema.Record(Schema.String, Schema.Unknown) }))

/** Whether `package.json` gives a module no path, by its name or that of a folder. */
const closed = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* fs.readFileString(path.join(import.meta.dirname, "../package.json"))
  const { exports } = yield* Schema.decodeEffect(Package)(text)
  const keys = Object.keys(exports).filter((key) => exports[key] === null)
  return (module: string) =>
    keys.some((key) => {
      const [before = "", after] = key.split("*")
      return after === undefined ? key === `./${module}` : `./${module}`.startsWith(before) && module.endsWith(after)
    })
}).pipe(Effect.provide(NodeServices.layer))

describe("modules", () => {
  it.effect("are exported by index.ts, or package.json gives them no path", () =>
    Effect.gen(function* () {
      const [isClosed, names] = [yield* closed, yield* namespaces]
      const found = yield* offences(({ file, owner }) => {
        const module = file.replace(/(?:\.d)?\.ts$/u, "")
        // The command line is bundled, and the tools for tests have paths only.
        if (owner === "cli" || /^testing\/[^/]+$/u.test(module)) return []
        if (!names.has(module)) return isClosed(module) ? [] : ["export it in src/index.ts, or null it in package.json"]
        return isClosed(module) ? ["is in src/index.ts, but package.json gives it no path"] : []
      })
      assert.deepStrictEqual(found, [])
    })
  )

  it.effect("have the same name in index.ts as in their folder", () =>
    Effect.gen(function* () {
      const entries = [...(yield* namespaces)].filter(([module, name]) => module.split("/").at(-1) !== name)
      assert.deepStrictEqual(entries, [])
    })
  )
})
