/** The length before a message of the delimited format: a protobuf varint. */
import * as Bytes from "effect/Bytes"

/** The number of bytes of the length before a message of `payloadBytes`. */
export const prefixBytes = (payloadBytes: number): number => {
  let size = 1
  for (let rest = payloadBytes; rest > 0x7f; rest = Math.floor(rest / 128)) size++
  return size
}

/** Writes `length` into `target` at `at`, and returns the offset after it. */
export const writePrefix = (target: Uint8Array, at: number, length: number): number => {
  let rest = length
  let position = at
  while (rest > 0x7f) {
    target[position++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  target[position++] = rest
  return position
}

/** Whether the bytes of `buffer` at `at` are the length of a message of `payloadBytes`. */
export const isPrefix = (buffer: ArrayBufferLike, at: number, payloadBytes: number): boolean => {
  if (at < 0) return false
  const expected = new Uint8Array(prefixBytes(payloadBytes))
  writePrefix(expected, 0, payloadBytes)
  return Bytes.Equivalence(expected, new Uint8Array(buffer, at, expected.length))
}
