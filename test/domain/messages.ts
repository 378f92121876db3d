import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire"

/** The bytes that `write` writes. */
export const message = (write: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = new BinaryWriter()
  write(writer)
  return writer.finish()
}

export const runId = (writer: BinaryWriter, value: string) => writer.tag(1, WireType.LengthDelimited).string(value)
export const tickNumber = (writer: BinaryWriter, value: bigint) => writer.tag(2, WireType.Varint).int64(value)
export const rngState = (writer: BinaryWriter, value: Uint8Array) =>
  writer.tag(6, WireType.LengthDelimited).bytes(value)

/** Fields that no version of `TickData` knows, one of each wire type that messages have today. */
export const unknownFields = (writer: BinaryWriter) => {
  writer.tag(100, WireType.Varint).uint64(18_446_744_073_709_551_615n)
  writer.tag(101, WireType.Bit64).fixed64(1n)
  writer.tag(102, WireType.Bit32).fixed32(2)
  writer.tag(536_870_911, WireType.LengthDelimited).bytes(Uint8Array.of(10, 1, 255))
}
