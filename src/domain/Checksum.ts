/**
 * CRC-32 as zlib, gzip and PNG have it: finds every damage of up to 32 bits in a row, and all but one in four billion of
 * the others. Running: the checksum of a whole is that of its parts, each begun with the one before.
 *
 * ```ts
 * import * as Checksum from "tickvault/domain/Checksum"
 *
 * const [first, second] = [Uint8Array.of(1, 2), Uint8Array.of(3)]
 * // The same as of the three bytes in one piece.
 * export const digits = Checksum.toHex(Checksum.of(second, Checksum.of(first)))
 * ```
 */
import { crc32 } from "node:zlib"

/** The checksum of nothing, with which a running one begins. */
export const empty = 0

/** The checksum of `bytes`, after what `before` is the checksum of. */
export const of = (bytes: Uint8Array, before: number = empty): number => crc32(bytes, before)

/** What a byte does to a checksum, apart from the inversion of all bits before and after. */
const ofSingles = Uint32Array.from({ length: 256 }, (_, byte) => ~of(Uint8Array.of(byte), 0xffff_ffff))

/** The checksum of one byte after what `before` is the checksum of: for a few, which are not worth a call. */
export const ofByte = (byte: number, before: number): number => {
  const inner = ~before >>> 0
  return ~((ofSingles[(inner ^ byte) & 255] ?? 0) ^ (inner >>> 8)) >>> 0
}

/** Each bit of a checksum mapped to what becomes of it: a linear map, as CRC-32 is one. */
type BitMap = ReadonlyArray<number>

const apply = (map: BitMap, checksum: number): number => {
  let result = 0
  for (let rest = checksum, bit = 0; rest !== 0; rest >>>= 1, bit++) if ((rest & 1) === 1) result ^= map[bit] ?? 0
  return result
}

const bits = Array.from({ length: 32 }, (_, bit) => (1 << bit) >>> 0)

const inverted = 0xffff_ffff

/** What a zero byte does to a checksum, apart from the inversion of all bits before and after. */
const oneZeroByte: BitMap = bits.map((bit) => of(Uint8Array.of(0), (bit ^ inverted) >>> 0) ^ inverted)

/** The checksum of bytes of one length after others, from the checksums of the two, without the bytes. */
export class Shift {
  /** What so many zero bytes do to a checksum, byte by byte of it. */
  private readonly tables: ReadonlyArray<ReadonlyArray<number>>

  /** For bytes of this length. */
  constructor(length: number) {
    let map: BitMap = bits
    let power = oneZeroByte
    for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
      if (rest % 2 === 1) map = map.map((bit) => apply(power, bit))
      power = power.map((bit) => apply(power, bit))
    }
    this.tables = [0, 8, 16, 24].map((from) =>
      Array.from({ length: 256 }, (_, value) => apply(map, (value << from) >>> 0))
    )
  }

  /** The checksum of the whole, when `before` is that of what comes first and `own` that of the bytes alone. */
  join(before: number, own: number): number {
    const [a = [], b = [], c = [], d = []] = this.tables
    const shifted =
      (a[before & 255] ?? 0) ^
      (b[(before >>> 8) & 255] ?? 0) ^
      (c[(before >>> 16) & 255] ?? 0) ^
      (d[before >>> 24] ?? 0)
    return (shifted ^ own) >>> 0
  }
}

/** A checksum as eight hexadecimal digits. */
export const toHex = (checksum: number): string => checksum.toString(16).padStart(8, "0")

/** The checksum that eight hexadecimal digits are; `undefined` for any other text. */
export const fromHex = (text: string): number | undefined =>
  /^[0-9a-f]{8}$/u.test(text) ? Number.parseInt(text, 16) : undefined
