/**
 * An entry as a line of text: checksum, tab, JSON, and for a stored batch another tab and the checksums of its ticks.
 *
 * The checksum is that of all that follows it up to the end of the line. A line that is cut, or has any byte changed, is
 * not taken for an entry, and the lines around it are not affected.
 */
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Base64 from "effect/encoding/Base64"
import * as Checksum from "../domain/Checksum.ts"
import { Entry } from "./LedgerEntry.ts"

const Json = Schema.fromJsonString(Entry)
const toJson = Schema.encodeSync(Json)
const fromJson = Schema.decodeResult(Json)

const utf8 = new TextEncoder()
const text = new TextDecoder()

const tab = 9
const lineFeed = 10
const checksumDigits = 8

/** What a line says. */
export interface Line {
  readonly entry: Entry
  /** The running checksums of a stored batch, decoded when they are asked for; `undefined` when the line has none. */
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

/** The entry on a line without its line feed; a string says what is wrong with it. */
export const decode = (line: Uint8Array): Line | string => {
  const content = line.subarray(checksumDigits)
  if (content[0] !== tab) return "it does not begin with a checksum"
  const noted = text.decode(line.subarray(0, checksumDigits))
  if (Checksum.fromHex(noted) !== Checksum.of(content)) return "its checksum is wrong"
  const end = content.indexOf(tab, 1)
  const json = fromJson(text.decode(content.subarray(1, end < 0 ? undefined : end)))
  if (Result.isFailure(json)) return `it is no entry that is known here: ${json.failure.message}`
  const sums = end < 0 ? undefined : content.subarray(end + 1)
  return { entry: json.success, checks: () => (sums === undefined ? undefined : decodeChecks(text.decode(sums))) }
}
