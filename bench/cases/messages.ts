// @effect-diagnostics nodeBuiltinImport:off
/**
 * Storing message objects, compared with code written by hand: `toBinary` and a length for each message, one `writeFile`
 * and one fsync for each batch.
 */
import { toBinary } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import { mkdirSync, openSync, closeSync, fsyncSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Case, Turn } from "../Case.ts"
import { type Payload, payloads, recorded, varint } from "../data.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as Decoder from "../../src/protobuf/Decoder.ts"
import { type TickData, TickDataSchema } from "../../src/domain/Contracts.ts"
import { storeStreamed, timed } from "../turns.ts"

const batch = 1000

const many: Record<Payload, number> = { "3 KB": 60_000, "8 KB": 30_000, "32 KB": 8_000 }

/**
 * Message objects of one run, numbered from 1: the recorded ones in rotation. Like the messages of a program, they are
 * plain objects for V8. V8 treats some messages of `fromBinary` as dictionaries, which are slower to encode for both sides.
 */
function* messages(payload: Payload, count: number): Generator<TickData, void> {
  const all = recorded(payload).map(Decoder.make(TickDataSchema))
  for (let tick = 0; tick < count; tick++) {
    const message = all[tick % all.length]!
    message.tickNumber = BigInt(tick + 1)
    yield message
  }
}

/** Writes `count` of the messages, a file for each batch. Returns the bytes. */
const writeByHand = (folder: string, all: Generator<TickData, void>, count: number): number => {
  let bytes = 0
  for (let file = 0; file < count / batch; file++) {
    const pieces: Array<Uint8Array> = []
    for (let next = all.next(); next.done !== true; next = all.next()) {
      const encoded = toBinary(TickDataSchema, next.value)
      pieces.push(Uint8Array.from(varint(encoded.length)), encoded)
      if (pieces.length === 2 * batch) break
    }
    const content = Buffer.concat(pieces)
    bytes += content.length
    const path = join(folder, `${file}.pb`)
    writeFileSync(path, content)
    const opened = openSync(path, "r")
    fsyncSync(opened)
    closeSync(opened)
  }
  return bytes
}

const byHand = (payload: Payload): Turn => {
  return (folder) =>
    Effect.sync(() => {
      mkdirSync(folder, { recursive: true })
      writeByHand(folder, messages(payload, 5000), 5000)
      let bytes = 0
      const seconds = timed(() => (bytes = writeByHand(folder, messages(payload, many[payload]), many[payload])))
      return { seconds, ticks: many[payload], bytes, storedBytes: bytes }
    })
}

/** The same messages as ticks, each encoded when it is pulled. */
function* encoded(payload: Payload, count: number): Generator<Tick.Tick, void> {
  for (const message of messages(payload, count)) yield Tick.fromMessage(message)
}

export const cases: ReadonlyArray<Case> = payloads.map((payload) => ({
  name: `messages ${payload}`,
  settings: { payload, batch, codec: "zstd", durability: "full", instances: 2 },
  peer: "toBinary, writeFile, fsync",
  ours: "pipeline",
  goal: { of: "speed", atLeast: payload === "8 KB" ? 5 : 3 },
  turns: {
    in: "processes",
    peer: byHand(payload),
    ours: storeStreamed((count) => encoded(payload, count), many[payload], {
      instances: 2,
      compression: "zstd"
    })
  }
}))
