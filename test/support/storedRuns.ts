// Reads what a process has stored without any code of the project. @effect-diagnostics nodeBuiltinImport:off
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { zstdDecompressSync } from "node:zlib"

export interface StoredTick {
  readonly runId: string
  readonly tick: bigint
  readonly payload: Buffer
}

class Reader {
  position = 0
  readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get done(): boolean {
    return this.position >= this.bytes.length
  }

  varint(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.position++]
      if (byte === undefined) throw new Error(`cut within a varint at byte ${this.position}`)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  take(length: number): Buffer {
    if (this.position + length > this.bytes.length) throw new Error(`cut within ${length} bytes at ${this.position}`)
    this.position += length
    return this.bytes.subarray(this.position - length, this.position)
  }
}

const parse = (payload: Buffer): StoredTick => {
  const reader = new Reader(payload)
  let runId = ""
  let tick = 0n
  while (!reader.done) {
    const tag = Number(reader.varint())
    if (tag === 10) runId = reader.take(Number(reader.varint())).toString("utf8")
    else if (tag === 16) tick = BigInt.asIntN(64, reader.varint())
    else if (tag % 8 === 0) reader.varint()
    else if (tag % 8 === 2) reader.take(Number(reader.varint()))
    else reader.take(tag % 8 === 1 ? 8 : 4)
  }
  return { runId, tick, payload }
}

/** The ticks of a delimited file. Throws when it isn't whole. */
export const parseDelimited = (bytes: Buffer): ReadonlyArray<StoredTick> => {
  const reader = new Reader(bytes)
  const ticks: Array<StoredTick> = []
  while (!reader.done) ticks.push(parse(reader.take(Number(reader.varint()))))
  return ticks
}

export interface StoredRun {
  /** Names of the batch files in ascending order. */
  readonly files: ReadonlyArray<string>
  readonly bytes: number
  readonly ticks: ReadonlyArray<StoredTick>
}

const padded = (tick: bigint | undefined) => (tick ?? -1n).toString().padStart(19, "0")

const readRun = (folder: string, runId: string): StoredRun => {
  const files = readdirSync(folder)
    .filter((name) => name.startsWith("batch_"))
    .sort()
  const ticks: Array<StoredTick> = []
  let size = 0
  for (const file of files) {
    const bytes = readFileSync(join(folder, file))
    const isCompressed = file.endsWith(".zst")
    const inFile = parseDelimited(isCompressed ? zstdDecompressSync(bytes) : bytes)
    const name = `batch_${padded(inFile[0]?.tick)}_${padded(inFile.at(-1)?.tick)}.pb${isCompressed ? ".zst" : ""}`
    if (file !== name) {
      throw new Error(`${file} holds ticks ${inFile[0]?.tick} to ${inFile.at(-1)?.tick}`)
    }
    if (inFile.some((tick) => tick.runId !== runId)) throw new Error(`${file} holds ticks of another run`)
    size += bytes.length
    ticks.push(...inFile)
  }
  return { files, bytes: size, ticks }
}

/** Every run that `data` holds, by its id. Throws when a file is damaged, misnamed, or of another run. */
export const storedRuns = (data: string): ReadonlyMap<string, StoredRun> =>
  new Map(
    existsSync(data)
      ? readdirSync(data)
          .filter((name) => !name.startsWith("."))
          .map((runId) => [runId, readRun(join(data, runId), runId)])
      : []
  )

/** Paths below `data` of files that a finished process should not have left behind. */
export const leftovers = (data: string): ReadonlyArray<string> =>
  existsSync(data)
    ? readdirSync(data, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".tmp"))
    : []

/** Names of the dead letters in `data`. */
export const deadLetters = (data: string): ReadonlyArray<string> => {
  const folder = join(data, ".dead-letters")
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".pb")) : []
}
