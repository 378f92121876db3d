// @effect-diagnostics nodeBuiltinImport:off processEnv:off globalConsole:off
/**
 * Ticks to measure with: the recorded ones, renumbered to as many as a case needs.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs"
import { zstdDecompressSync } from "node:zlib"

const readVarint = (bytes: Uint8Array, start: number): [value: number, end: number] => {
  let value = 0
  let scale = 1
  let position = start
  for (;;) {
    const byte = bytes[position++]!
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return [value, position]
    scale *= 128
  }
}

const writeVarint = (value: number): Array<number> => {
  const bytes: Array<number> = []
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return bytes
}

/** The encoded ticks of a recorded file, without their tick numbers: field 2 is cut out of each. */
const numberless = (file: URL): ReadonlyArray<Buffer> => {
  const bytes = zstdDecompressSync(readFileSync(file))
  const messages: Array<Buffer> = []
  for (let position = 0; position < bytes.length;) {
    const [length, start] = readVarint(bytes, position)
    position = start + length
    const [, runIdStart] = readVarint(bytes, start)
    const [runIdLength, runId] = readVarint(bytes, runIdStart)
    const numberStart = runId + runIdLength
    if (bytes[start] !== 0x0a || bytes[numberStart] !== 0x10)
      throw new Error(`${file.pathname}: unexpected field order`)
    const [, numberEnd] = readVarint(bytes, numberStart + 1)
    messages.push(Buffer.concat([bytes.subarray(start, numberStart), bytes.subarray(numberEnd, position)]))
  }
  return messages
}

/**
 * Writes `ticks` ticks numbered from 1 into `target`, delimited, made from a recorded file. Field 2 stands at the end of
 * each message, which protobuf allows. Gives the size of the file.
 */
export const renumbered = (source: URL, ticks: number, target: string): number => {
  const messages = numberless(source)
  const file = openSync(target, "w")
  let size = 0
  let pending: Array<Buffer> = []
  for (let tick = 1; tick <= ticks; tick++) {
    const body = messages[tick % messages.length]!
    const number = [0x10, ...writeVarint(tick)]
    pending.push(Buffer.from(writeVarint(body.length + number.length)), body, Buffer.from(number))
    if (pending.length >= 3000 || tick === ticks) {
      size += writeSync(file, Buffer.concat(pending))
      pending = []
    }
  }
  closeSync(file)
  return size
}
