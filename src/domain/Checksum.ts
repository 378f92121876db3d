/**
 * CRC-32, the same as in zlib, gzip and PNG. It detects every damage of up to 32 consecutive bits, and all but one in four
 * billion of the others. It is a running checksum: compute it part by part, each with the checksum of the parts before.
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

/** The checksum of no bytes. A running checksum begins with it. */
export const empty = 0

/** The checksum of earlier bytes followed by `bytes`. `before` is the checksum of the earlier bytes. */
export const of = (bytes: Uint8Array, before: number = empty): number => crc32(bytes, before)

/** The effect of each byte on a checksum, without the inversion of all bits before and after. */
const ofSingles = Uint32Array.from({ length: 256 }, (_, byte) => ~of(Uint8Array.of(byte), 0xffff_ffff))

/** Like `of` for one byte, without a native call. Use it for a few bytes. */
export const ofByte = (byte: number, before: number): number => {
  const inner = ~before >>> 0
  return ~((ofSingles[(inner ^ byte) & 255] ?? 0) ^ (inner >>> 8)) >>> 0
}

/** A linear map of checksums: the image of each bit. CRC-32 is linear. */
type BitMap = ReadonlyArray<number>

const apply = (map: BitMap, checksum: number): number => {
  let result = 0
  for (let rest = checksum, bit = 0; rest !== 0; rest >>>= 1, bit++) if ((rest & 1) === 1) result ^= map[bit] ?? 0
  return result
}

const bits = Array.from({ length: 32 }, (_, bit) => (1 << bit) >>> 0)

const inverted = 0xffff_ffff

/** The effect of a zero byte on a checksum, without the inversion of all bits before and after. */
const oneZeroByte: BitMap = bits.map((bit) => of(Uint8Array.of(0), (bit ^ inverted) >>> 0) ^ inverted)

/** Joins the checksums of two pieces of bytes without the bytes. The length of the second piece is fixed. */
export class Shift {
  /** The effect of `length` zero bytes, for each byte of a checksum. */
  private readonly tables: ReadonlyArray<ReadonlyArray<number>>

  /** `length` is that of the second piece. */
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

  /** The checksum of both pieces. `before` is that of the first piece, `own` that of the second alone. */
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

/** Parses eight hexadecimal digits. `undefined` for any other text. */
export const fromHex = (text: string): number | undefined =>
  /^[0-9a-f]{8}$/u.test(text) ? Number.parseInt(text, 16) : undefined
