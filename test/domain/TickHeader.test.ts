// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Tick from "../../src/domain/Tick.ts"
import { TickHeader } from "../../src/domain/TickHeader.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { randomFrom } from "../support/random.ts"
import { message, rngState, runId, tickNumber, unknownFields } from "./messages.ts"

/** What is read of the message from `start` to `end`, or what is wrong with it. */
const read = (header: TickHeader, bytes: Uint8Array, start?: number, end?: number) => {
  const error = header.read(bytes, start, end)
  return error?.message ?? { simulationRunId: header.simulationRunId, tickNumber: header.tickNumber }
}

const examples = [
  TestTick.make("run", 7, 100).payload,
  TestTick.make("ruN", 2 ** 40, 20_000).payload,
  message((writer) => {
    unknownFields(writer)
    for (const size of [0, 1, 127, 128, 300, 16_383, 16_384]) rngState(writer, new Uint8Array(size).fill(0xff))
    tickNumber(writer, -1n)
    runId(writer, "läuft")
    tickNumber(writer, 9_223_372_036_854_775_807n)
  }),
  new Uint8Array()
]

describe("the header of a tick", () => {
  it.effect("is read where it lies, whatever is around it", () =>
    Effect.sync(() => {
      const header = new TickHeader()
      for (const around of [0x00, 0x01, 0x2a, 0x80, 0xff]) {
        for (const bytes of examples) {
          const within = Bytes.concat([new Uint8Array(40).fill(around), bytes, new Uint8Array(40).fill(around)])
          const found = read(header, within, 40, 40 + bytes.length)
          assert.deepStrictEqual(found, read(new TickHeader(), bytes))
          assert.isObject(found)
        }
      }
    })
  )

  it.effect(
    "ends where the message ends: one that is cut, or changed, has the same errors within others as alone",
    () =>
      Effect.sync(() => {
        const random = randomFrom(4)
        const header = new TickHeader()
        let errors = 0
        for (let round = 0; round < 20_000; round++) {
          const bytes = new Uint8Array(random.pick([examples[0]!, examples[2]!, examples[3]!]))
          if (bytes.length > 0) bytes[random.between(0, Math.min(60, bytes.length - 1))] = random.between(0, 255)
          const message = bytes.subarray(0, random.between(0, bytes.length))
          const within = Bytes.concat([bytes, message, bytes])
          const found = read(header, within, bytes.length, bytes.length + message.length)
          const alone = Result.merge(Tick.fromBytes(message))
          const { simulationRunId, tickNumber } = "payload" in alone ? alone : { simulationRunId: "", tickNumber: 0n }
          assert.deepStrictEqual(found, "payload" in alone ? { simulationRunId, tickNumber } : alone.message)
          if (typeof found === "string") errors++
        }
        assert.isAbove(errors, 5000)
      })
  )

  it.effect("is that of each message, when one reader reads many", () =>
    Effect.sync(() => {
      const header = new TickHeader()
      const names = ["run", "run", "ruN", "", "run-2", "run", "", "läuft", "lauft!", "läuft"]
      for (const [index, name] of names.entries()) {
        const bytes = TestTick.make(name, index).payload
        assert.deepStrictEqual(read(header, bytes), { simulationRunId: name, tickNumber: BigInt(index) })
        bytes.fill(0x7a)
      }
      const invalid = Uint8Array.of(10, 3, 0x72, 0xff, 0x6e)
      assert.include(read(header, invalid), "invalid UTF-8 at byte 2")
      assert.deepStrictEqual(read(header, Uint8Array.of(16, 5)), { simulationRunId: "", tickNumber: 5n })
      assert.include(read(header, invalid), "invalid UTF-8 at byte 2")
    })
  )
})
