/**
 * An entry as a line of text: checksum, tab, JSON, and for a stored batch another tab and the checksums of its ticks.
 *
 * The checksum covers everything after it up to the end of the line. A line that was cut or changed is not an entry any
 * more. The lines around it stay valid.
 *
 * ```ts
 * import * as LedgerLine from "tickvault/ledger/LedgerLine"
 *
 * export const describe = (line: Uint8Array) => {
 *   const decoded = LedgerLine.decode(line)
 *   return typeof decoded === "string" ? `damaged: ${decoded}` : decoded.entry._tag
 * }
 * ```
 */
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Base64 from "effect/encoding/Base64"
import * as Checksum from "../domain/Checksum.ts"
import { flushReasons } from "../queue/BatchPolicy.ts"
import { type Commit, Entry } from "./LedgerEntry.ts"

const Json = Schema.fromJsonString(Entry)
const toJson = Schema.encodeSync(Json)
const fromJson = Schema.decodeResult(Json)

const utf8 = new TextEncoder()
const text = new TextDecoder()

const tab = 9
const lineFeed = 10
const checksumDigits = 8

/** A decoded line. */
export interface Line {
  readonly entry: Entry
  /** Decodes the running checksums of a stored batch. `undefined` when the line has none. */
  readonly checks: () => ReadonlyArray<number> | undefined
}

const encodeChecks = (checks: ReadonlyArray<number>): string => {
  const bytes = new Uint8Array(checks.length * 4)
  const view = new DataView(bytes.buffer)
  let offset = 0
  for (const check of checks) {
    view.setUint32(offset, check, true)
    offset += 4
  }
  return Base64.encode(bytes)
}

const decodeChecks = (encoded: string): ReadonlyArray<number> | undefined => {
  const bytes = Result.getOrUndefined(Base64.decode(encoded))
  if (bytes === undefined) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => view.getUint32(index * 4, true))
}

/** `entry` as a line, with its line feed. */
export const encode = (entry: Entry, checks: ReadonlyArray<number> = []): Uint8Array => {
  const sums = checks.length === 0 ? "" : `\t${encodeChecks(checks)}`
  const content = utf8.encode(`\t${toJson(entry)}${sums}`)
  return Bytes.concat([utf8.encode(Checksum.toHex(Checksum.of(content))), content, Uint8Array.of(lineFeed)])
}

/** The JSON of a line with a correct checksum, and the encoded checksums of ticks after it. A string is the problem. */
const verified = (line: Uint8Array): { readonly json: string; readonly sums: Uint8Array | undefined } | string => {
  const content = line.subarray(checksumDigits)
  if (content[0] !== tab) return "it does not begin with a checksum"
  const noted = text.decode(line.subarray(0, checksumDigits))
  if (Checksum.fromHex(noted) !== Checksum.of(content)) return "its checksum is wrong"
  const end = content.indexOf(tab, 1)
  const json = text.decode(content.subarray(1, end < 0 ? undefined : end))
  return { json, sums: end < 0 ? undefined : content.subarray(end + 1) }
}

const entryOf = (json: string): Entry | string => {
  const decoded = fromJson(json)
  return Result.isSuccess(decoded) ? decoded.success : `it is not a known entry: ${decoded.failure.message}`
}

/** Decodes a line without its line feed. A string is the problem with the line. */
export const decode = (line: Uint8Array): Line | string => {
  const content = verified(line)
  if (typeof content === "string") return content
  const { json, sums } = content
  const entry = entryOf(json)
  if (typeof entry === "string") return entry
  return { entry, checks: () => (sums === undefined ? undefined : decodeChecks(text.decode(sums))) }
}

const plainText = String.raw`[^"\\\u0000-\u001f]*`
const whole = String.raw`(?:0|[1-9]\d{0,14})`
const stretch = String.raw`\["\d{1,19}","\d{1,19}","\d{1,19}"\]`

/** The form in which `encode` writes the entry of a stored batch. An entry of another form is decoded as JSON. */
const plainCommit = new RegExp(
  `^\\{"_tag":"Commit","key":"(${plainText})","stretches":\\[(?:${stretch}(?:,${stretch})*)?\\]` +
    `,"count":${whole},"bytes":${whole}(?:,"storedBytes":${whole})?,"checksum":"${plainText}"` +
    `,"committedAtMs":(${whole})(?:,"write":\\{"service":"${plainText}","flushReason":"(?:${flushReasons.join("|")})"` +
    `,"attempts":${whole},"enqueuedAtMs":${whole},"tookMs":${whole}(?:\\.\\d{1,20})?\\})?\\}$`,
  "u"
)

/** The longest entry, in characters, for the pattern: a longer match might overflow the stack. */
const maxPlain = 64 * 1024

/** The part of a stored batch's entry that `brief` decodes. */
export type BriefCommit = Pick<Commit, "_tag" | "key" | "committedAtMs">

export type Brief = BriefCommit | Exclude<Entry, Commit>

/** Like `decode`, but faster, for readers of many lines that need only the keys and times of stored batches. */
export const brief = (line: Uint8Array): Brief | string => {
  const content = verified(line)
  if (typeof content === "string") return content
  const { json } = content
  const [, key, committedAtMs] = (json.length <= maxPlain ? plainCommit.exec(json) : undefined) ?? []
  if (key === undefined || committedAtMs === undefined) return entryOf(json)
  return { _tag: "Commit", key, committedAtMs: Number(committedAtMs) }
}
