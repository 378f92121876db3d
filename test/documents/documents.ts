/** The documents of the project, taken apart for the tests that hold them against the code. */
// @effect-diagnostics nodeBuiltinImport:off
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../", import.meta.url))

export interface Document {
  /** Path from the root of the project. */
  readonly name: string
  readonly text: string
}

export const read = (path: string): string => readFileSync(`${root}${path}`, "utf8")

/** A document by its path. */
export const document = (name: string): Document => ({ name, text: read(name) })

const inDocs = readdirSync(`${root}docs`).filter((name) => name.endsWith(".md"))

export const documents: ReadonlyArray<Document> = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "examples/README.md",
  ...inDocs.map((name) => `docs/${name}`)
].map(document)

/** A block of code. */
export interface Block {
  readonly language: string
  readonly code: string
  /** The file that it shows, where a comment before it names one. */
  readonly file: string | undefined
}

export const blocks = ({ text }: Document): ReadonlyArray<Block> =>
  [...text.matchAll(/(?:<!-- (?<file>\S+) -->\n)?^```(?<language>\w*)\n(?<code>[\s\S]*?)^```$/gmu)].map(
    ({ groups }) => ({
      language: groups?.["language"] ?? "",
      code: groups?.["code"] ?? "",
      file: groups?.["file"]
    })
  )

/** A document without its blocks of code and its comments. */
export const prose = ({ text }: Document): string =>
  text
    .replaceAll(/^```[\s\S]*?^```$/gmu, "")
    .replaceAll(/^ {4}(?! *[-\d]).*$/gmu, "")
    .replaceAll(/<!--[\s\S]*?-->/gu, "")

/** The part of a document under a heading, up to the next heading of the same or a higher level. */
export const section = ({ text }: Document, heading: string): string => {
  const start = text.indexOf(`\n${heading}\n`)
  if (start < 0) throw new Error(`there is no heading "${heading}"`)
  const level = heading.indexOf(" ")
  const rest = text.slice(start + heading.length + 2)
  const end = rest.search(new RegExp(`^#{1,${level}} `, "mu"))
  return end < 0 ? rest : rest.slice(0, end)
}

/** The rows of the tables in `text` without their heads, cell by cell. */
export const rows = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = text.split("\n").map((line) => line.trim())
  return lines
    .filter((line, index) => {
      const isRow = line.startsWith("|") && !/^\|[\s|:-]+\|$/u.test(line)
      return isRow && !/^\|[\s|:-]*-[\s|:-]*\|$/u.test(lines[index + 1] ?? "")
    })
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/u)
        .map((cell) => cell.trim())
    )
}

/** What stands between backticks in `text`. */
export const quoted = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/`(?<code>[^`]+)`/gu)].map(({ groups }) => groups?.["code"] ?? "")
