/**
 * The functions that generated decoders call. Each reads one value from `at` of `bytes`, up to `end` at most, and leaves
 * the offset after it in `state.at`.
 *
 * When the bytes are not as an encoder writes them, they throw `unusual`. Then `@bufbuild/protobuf` reads or refuses the
 * message.
 */
import { setOwn, toJson } from "./structs.ts"

/** Thrown for bytes that `@bufbuild/protobuf` must read. */
const unusual = new Error("bytes that @bufbuild/protobuf must read")

const giveUp = (): never => {
  throw unusual
}

/** The end of the last value read. */
const state = { at: 0 }

/** The low 32 bits, signed, of a varint of at most ten bytes. */
const varint32 = (bytes: Uint8Array, at: number, end: number): number => {
  let value = 0
  for (let shift = 0; shift < 70; shift += 7) {
    if (at >= end) throw unusual
    const byte = bytes[at++] ?? 0
    if (shift < 35) value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      state.at = at
      return value
    }
  }
  throw unusual
}

/** A length. Gives up when it goes beyond `end`. */
const length = (bytes: Uint8Array, at: number, end: number): number => {
  const value = varint32(bytes, at, end) >>> 0
  if (value > end - state.at) throw unusual
  return value
}

/** A tag with a valid number and wire type. */
const tag = (bytes: Uint8Array, at: number, end: number): number => {
  const value = varint32(bytes, at, end) >>> 0
  const size = state.at - at
  if (size > 5 || (size === 5 && (bytes[state.at - 1] ?? 0) > 0x0f)) throw unusual
  return value
}

let low = 0
let high = 0

/** Reads 64 bits into `low` and `high`, each signed. */
const varint64 = (bytes: Uint8Array, at: number, end: number): void => {
  low = 0
  high = 0
  for (let shift = 0; shift < 70; shift += 7) {
    if (at >= end) throw unusual
    const byte = bytes[at++] ?? 0
    const bits = byte & 0x7f
    if (shift < 28) low |= bits << shift
    else if (shift === 28) {
      low |= bits << 28
      high = bits >>> 4
    } else high |= bits << (shift - 32)
    if (byte < 0x80) {
      state.at = at
      return
    }
  }
  throw unusual
}

const word32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)

const word64 = (bytes: Uint8Array, at: number, end: number): void => {
  if (end - at < 8) throw unusual
  low = word32(bytes, at)
  high = word32(bytes, at + 4)
  state.at = at + 8
}

const cell = new DataView(new ArrayBuffer(8))

const asSigned = (): bigint => {
  if (high === 0) return low === 0 ? 0n : BigInt(low >>> 0)
  if (high >= -0x20_0000 && high < 0x20_0000) return BigInt(high * 0x1_0000_0000 + (low >>> 0))
  cell.setInt32(0, low, true)
  cell.setInt32(4, high, true)
  return cell.getBigInt64(0, true)
}

const asUnsigned = (): bigint => (high < 0 ? BigInt.asUintN(64, asSigned()) : asSigned())

const int64 = (bytes: Uint8Array, at: number, end: number): bigint => {
  varint64(bytes, at, end)
  return asSigned()
}

const uint64 = (bytes: Uint8Array, at: number, end: number): bigint => {
  varint64(bytes, at, end)
  return asUnsigned()
}

const sint64 = (bytes: Uint8Array, at: number, end: number): bigint => {
  varint64(bytes, at, end)
  const sign = -(low & 1)
  low = ((low >>> 1) | ((high & 1) << 31)) ^ sign
  high = (high >>> 1) ^ sign
  return asSigned()
}

const fixed64 = (bytes: Uint8Array, at: number, end: number): bigint => {
  word64(bytes, at, end)
  return asUnsigned()
}

const sfixed64 = (bytes: Uint8Array, at: number, end: number): bigint => {
  word64(bytes, at, end)
  return asSigned()
}

const sfixed32 = (bytes: Uint8Array, at: number, end: number): number => {
  if (end - at < 4) throw unusual
  state.at = at + 4
  return word32(bytes, at)
}

const fixed32 = (bytes: Uint8Array, at: number, end: number): number => sfixed32(bytes, at, end) >>> 0

const float = (bytes: Uint8Array, at: number, end: number): number => {
  cell.setInt32(0, sfixed32(bytes, at, end), true)
  return cell.getFloat32(0, true)
}

const double = (bytes: Uint8Array, at: number, end: number): number => {
  word64(bytes, at, end)
  cell.setInt32(0, low, true)
  cell.setInt32(4, high, true)
  return cell.getFloat64(0, true)
}

/** Texts of at most `largestKept` bytes are kept. Texts of at most `largestShort` are read without a `TextDecoder`. */
const largestKept = 64
const largestShort = 32

/** The last text of a field: in the next message it is usually the same. */
class LastText {
  private readonly bytes = new Uint8Array(largestKept)
  private length = 0
  private text = ""

  /** The kept text, if it equals the bytes from `at` up to `end`. */
  get(bytes: Uint8Array, at: number, end: number): string | undefined {
    const { length } = this
    if (length !== end - at) return undefined
    for (let index = 0; index < length; index++) if (this.bytes[index] !== bytes[at + index]) return undefined
    return this.text
  }

  set(bytes: Uint8Array, at: number, end: number, text: string): void {
    if (end - at > largestKept) return
    this.length = end - at
    this.text = text
    for (let index = 0; index < this.length; index++) this.bytes[index] = bytes[at + index] ?? 0
  }
}

const loose = new TextDecoder("utf-8", { ignoreBOM: true })
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true })

const ascii = (bytes: Uint8Array, at: number, end: number): string | undefined => {
  const codes: Array<number> = []
  for (let index = at; index < end; index++) {
    const byte = bytes[index] ?? 0
    if (byte > 0x7f) return undefined
    codes.push(byte)
  }
  return String.fromCharCode(...codes)
}

const read = (utf8: typeof loose, bytes: Uint8Array, at: number, end: number, last: LastText): string => {
  const known = last.get(bytes, at, end)
  if (known !== undefined) return known
  const short = end - at <= largestShort ? ascii(bytes, at, end) : undefined
  const text = short ?? utf8.decode(bytes.subarray(at, end))
  last.set(bytes, at, end, text)
  return text
}

/** The text from `at` up to `end`. Invalid UTF-8 becomes U+FFFD. */
const looseText = (bytes: Uint8Array, at: number, end: number, last: LastText): string =>
  read(loose, bytes, at, end, last)

/** The text from `at` up to `end`. Throws for invalid UTF-8. */
const strictText = (bytes: Uint8Array, at: number, end: number, last: LastText): string =>
  read(strict, bytes, at, end, last)

const endOf = (bytes: Uint8Array, at: number, end: number, wireType: number): number => {
  switch (wireType) {
    case 0: {
      let next = at
      while (next < end && (bytes[next] ?? 0) > 0x7f) next++
      return next + 1
    }
    case 1:
      return at + 8
    case 2:
      return length(bytes, at, end) + state.at
    case 5:
      return at + 4
    default:
      throw unusual
  }
}

interface UnknownField {
  readonly no: number
  readonly wireType: number
  readonly data: Uint8Array
}

/** Appends the value of an unknown field with the tag `tag`. Gives up on groups. */
const unknownField = (bytes: Uint8Array, at: number, end: number, tag: number, before?: Array<UnknownField>) => {
  const no = tag >>> 3
  if (no === 0) throw unusual
  const fields = before ?? []
  const next = endOf(bytes, at, end, tag & 7)
  if (next > end) throw unusual
  fields.push({ no, wireType: tag & 7, data: bytes.subarray(at, next) })
  state.at = next
  return fields
}

/** The functions that generated source can use. */
export const known = {
  giveUp,
  state,
  varint32,
  length,
  tag,
  int64,
  uint64,
  sint64,
  fixed64,
  sfixed64,
  fixed32,
  sfixed32,
  float,
  double,
  LastText,
  looseText,
  strictText,
  unknownField,
  setOwn,
  toJson
}
