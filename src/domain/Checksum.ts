/**
 * CRC-32 as zlib, gzip and PNG have it: finds every damage of up to 32 bits in a row, and all but one in four billion of
 * the others. Running: the checksum of a whole is that of its parts, each begun with the one before.
 */
import { crc32 } from "node:zlib"

/** The checksum of nothing, with which a running one begins. */
export const empty = 0

/** The checksum of `bytes`, after what `before` is the checksum of. */
export const of = (bytes: Uint8Array, before: number = empty): number => crc32(bytes, before)

/** A checksum as eight hexadecimal digits. */
export const toHex = (checksum: number): string => checksum.toString(16).padStart(8, "0")

/** The checksum that eight hexadecimal digits are; `undefined` for any other text. */
export const fromHex = (text: string): number | undefined =>
  /^[0-9a-f]{8}$/u.test(text) ? Number.parseInt(text, 16) : undefined
