/**
 * The functions that generated encoders call. Each writes one value at `at` of `bytes` and returns the offset after it.
 *
 * A function for values of any length ensures its room, and `spare` bytes after it. The others rely on their caller. When
 * a value doesn't have the plain type of its field, they throw `unusual`. Then `@bufbuild/protobuf` encodes or refuses the
 * message.
 */
import { toStruct } from "./structs.ts"

/** Thrown for a value that `@bufbuild/protobuf` must encode. */
export const unusual = new Error("a value that @bufbuild/protobuf must encode")

/** Thrown when the buffer is too small for the message. */
export const full = new Error("a message that is larger than the buffer")

/** The room for a tag and a length that exists after every write. */
export const spare = 16

const giveUp = (): never => {
  throw unusual
}

const grow = (): never => {
  throw full
}

/** The number of bytes of an unsigned number below 2^32. */
export const varintSize = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5

const varint32 = (bytes: Uint8Array, at: number, value: number): number => {
  let rest = value
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

const int32 = (bytes: Uint8Array, at: number, value: number): number => {
  if ((value | 0) !== value) throw unusual
  let rest = value
  if (rest >= 0) {
    if (rest < 0x4000) {
      if (rest < 0x80) {
        bytes[at] = rest
        return at + 1
      }
      bytes[at] = (rest & 0x7f) | 0x80
      bytes[at + 1] = rest >> 7
      return at + 2
    }
    return varint32(bytes, at, rest)
  }
  for (let index = 0; index < 4; index++) {
    bytes[at + index] = rest | 0x80
    rest >>= 7
  }
  bytes[at + 4] = rest | 0x80
  bytes[at + 5] = 0xff
  bytes[at + 6] = 0xff
  bytes[at + 7] = 0xff
  bytes[at + 8] = 0xff
  bytes[at + 9] = 1
  return at + 10
}

const uint32 = (bytes: Uint8Array, at: number, value: number): number => {
  if (value >>> 0 !== value) throw unusual
  return varint32(bytes, at, value)
}

const sint32 = (bytes: Uint8Array, at: number, value: number): number => {
  if ((value | 0) !== value) throw unusual
  return varint32(bytes, at, ((value << 1) ^ (value >> 31)) >>> 0)
}

const word32 = (bytes: Uint8Array, at: number, value: number): number => {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
  return at + 4
}

const fixed32 = (bytes: Uint8Array, at: number, value: number): number => {
  if (value >>> 0 !== value) throw unusual
  return word32(bytes, at, value)
}

const sfixed32 = (bytes: Uint8Array, at: number, value: number): number => {
  if ((value | 0) !== value) throw unusual
  return word32(bytes, at, value)
}

const cell = new DataView(new ArrayBuffer(8))

const float = (bytes: Uint8Array, at: number, value: number): number => {
  if (typeof value !== "number") throw unusual
  if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) throw unusual
  cell.setFloat32(0, value, true)
  return word32(bytes, at, cell.getUint32(0, true))
}

const double = (bytes: Uint8Array, at: number, value: number): number => {
  if (typeof value !== "number") throw unusual
  cell.setFloat64(0, value, true)
  return word32(bytes, word32(bytes, at, cell.getUint32(0, true)), cell.getUint32(4, true))
}

/** Puts 64 bits into `low` and `high`. Accepts whole numbers as number and text too. */
const split = (value: bigint | number | string, from: bigint, to: bigint): void => {
  const whole = BigInt(value)
  if (whole < from || whole > to) throw unusual
  cell.setBigInt64(0, whole, true)
  low = cell.getUint32(0, true)
  high = cell.getUint32(4, true)
}

let low = 0
let high = 0

const signed = (value: bigint | number | string): void => split(value, -(2n ** 63n), 2n ** 63n - 1n)
const unsigned = (value: bigint | number | string): void => split(value, 0n, 2n ** 64n - 1n)

const varint64 = (bytes: Uint8Array, at: number): number => {
  let [below, above] = [low, high]
  while (above !== 0) {
    bytes[at++] = (below & 0x7f) | 0x80
    below = ((below >>> 7) | (above << 25)) >>> 0
    above >>>= 7
  }
  return varint32(bytes, at, below)
}

/** The largest whole number that a double holds exactly, with all below it. */
const safe = Number.MAX_SAFE_INTEGER

/** A whole number of 0 to `safe`. */
const varint53 = (bytes: Uint8Array, at: number, value: number): number => {
  if (value < 0x1_0000_0000) return varint32(bytes, at, value >>> 0)
  low = value >>> 0
  high = (value - low) / 0x1_0000_0000
  return varint64(bytes, at)
}

const int64 = (bytes: Uint8Array, at: number, value: bigint | number | string): number => {
  if (typeof value === "bigint") {
    const number = Number(value)
    if (number >= 0 && number <= safe) return varint53(bytes, at, number)
  }
  signed(value)
  return varint64(bytes, at)
}

const uint64 = (bytes: Uint8Array, at: number, value: bigint | number | string): number => {
  if (typeof value === "bigint") {
    const number = Number(value)
    if (number >= 0 && number <= safe) return varint53(bytes, at, number)
  }
  unsigned(value)
  return varint64(bytes, at)
}

const sint64 = (bytes: Uint8Array, at: number, value: bigint | number | string): number => {
  signed(value)
  const sign = high >> 31
  const zigzag = ((high << 1) | (low >>> 31)) ^ sign
  low = ((low << 1) ^ sign) >>> 0
  high = zigzag >>> 0
  return varint64(bytes, at)
}

const fixed64 = (bytes: Uint8Array, at: number, value: bigint | number | string): number => {
  unsigned(value)
  return word32(bytes, word32(bytes, at, low), high)
}

const sfixed64 = (bytes: Uint8Array, at: number, value: bigint | number | string): number => {
  signed(value)
  return word32(bytes, word32(bytes, at, low), high)
}

const utf8 = new TextEncoder()

const longText = (bytes: Uint8Array, at: number, value: string): number => {
  const guess = varintSize(value.length)
  const { written } = utf8.encodeInto(value, bytes.subarray(at + guess))
  const size = varintSize(written)
  if (size !== guess) bytes.copyWithin(at + size, at + guess, at + guess + written)
  return varint32(bytes, at, written) + written
}

const string = (bytes: Uint8Array, at: number, value: string): number => {
  if (typeof value !== "string") throw unusual
  const { length } = value
  if (bytes.length - at < length * 3 + 5 + spare) throw full
  if (length > 48) return longText(bytes, at, value)
  bytes[at] = length
  for (let index = 0; index < length; index++) {
    const code = value.charCodeAt(index)
    if (code > 0x7f) return longText(bytes, at, value)
    bytes[at + 1 + index] = code
  }
  return at + 1 + length
}

const raw = (bytes: Uint8Array, at: number, value: Uint8Array): number => {
  const { length } = value
  if (bytes.length - at < length + spare) throw full
  if (length > 48) bytes.set(value, at)
  else for (let index = 0; index < length; index++) bytes[at + index] = value[index] ?? 0
  return at + length
}

const byteString = (bytes: Uint8Array, at: number, value: Uint8Array): number => {
  if (!(value instanceof Uint8Array)) throw unusual
  if (bytes.length - at < 5 + spare) throw full
  return raw(bytes, varint32(bytes, at, value.length), value)
}

/** Writes the length of the content, which lies from `start + guess` to `end`. Moves the content when `guess` was wrong. */
const length = (bytes: Uint8Array, start: number, end: number, guess: number): number => {
  const written = end - start - guess
  const size = varintSize(written)
  if (size !== guess) {
    if (bytes.length - end < size + spare) throw full
    bytes.copyWithin(start + size, start + guess, end)
  }
  return varint32(bytes, start, written) + written
}

/** Writes the unknown fields. */
const unknownFields = (bytes: Uint8Array, at: number, fields: unknown): number => {
  if (!Array.isArray(fields)) throw unusual
  for (const { no, wireType, data } of fields) {
    if (!(data instanceof Uint8Array)) throw unusual
    if (bytes.length - at < 5 + spare) throw full
    at = raw(bytes, varint32(bytes, at, ((no << 3) | wireType) >>> 0), data)
  }
  return at
}

const hasOwn = Object.hasOwn

/** The functions that generated source can use. */
export const known = {
  giveUp,
  grow,
  hasOwn,
  varintSize,
  int32,
  uint32,
  sint32,
  fixed32,
  sfixed32,
  float,
  double,
  int64,
  uint64,
  sint64,
  fixed64,
  sfixed64,
  string,
  byteString,
  length,
  unknownFields,
  toStruct
}
