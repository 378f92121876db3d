// @module-tag unit
import { fromBinary } from "@bufbuild/protobuf"
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire"
import { describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Tick from "../../src/domain/Tick.ts"
import { TickDataSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import { message, rngState, runId, tickNumber, unknownFields } from "./messages.ts"

const byte = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))
const randomBytes = Arbitrary.map(Arbitrary.array(byte, { maxLength: 60 }), (bytes) => Uint8Array.from(bytes))

const wireTypes: ReadonlyMap<number, WireType> = new Map([
  [1, WireType.LengthDelimited],
  [2, WireType.Varint],
  [3, WireType.Varint],
  [4, WireType.LengthDelimited],
  [5, WireType.LengthDelimited],
  [6, WireType.LengthDelimited],
  [7, WireType.LengthDelimited]
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
    if (
      (known !== undefined && known !== wireType) ||
      wireType === WireType.StartGroup ||
      wireType === WireType.EndGroup
    )
      return false
    const start = reader.pos
    if (wireType !== WireType.Bit64 && wireType !== WireType.Bit32) while ((bytes[reader.pos++] ?? 0) & 0x80);
    if (reader.pos - start > (wireType === WireType.Varint ? 9 : 4)) return false
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
