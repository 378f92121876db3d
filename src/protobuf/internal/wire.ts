/**
 * The parts of protobuf's wire format that generated source needs.
 */
import { ScalarType, type DescField } from "@bufbuild/protobuf"

export const WireType = { Varint: 0, Bit64: 1, LengthDelimited: 2, StartGroup: 3, EndGroup: 4, Bit32: 5 } as const

export type WireType = (typeof WireType)[keyof typeof WireType]

export const wireTypeOf = (type: ScalarType): WireType => {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32
    default:
      return WireType.Varint
  }
}

/** The largest number of bytes of a number or a boolean. */
export const packedSize = (type: ScalarType): number => {
  switch (wireTypeOf(type)) {
    case WireType.Bit64:
      return 8
    case WireType.Bit32:
      return 4
    default:
      if (type === ScalarType.BOOL) return 1
      return type === ScalarType.UINT32 || type === ScalarType.SINT32 ? 5 : 10
  }
}

/** Whether a field is set by a value other than zero (`implicit`), or by being present. */
export const presenceOf = ({ presence }: DescField): "explicit" | "implicit" | "required" => {
  const number: number = presence
  return number === 2 ? "implicit" : number === 3 ? "required" : "explicit"
}

/** The scalar type of a field, its items or its map values. An enum is an `int32`. */
export const scalarOf = ({ scalar }: DescField): ScalarType => scalar ?? ScalarType.INT32

/** The tag number of a field. */
export const tag = (number: number, type: WireType): number => ((number << 3) | type) >>> 0

/** The bytes of a tag. */
export const tagBytes = (number: number, type: WireType): ReadonlyArray<number> => {
  const bytes: Array<number> = []
  let rest = tag(number, type)
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}
