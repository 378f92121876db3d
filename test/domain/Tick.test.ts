// @module-tag unit
import { create, fromBinary } from "@bufbuild/protobuf"
import { BinaryReader, type BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Tick from "../../src/domain/Tick.ts"
import { TickDataSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import { message, rngState, runId, tickNumber, unknownFields } from "./messages.ts"
import { readReal, realBatches } from "../support/realData.ts"

const scan = (bytes: Uint8Array) => Effect.fromResult(Tick.fromBytes(bytes))

describe("a tick from a message", () => {
  it.effect("has the run id, the number and the encoded bytes of the message", () =>
    Effect.gen(function* () {
      const data = create(TickDataSchema, { simulationRunId: "run", tickNumber: 42n, rngState: Uint8Array.of(1) })
      const tick = Tick.fromMessage(data)
      assert.strictEqual(tick.simulationRunId, "run")
      assert.strictEqual(tick.tickNumber, 42n)
      assert.deepStrictEqual(fromBinary(TickDataSchema, tick.payload), data)
      assert.deepStrictEqual(yield* scan(tick.payload), tick)
    })
  )
})

describe("a tick from bytes", () => {
  it.effect("keeps the bytes it was given, unknown fields included, without a copy", () =>
    Effect.gen(function* () {
      const bytes = message((writer) => {
        unknownFields(writer)
        runId(writer, "run")
        unknownFields(writer)
      })
      assert.strictEqual((yield* scan(bytes)).payload, bytes)
    })
  )

  it.effect("finds fields 1 and 2 wherever they stand", () =>
    Effect.gen(function* () {
      const parts = [
        (writer: BinaryWriter) => runId(writer, "run-ü"),
        (writer: BinaryWriter) => tickNumber(writer, 7n),
        (writer: BinaryWriter) => rngState(writer, Uint8Array.of(10, 3, 97, 98, 99, 16, 9)),
        unknownFields
      ]
      for (let order = 0; order < 24; order++) {
        const rest = parts.slice()
        const bytes = message((writer) => {
          for (let left = 4, code = order; left > 0; code = Math.floor(code / left), left--) {
            for (const part of rest.splice(code % left, 1)) part(writer)
          }
        })
        const tick = yield* scan(bytes)
        assert.strictEqual(tick.simulationRunId, "run-ü")
        assert.strictEqual(tick.tickNumber, 7n)
      }
    })
  )

  it.effect("takes the last of several run ids and numbers", () =>
    Effect.gen(function* () {
      const tick = yield* scan(
        message((writer) => {
          runId(writer, "first")
          tickNumber(writer, 1n)
          runId(writer, "last")
          tickNumber(writer, 2n)
        })
      )
      assert.deepStrictEqual([tick.simulationRunId, tick.tickNumber], ["last", 2n])
    })
  )

  it.effect("has an empty run id and number 0 when the fields are absent", () =>
    Effect.gen(function* () {
      for (const bytes of [new Uint8Array(), message(unknownFields)]) {
        const tick = yield* scan(bytes)
        assert.deepStrictEqual([tick.simulationRunId, tick.tickNumber], ["", 0n])
      }
    })
  )

  it.effect("looks for fields 1 and 2 at the top only, and only with their own wire types", () =>
    Effect.gen(function* () {
      const nested = message((writer) => tickNumber(runId(writer, "nested"), 9n))
      const bytes = message((writer) => {
        tickNumber(runId(writer, "run"), 1n)
        writer.tag(4, WireType.LengthDelimited).bytes(nested)
        writer.tag(1, WireType.Varint).int64(5n)
        writer.tag(2, WireType.LengthDelimited).bytes(Uint8Array.of(1, 2))
        writer.tag(2, WireType.Bit64).fixed64(3n)
      })
      const tick = yield* scan(bytes)
      assert.deepStrictEqual([tick.simulationRunId, tick.tickNumber], ["run", 1n])
    })
  )

  it.effect.each([
    0n,
    1n,
    127n,
    128n,
    2n ** 28n - 1n,
    2n ** 28n,
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 32n,
    2n ** 35n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 53n + 1n,
    2n ** 62n,
    9_223_372_036_854_775_807n,
    -1n,
    -128n,
    -(2n ** 31n),
    -(2n ** 32n) - 1n,
    -(2n ** 63n)
  ])("reads number %s exactly", (number) =>
    Effect.gen(function* () {
      const bytes = message((writer) => tickNumber(writer, number))
      assert.strictEqual((yield* scan(bytes)).tickNumber, number)
      assert.strictEqual(fromBinary(TickDataSchema, bytes).tickNumber, number)
    })
  )

  it.effect("reads numbers that are longer than they need be", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* scan(Uint8Array.of(16, 0x81, 0x80, 0x00))).tickNumber, 1n)
      assert.strictEqual((yield* scan(Uint8Array.of(0x90, 0x00, 5))).tickNumber, 5n)
      const tenBytes = Uint8Array.of(16, 0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)
      assert.strictEqual((yield* scan(tenBytes)).tickNumber, 5n)
    })
  )

  it.effect("keeps a byte order mark as a part of the run id", () =>
    Effect.gen(function* () {
      const bytes = message((writer) => runId(writer, "\uFEFFrun"))
      assert.strictEqual((yield* scan(bytes)).simulationRunId, "\uFEFFrun")
    })
  )
})

describe("bytes that are no message", () => {
  const ten = Array.from({ length: 9 }, () => 0x80)
  it.effect.each([
    { case: "a tag that is cut", bytes: [0x80], problem: "truncated varint", offset: 0 },
    { case: "a number that is cut", bytes: [16, 0x81], problem: "truncated varint", offset: 1 },
    { case: "a number without a byte", bytes: [16], problem: "truncated varint", offset: 1 },
    { case: "a length that is cut", bytes: [16, 1, 10, 0x80], problem: "truncated varint", offset: 3 },
    { case: "a number of 65 bits", bytes: [16, ...ten, 2], problem: "varint of more than 64 bits", offset: 1 },
    { case: "a number of 11 bytes", bytes: [16, ...ten, 0x80, 0], problem: "varint of more than 64 bits", offset: 1 },
    { case: "wire type 3", bytes: [16, 1, 0x1b], problem: "unknown wire type", offset: 2 },
    { case: "wire type 4", bytes: [0x1c], problem: "unknown wire type", offset: 0 },
    { case: "wire type 6", bytes: [0x1e], problem: "unknown wire type", offset: 0 },
    { case: "wire type 7", bytes: [0x1f], problem: "unknown wire type", offset: 0 },
    { case: "field 0", bytes: [16, 1, 0x02, 0], problem: "field number 0", offset: 2 },
    { case: "a tag of over 32 bits", bytes: [0x90, 0x80, 0x80, 0x80, 0x10, 1], problem: "field number 0", offset: 0 },
    { case: "a string beyond the end", bytes: [10, 4, 97, 98, 99], problem: "length beyond the end", offset: 1 },
    { case: "bytes beyond the end", bytes: [16, 1, 50, 1], problem: "length beyond the end", offset: 3 },
    {
      case: "a length of 2^63",
      bytes: [10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
      problem: "length beyond the end",
      offset: 1
    },
    {
      case: "a length of 2^32, which is no 0",
      bytes: [10, 0x80, 0x80, 0x80, 0x80, 0x10],
      problem: "length beyond the end",
      offset: 1
    },
    { case: "64 bits that are cut", bytes: [0x19, 1, 2, 3, 4, 5, 6, 7], problem: "length beyond the end", offset: 0 },
    { case: "32 bits that are cut", bytes: [0x1d, 1, 2, 3], problem: "length beyond the end", offset: 0 },
    { case: "a run id of other bytes", bytes: [16, 1, 10, 2, 0xc3, 0x28], problem: "invalid UTF-8", offset: 4 },
    { case: "a run id of half a pair", bytes: [10, 3, 0xed, 0xa0, 0x80], problem: "invalid UTF-8", offset: 2 }
  ] as const)("are refused with the place of the fault: $case", ({ bytes, offset, problem }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(scan(Uint8Array.from(bytes)))
      assert.strictEqual(error.problem, problem)
      assert.strictEqual(error.offset, offset)
      assert.strictEqual(error.message, `not a TickData message: ${problem} at byte ${offset} of the message`)
    })
  )

  it.effect("are refused wherever a message is cut within a field", () =>
    Effect.gen(function* () {
      const bytes = message((writer) => {
        tickNumber(runId(writer, "run"), 300n)
        rngState(writer, Uint8Array.of(1, 2))
      })
      const ends = new Set([0, 5, 8, 12])
      for (let length = 0; length < bytes.length; length++) {
        const result = Tick.fromBytes(bytes.subarray(0, length))
        assert.strictEqual(Result.isSuccess(result), ends.has(length), `cut to ${length} bytes`)
      }
      yield* scan(bytes)
    })
  )
})

describe("real ticks", () => {
  it.effect.each(realBatches)("of $file are what the full decoder says", (real) =>
    Effect.gen(function* () {
      const bytes = readReal(real.file)
      assert.strictEqual(bytes.length, real.bytes)
      const reader = new BinaryReader(bytes)
      let expected = real.firstTick
      let count = 0
      while (reader.pos < reader.len) {
        const payload = reader.bytes()
        const tick = yield* scan(payload)
        const full = fromBinary(TickDataSchema, payload)
        assert.strictEqual(tick.simulationRunId, full.simulationRunId)
        assert.strictEqual(tick.tickNumber, full.tickNumber)
        assert.strictEqual(tick.tickNumber, expected)
        expected += real.step
        count++
      }
      assert.strictEqual(count, real.ticks)
    })
  )

  it.effect("encode to the same bytes again", () =>
    Effect.sync(() => {
      const reader = new BinaryReader(readReal("evochora-60-organisms.pb.zst"))
      while (reader.pos < reader.len) {
        const payload = reader.bytes()
        const again = Tick.fromMessage(fromBinary(TickDataSchema, payload)).payload
        assert.isTrue(Bytes.Equivalence(again, payload))
      }
    })
  )
})
