/**
 * Reads a configuration file: HOCON, YAML or JSON, by its extension.
 *
 * A configuration is one file of at most 1 MiB. No other file is opened, nothing is fetched, and environment variables are
 * not read into it. The result is a plain value. `PipelineConfig.resolve` checks it.
 *
 * ```ts
 * import { ConfigFile } from "tickvault"
 *
 * export const file = ConfigFile.read("pipeline.yaml")
 * ```
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Yaml from "effect/encoding/Yaml"
import * as Hocon from "./internal/hocon.ts"

/** The largest size of a file, in bytes. */
export const maxBytes = 1024 * 1024

/** The file can't be read as a configuration. */
export class ConfigFileError extends Schema.TaggedError<ConfigFileError>()("ConfigFileError", {
  file: Schema.String,
  /** Line of the problem, when it is known. */
  line: Schema.optionalKey(Schema.Int),
  reason: Schema.Literals(["extension", "missing", "unreadable", "too-large", "empty", "syntax"]),
  problem: Schema.String
}) {
  override get message() {
    const where = this.line === undefined ? this.file : `${this.file}:${this.line}`
    return `${where}: ${this.problem}`
  }
}

/** A file's content, for `PipelineConfig.resolve`. */
export interface ConfigFile {
  readonly name: string
  readonly value: unknown
}

type Reason = ConfigFileError["reason"]

const parsers: ReadonlyMap<string, (text: string) => Effect.Effect<unknown, Syntax>> = new Map([
  ["conf", (text) => parseHocon(text)],
  ["hocon", (text) => parseHocon(text)],
  ["yaml", (text) => parseYaml(text)],
  ["yml", (text) => parseYaml(text)],
  ["json", (text) => parseJson(text)]
])

/** A problem of a parser, without the name of the file. */
interface Syntax {
  readonly problem: string
  readonly line?: number
}

const parseHocon = (text: string): Effect.Effect<unknown, Syntax> =>
  Effect.mapError(Hocon.parse(text), ({ line, problem }) => (line === undefined ? { problem } : { problem, line }))

/** The parser gives the line of a problem only in its message. Without one in the message, no line is shown. */
const yamlSyntax = (cause: unknown): Syntax => {
  const message = cause instanceof Error ? cause.message : String(cause)
  const line = /\bline (?<line>\d+)/u.exec(message)?.groups?.["line"]
  const problem = `is not YAML: ${message}`
  return line === undefined ? { problem } : { problem, line: Number(line) }
}

const parseYaml = (text: string): Effect.Effect<unknown, Syntax> =>
  Effect.try({ try: () => Yaml.parse(text), catch: yamlSyntax })

const decodeJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

const parseJson = (text: string): Effect.Effect<unknown, Syntax> =>
  Result.mapError(decodeJson(text), ({ message }) => ({ problem: `is not JSON: ${message}` })).pipe(Effect.fromResult)

const unreadable = (file: string) => (error: PlatformError) => {
  switch (error.reason._tag) {
    case "NotFound":
      return new ConfigFileError({ file, reason: "missing", problem: "there is no such file" })
    case "PermissionDenied":
      return new ConfigFileError({ file, reason: "unreadable", problem: "may not be read: permission denied" })
    case "BadResource":
      return new ConfigFileError({ file, reason: "unreadable", problem: "can't be read: it is not a file" })
    default:
      return new ConfigFileError({ file, reason: "unreadable", problem: `can't be read: ${error.message}` })
  }
}

/** The bytes of the file, at most `maxBytes` + 1. */
const bytesOf = Effect.fnUntraced(function* (
  file: string
): Effect.fn.Return<Uint8Array, ConfigFileError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const chunks = yield* Stream.runCollect(fs.stream(file, { bytesToRead: maxBytes + 1 })).pipe(
    Effect.mapError(unreadable(file))
  )
  const bytes = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
})

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0)

/** Reads the file. Fails with the file's name, the line when it is known, and what to do. */
export const read = Effect.fn("ConfigFile.read")(function* (
  file: string
): Effect.fn.Return<ConfigFile, ConfigFileError, FileSystem.FileSystem> {
  const fail = (reason: Reason, syntax: Syntax) => new ConfigFileError({ file, reason, ...syntax })
  const extension = /\.(?<extension>[^./\\]+)$/u.exec(file)?.groups?.["extension"]?.toLowerCase()
  const parse = parsers.get(extension ?? "")
  if (parse === undefined) {
    const allowed = [...parsers.keys()].map((each) => `.${each}`).join(", ")
    return yield* fail("extension", { problem: `is not named as a configuration file: allowed are ${allowed}` })
  }
  const bytes = yield* bytesOf(file)
  if (bytes.length > maxBytes) {
    return yield* fail("too-large", { problem: `is larger than ${maxBytes} bytes, the most a configuration may have` })
  }
  const text = yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => fail("syntax", { problem: "is not UTF-8 text" })
  })
  const empty = fail("empty", { problem: "is empty: it describes no pipeline" })
  if (text.trim() === "") return yield* empty
  const value = yield* Effect.mapError(parse(text), (syntax) => fail("syntax", syntax))
  return isEmpty(value) ? yield* empty : { name: file, value }
})
