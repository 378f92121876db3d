// @effect-diagnostics nodeBuiltinImport:off
/**
 * Ticks for the measurements: the recorded ones, renumbered and repeated as often as needed, each with its own bytes.
 */
import { readFileSync } from "node:fs"
import { zstdDecompressSync } from "node:zlib"
import * as Delimited from "../src/domain/Delimited.ts"
import type { Batch, Tick } from "../src/domain/Tick.ts"

/** The recorded files by the size of their ticks. */
export const payloads = ["3 KB", "8 KB", "32 KB"] as const

export type Payload = (typeof payloads)[number]

const files: Record<Payload, string> = {
  "3 KB": "evochora-1-organism.pb.zst",
  "8 KB": "evochora-3-organisms.pb.zst",
  "32 KB": "evochora-60-organisms.pb.zst"
}

/** The number of ticks of each size that make about 600 MB. */
export const many: Record<Payload, number> = { "3 KB": 190_000, "8 KB": 70_000, "32 KB": 18_000 }

/** The encoded messages of a recorded file. */
export const recorded = (payload: Payload): ReadonlyArray<Uint8Array> => {
  const file = readFileSync(new URL(`../test/data/${files[payload]}`, import.meta.url))
  const { error, frames } = new Delimited.Decoder().push(zstdDecompressSync(file))
  if (error !== undefined) throw error
  return frames.map((frame) => frame.payload)
}

const varintEnd = (bytes: Uint8Array, start: number): number => {
  let position = start
  while (bytes[position]! > 0x7f) position++
  return position + 1
}

/** `value` as a protobuf varint. */
export const varint = (value: number): ReadonlyArray<number> => {
  const bytes: Array<number> = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return [...bytes, rest]
}

/** A message around its tick number, which is field 2 and follows the run id. */
interface Template {
  readonly head: Uint8Array
  readonly tail: Uint8Array
  readonly runId: string
}

const template = (message: Uint8Array): Template => {
  const idStart = varintEnd(message, 1)
  const idEnd = idStart + message[idStart - 1]!
  if (message[0] !== 0x0a || message[idEnd] !== 0x10) throw new Error("fields 1 and 2 are not where they are expected")
  return {
    head: message.subarray(0, idEnd + 1),
    tail: message.subarray(varintEnd(message, idEnd + 1)),
    runId: new TextDecoder().decode(message.subarray(idStart, idEnd))
  }
}

const templates = new Map<Payload, ReadonlyArray<Template>>()

const templatesOf = (payload: Payload): ReadonlyArray<Template> => {
  const known = templates.get(payload) ?? recorded(payload).map(template)
  templates.set(payload, known)
  return known
}

/** `count` ticks numbered from `first`, from the recorded ones in rotation, each made when it is pulled. */
export function* tickStream(payload: Payload, count: number, first = 1): Generator<Tick, void> {
  const all = templatesOf(payload)
  for (let index = 0; index < count; index++) {
    const { head, runId, tail } = all[index % all.length]!
    const number = varint(first + index)
    const bytes = new Uint8Array(head.length + number.length + tail.length)
    bytes.set(head)
    bytes.set(number, head.length)
    bytes.set(tail, head.length + number.length)
    yield { simulationRunId: runId, tickNumber: BigInt(first + index), payload: bytes }
  }
}

/** The same ticks as an array. */
export const ticks = (payload: Payload, count: number, first = 1): Batch =>
  [...tickStream(payload, count, first)] as unknown as Batch

/** The contents of the files of `ticks` in batches of `batch`, each in its own buffer. */
export const batchFiles = (all: ReadonlyArray<Tick>, batch: number): ReadonlyArray<Uint8Array> => {
  const contents: Array<Uint8Array> = []
  for (let from = 0; from < all.length; from += batch) {
    contents.push(Buffer.concat([...Delimited.encode(all.slice(from, from + batch))]))
  }
  return contents
}
