import { create, fromBinary } from "@bufbuild/protobuf"
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Tick from "../../src/domain/Tick.ts"
import { TickDataSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import { readReal, realBatches } from "../support/realData.ts"

const message = (write: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = new BinaryWriter()
  write(writer)
  return writer.finish()
}

const scan = (bytes: Uint8Array) => Effect.fromResult(Tick.fromBytes(bytes))

const runId = (writer: BinaryWriter, value: string) => writer.tag(1, WireType.LengthDelimited).string(value)
const tickNumber = (writer: BinaryWriter, value: bigint) => writer.tag(2, WireType.Varint).int64(value)
const rngState = (writer: BinaryWriter, value: Uint8Array) => writer.tag(6, WireType.LengthDelimited).bytes(value)

/** Fields that no version of `TickData` knows, one of each wire type that messages have today. */
const unknownFields = (writer: BinaryWriter) => {
  writer.tag(100, WireType.Varint).uint64(18_446_744_073_709_551_615n)
  writer.tag(101, WireType.Bit64).fixed64(1n)
  writer.tag(102, WireType.Bit32).fixed32(2)
  writer.tag(536_870_911, WireType.LengthDelimited).bytes(Uint8Array.of(10, 1, 255))
}

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

const byte = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))
const randomBytes = Arbitrary.map(Arbitrary.array(byte, { maxLength: 60 }), (bytes) => Uint8Array.from(bytes))

const wireTypes: ReadonlyMap<number, number> = new Map([
  [1, 2],
  [2, 0],
  [3, 0],
  [4, 2],
  [5, 2],
  [6, 2],
  [7, 2]
])

/**
 * Whether the two decoders read the same rules into `bytes`. The full one does not look at the wire type of a field it
 * knows, knows groups, and drops what is over 64 bits of a number or over 32 bits of a length.
 */
const isComparable = (bytes: Uint8Array): boolean => {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    const known = wireTypes.get(field)
    if ((known !== undefined && known !== wireType) || wireType === 3 || wireType === 4) return false
    const start = reader.pos
    while (wireType !== 1 && wireType !== 5 && (bytes[reader.pos++] ?? 0) & 0x80);
    if (reader.pos - start > (wireType === 0 ? 9 : 4)) return false
    reader.pos = start
    reader.skip(wireType, field)
  }
  return true
}

const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}

const agrees = (bytes: Uint8Array): boolean => {
  const result = Tick.fromBytes(bytes)
  const full = attempt(() => (isComparable(bytes) ? fromBinary(TickDataSchema, bytes) : undefined))
  if (full === undefined) return true
  return (
    Result.isSuccess(result) &&
    result.success.simulationRunId === full.simulationRunId &&
    result.success.tickNumber === full.tickNumber
  )
}

/** Parts of messages, whole and broken ones, so that random sequences of them get deep into the scan. */
const part = Arbitrary.flatMap(
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))),
  (kind) =>
    Arbitrary.map(randomBytes, (bytes) => {
      const number = bytes.reduce((sum, one) => sum * 257n + BigInt(one), -3n)
      const small = bytes.subarray(0, 8)
      switch (kind) {
        case 0:
          return bytes
        case 1:
        case 2:
          return message((writer) => runId(writer, `run-${String.fromCodePoint(...small)}`))
        case 3:
        case 4:
          return message((writer) => tickNumber(writer, BigInt.asIntN(64, number)))
        case 5:
          return message((writer) => rngState(writer, bytes))
        case 6:
          return message(unknownFields)
        case 7:
          return message((writer) => writer.tag(3, WireType.Varint).int64(BigInt.asIntN(64, number)))
        case 8:
          return message((writer) => writer.tag(1, WireType.LengthDelimited).bytes(small))
        default:
          return message((writer) => writer.tag(5, WireType.LengthDelimited).bytes(new Uint8Array(0)))
      }
    })
)

describe("any bytes", () => {
  it.prop("are read or refused, never thrown at", { bytes: randomBytes }, ({ bytes }) => agrees(bytes), {
    arbitrary: { runs: 5000, size: 100 }
  })

  it.prop(
    "are read as the full decoder reads them, whenever it does",
    { parts: Arbitrary.array(part, { maxLength: 8 }) },
    ({ parts }) => agrees(Bytes.concat(parts)),
    { arbitrary: { runs: 5000, size: 100 } }
  )
})
