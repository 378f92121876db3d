// @module-tag integration
// @effect-diagnostics nodeBuiltinImport:off
import { assert, describe, it } from "@effect/vitest"
import type { HelpDoc } from "effect/cli/HelpDoc"
import * as Schema from "effect/Schema"
import { existsSync, readdirSync } from "node:fs"
import { posix } from "node:path"
import { make } from "../../src/cli/Cli.ts"
import { ExitStatus } from "../../src/cli/ExitStatus.ts"
import * as LedgerEntry from "../../src/ledger/LedgerEntry.ts"
import { blocks, document, documents, prose, quoted, read, root, rows, section } from "./documents.ts"

const named = documents.map((each) => [each.name, each] as const)

/** The name of a heading in links, as GitHub makes it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-")

const anchors = (text: string) =>
  [...text.matchAll(/^#+ (?<heading>.+)$/gmu)].map(({ groups }) => anchorOf(groups?.["heading"] ?? ""))

describe.each(named)("%s", (name, own) => {
  it("has relative links that lead somewhere", () => {
    for (const [, target = ""] of prose(own).matchAll(/\]\((?<target>[^)]+)\)/gu)) {
      if (/^https?:/u.test(target)) continue
      const [path = "", anchor] = target.split("#")
      const file = path === "" ? name : posix.join(posix.dirname(name), path)
      assert.isTrue(existsSync(`${root}${file}`), target)
      if (anchor !== undefined) assert.include(anchors(read(file)), anchor, target)
    }
  })

  it("names files of the project that are there", () => {
    for (const path of quoted(prose(own))) {
      if (!/^(?:test|src|docs|examples|bench|proto)\/[\w./-]*$/u.test(path)) continue
      assert.isTrue(existsSync(`${root}${path}`), path)
    }
  })

  it("shows files as they are", () => {
    for (const { code, file } of blocks(own)) {
      if (file === undefined) continue
      assert.strictEqual(code, read(file), file)
    }
  })

  it("has no sentence of more than 35 words", () => {
    const text = prose(own).replaceAll(/`[^`]*`/gu, "code")
    const pieces = text.split(/\n\s*\n|\n\s*(?=[-*|#]|\d+\. )|\||(?<=[.!?])\s/u)
    const long = pieces.filter((piece) => piece.trim().split(/\s+/u).length > 35)
    assert.deepStrictEqual(long, [])
  })
})

it("the README has at most 10 KB", () => {
  assert.isAtMost(new TextEncoder().encode(read("README.md")).length, 10_000)
})

it("the README shows an app, a test and the commands", () => {
  const { text } = document("README.md")
  for (const file of ["examples/app.ts", "examples/retry.test.ts"]) assert.include(text, `<!-- ${file} -->`)
  assert.isAbove(rows(section(document("README.md"), "## Commands")).length, 5)
})

/** The command lines of tickvault in `text`. */
const tickvault = (text: string) =>
  [
    ...text
      .replaceAll(/npm install .*/gu, "")
      .matchAll(/(?:npx (?:-\S+ )*|npm run )?tickvault (?:-- )?(?<rest>[^|\n]+(?:\|[a-z-][^|\n]*)*)/gu)
  ].map(({ groups }) => `tickvault ${groups?.["rest"]?.trim()}`)

it("the README shows no code but that of files, and commands", () => {
  for (const { file, language } of blocks(document("README.md"))) {
    assert.isTrue(file !== undefined || language === "sh" || language === "mermaid", language)
  }
})

it.each(named)("%s has no place that was left to fill", (_, { text }) => {
  assert.notMatch(text, /^[A-Z_]{6,}$/mu)
})

describe("commands", () => {
  const command = make(new ExitStatus()) as unknown as Command

  interface Command {
    readonly name: string
    readonly subcommands: ReadonlyArray<{ readonly commands: ReadonlyArray<Command> }>
    readonly buildHelpDoc: (path: ReadonlyArray<string>) => HelpDoc
  }

  const below = ({ subcommands }: Command) => subcommands.flatMap(({ commands }) => commands)

  const leaves = (one: Command, path: string): ReadonlyArray<readonly [path: string, flags: ReadonlyArray<string>]> =>
    below(one).length > 0
      ? below(one).flatMap((each) => leaves(each, `${path} ${each.name}`))
      : [[path, one.buildHelpDoc([path]).flags.flatMap(({ aliases, name }) => [`--${name}`, ...aliases])]]

  const known = new Map(leaves(command, "tickvault"))
  const everywhere = ["--help", "--version", "--log-level"]

  /** What is wrong with a command line. */
  const fault = (line: string): string | undefined => {
    const path = [...known.keys()].find((each) => line === each || line.startsWith(`${each} `))
    if (path === undefined) return `${line}: there is no such command`
    const flags = [...line.matchAll(/(?<=[\s[])--?[a-z][a-z-]*/gu)].map(([flag]) => flag)
    const unknown = flags.filter((flag) => ![...everywhere, ...(known.get(path) ?? [])].includes(flag))
    return unknown.length === 0 ? undefined : `${line}: there is no ${unknown.join(", ")}`
  }

  const consoles = documents.flatMap((own) =>
    blocks(own)
      .filter(({ language }) => language === "sh" || language === "console")
      .map(({ code }) => code)
  )

  it("in the documents exist, with their flags", () => {
    const lines = [
      ...consoles.flatMap(tickvault),
      ...documents
        .flatMap((own) => quoted(prose(own)).filter((code) => /^(?:npx )?tickvault [a-z]/u.test(code)))
        .flatMap(tickvault)
    ]
    assert.isAbove(lines.length, 25)
    assert.deepStrictEqual(
      lines.flatMap((line) => fault(line) ?? []),
      []
    )
  })

  it("have the flags that the documents name", () => {
    const elsewhere = ["--rounds", "--folder", "--against", "--disallow-code-generation-from-strings"]
    const flags = new Set([...known.values(), everywhere, elsewhere, ["--max-semi-space-size=16"]].flat())
    const found = documents.flatMap((own) => quoted(prose(own)).filter((code) => /^--[a-z]/u.test(code)))
    assert.isAbove(found.length, 20)
    for (const flag of found) assert.include([...flags], flag.split(" ")[0])
  })

  it("of npm exist", () => {
    const { scripts } = Schema.decodeSync(
      Schema.fromJsonString(Schema.Struct({ scripts: Schema.Record(Schema.String, Schema.String) }))
    )(read("package.json"))
    const texts = [...consoles, ...documents.flatMap((own) => quoted(prose(own)))].join("\n")
    const found = [...texts.matchAll(/\bnpm (?:run (?:-s )?(?<script>[\w:]+)|(?<short>test|start))\b/gu)].map(
      ({ groups }) => groups?.["script"] ?? groups?.["short"] ?? ""
    )
    assert.isAbove(found.length, 8)
    for (const script of found) assert.property(scripts, script)
  })

  it("are all in the list of operations.md", () => {
    const list = section(document("docs/operations.md"), "## Commands")
    for (const path of known.keys()) assert.include(list, `\n${path}`)
  })
})

describe("the examples", () => {
  const files = readdirSync(`${root}examples`).filter((file) => file !== "README.md")

  it("are all listed in their README", () => {
    for (const file of files) assert.include(read("examples/README.md"), `| [${file}](${file}) |`)
  })

  it("have no tag of this project's tests, which a project that copies them doesn't know", () => {
    for (const file of files) assert.notInclude(read(`examples/${file}`), "@module-tag", file)
  })
})

describe("operations.md", () => {
  const operations = document("docs/operations.md")
  const sources = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => read(`src/${file}`))
    .join("\n")

  it("lists messages that the code logs", () => {
    const messages = rows(section(operations, "## Messages and what to do")).flatMap(([level = "", message = ""]) =>
      /^(?:WARN|ERROR)$/u.test(level) ? quoted(message) : []
    )
    assert.isAbove(messages.length, 10)
    for (const message of messages) assert.include(sources, `"${message}`)
  })

  it("names metrics that there are", () => {
    const metrics = quoted(section(operations, "## Metrics")).filter((code) => /^[a-z]+_[a-z_]+$/u.test(code))
    assert.isAbove(metrics.length, 20)
    for (const metric of metrics) {
      assert.isTrue(sources.includes(`"${metric}"`) || sources.includes(`readonly ${metric}:`), metric)
    }
  })

  it("lists every reason of the storage, and whether it is tried again", () => {
    const table = new Map(
      rows(section(operations, "## Messages and what to do")).flatMap(([reason = "", retried = ""]) =>
        /^(?:yes|no)$/u.test(retried) ? [[reason, retried === "yes"] as const] : []
      )
    )
    const reasons = [
      ...read("src/storage/StorageError.ts").matchAll(/isRetryable = (\w+)[\s\S]*?return [`"]([^`"]+)/gu)
    ]
    assert.isAbove(reasons.length, 10)
    for (const [, isRetryable = "", message = ""] of reasons) {
      const reason = [...table.keys()].find((each) => message.startsWith(each))
      assert.isDefined(reason, message)
      assert.strictEqual(table.get(reason ?? ""), isRetryable === "true", message)
    }
    assert.strictEqual(table.size, reasons.length)
  })
})

it("format.md lists every field of every entry of a ledger", () => {
  const table = new Map(
    rows(section(document("docs/format.md"), "## The ledger")).map(([entry = "", , fields = ""]) => [entry, fields])
  )
  for (const { fields } of LedgerEntry.Entry.members) {
    const tag = fields._tag.schema.literal
    const listed = table.get(`\`${tag}\``) ?? ""
    for (const field of Object.keys(fields)) if (field !== "_tag") assert.include(quoted(listed), field, tag)
  }
})

describe("architecture.md", () => {
  const text = section(document("docs/architecture.md"), "## The rooms")

  it("lists every room", () => {
    const listed = rows(text).map(([room = ""]) => quoted(room)[0])
    const rooms = readdirSync(`${root}src`, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    assert.sameMembers(
      listed,
      rooms.map(({ name }) => `src/${name}`)
    )
  })

  it("draws the rooms in the ranks that are checked", () => {
    const checked =
      /const ranks[^{]*\{(?<ranks>[^}]*)\}/u.exec(read("test/architecture.test.ts"))?.groups?.["ranks"] ?? ""
    const ranks = [...checked.matchAll(/"?(?<room>[\w.]+)"?: (?<rank>\d+)/gu)].map(
      ([, room, rank]) => `${rank}: ${room}`
    )
    const drawn = [...text.matchAll(/\["(?<rank>\d+): (?<rooms>[^"]+)"\]/gu)].flatMap(([, rank, rooms = ""]) =>
      rooms.split(", ").map((room) => `${rank}: ${room}`)
    )
    assert.isAbove(ranks.length, 20)
    assert.sameMembers(drawn, ranks)
  })
})
