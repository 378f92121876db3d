/** Messages of any schema that chance makes. */
import { create, ScalarType, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf"
import { isWrapperDesc } from "@bufbuild/protobuf/wkt"
import type { Random } from "../support/random.ts"

const texts = ["", "a", "tick", "grün", "日本語", "\u{1F600}", "\uD800", "x\uDC00y", "\u0000", "\uFEFFbom", "__proto__"]
texts.push(
  "x".repeat(47),
  "x".repeat(48),
  "x".repeat(49),
  "é".repeat(48),
  "y".repeat(127),
  "y".repeat(128),
  "ü".repeat(120)
)
texts.push("long ".repeat(4000), "ß".repeat(9000))

const int32s = [0, -0, 1, -1, 63, 64, 127, 128, 255, 256, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455]
int32s.push(268_435_456, 2_147_483_647, -2_147_483_648, -128, -129)
const uint32s = [...int32s.filter((value) => value >= 0), 2_147_483_648, 4_294_967_295]
const int64s = [...int32s, 4_294_967_295, 4_294_967_296, 2 ** 53 - 1].map(BigInt)
int64s.push(2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 32n), 2n ** 56n, 2n ** 62n)
const uint64s = [...int64s.filter((value) => value >= 0n), 2n ** 63n, 2n ** 64n - 1n]
const doubles = [0, -0, 1, -1.5, Number.NaN, Infinity, -Infinity, 5e-324, 1.797_693_134_862_315_7e308, 2 ** 53]
const floats = [0, -0, 1, -1.5, Number.NaN, Infinity, -Infinity, 1e-45, 3.402_823_466_385_288_6e38, 0.1]

/** What is no value of any type, or one of another, or almost one. */
const odd: ReadonlyArray<unknown> = [
  undefined,
  null,
  "",
  "0",
  "00",
  "12",
  "-3",
  "1.5",
  "NaN",
  "text",
  1.5,
  2 ** 31,
  -1,
  2 ** 32,
  1e39,
  3.402_823_567_797_336_6e38,
  Number.NaN,
  2n ** 63n,
  2n ** 64n,
  -(2n ** 63n) - 1n,
  5n,
  true,
  [],
  [1],
  {},
  { case: "x" },
  new Map(),
  new Uint8Array(1),
  Buffer.from("buffer"),
  new Float64Array(2)
]

type Values = readonly [unknown, ...Array<unknown>]

const valuesOf = (type: ScalarType): Values => {
  switch (type) {
    case ScalarType.STRING:
      return texts as unknown as Values
    case ScalarType.BYTES:
      return [0, 1, 47, 48, 49, 127, 128, 5000].map((length) => new Uint8Array(length).fill(200)) as unknown as Values
    case ScalarType.BOOL:
      return [true, false]
    case ScalarType.DOUBLE:
      return doubles as unknown as Values
    case ScalarType.FLOAT:
      return floats as unknown as Values
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return uint32s as unknown as Values
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return int32s as unknown as Values
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return uint64s as unknown as Values
    default:
      return int64s as unknown as Values
  }
}

export interface Chances {
  /** Of a value that may not be allowed. */
  readonly odd: number
  /** Of a field being set. */
  readonly set: number
  /** Of a message having fields that its type doesn't know. Default 0.1; with 0 there are no unknown enum values either. */
  readonly unknown?: number
}

export class MessageMaker {
  private readonly random: Random
  private readonly chances: Chances
  private readonly unknownEnums: ReadonlyArray<number>

  constructor(random: Random, chances: Chances) {
    this.random = random
    this.chances = chances
    this.unknownEnums = chances.unknown === 0 ? [] : [0, 3, 1000]
  }

  message(desc: DescMessage, depth = 0): Message {
    const message = create(desc)
    const target = message as unknown as Record<string, unknown>
    for (const field of desc.fields) {
      const isRequired = (field.presence as number) === 3
      if (!isRequired && (depth > 4 || !this.random.chance(this.chances.set))) continue
      if (isRequired && depth > 6) continue
      const value = this.value(field, depth)
      if (field.oneof === undefined) target[field.localName] = value
      else target[field.oneof.localName] = { case: field.localName, value }
    }
    if (this.random.chance(this.chances.unknown ?? 0.1)) message.$unknown = this.unknownFields()
    return message
  }

  private unknownFields() {
    return Array.from({ length: this.random.between(0, 3) }, () => ({
      no: this.random.pick([1, 20_000, 536_870_911, 77]),
      wireType: 2 as const,
      data: new Uint8Array([3, 1, 2, 3])
    }))
  }

  private value(field: DescField, depth: number): unknown {
    if (this.random.chance(this.chances.odd)) return this.random.pick(odd as unknown as Values)
    if (field.fieldKind === "list") {
      const length = this.random.pick([0, 1, 2, 3, 5, depth > 1 || field.listKind === "message" ? 4 : 150])
      return Array.from({ length }, () => this.single(field, depth))
    }
    if (field.fieldKind !== "map") return this.single(field, depth)
    const keys = Array.from({ length: this.random.between(0, 4) }, () => this.key(field.mapKey))
    const map: Record<string, unknown> = {}
    for (const key of keys) {
      Object.defineProperty(map, key, {
        value: this.single(field, depth),
        enumerable: true,
        writable: true,
        configurable: true
      })
    }
    return map
  }

  private key(type: ScalarType): string {
    if (this.random.chance(this.chances.odd)) return this.random.pick(["", "text", "1.5", "-1", "99999999999999999999"])
    return String(this.random.pick(valuesOf(type)))
  }

  private single(field: DescField, depth: number): unknown {
    if (this.random.chance(this.chances.odd / 2)) return this.random.pick(odd as unknown as Values)
    if (field.message !== undefined) return this.child(field, field.message, depth)
    if (field.enum !== undefined)
      return this.random.pick([field.enum.values[0]?.number ?? 0, 1, -5, ...this.unknownEnums])
    const value = this.random.pick(valuesOf(field.scalar))
    const asString = "longAsString" in field && field.longAsString && this.random.chance(0.9)
    return asString ? String(value) : value
  }

  private child(field: DescField, desc: DescMessage, depth: number): unknown {
    if (field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(desc)) {
      const [value] = desc.fields
      return value === undefined ? undefined : this.single(value, depth)
    }
    if (desc.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value") {
      return this.json(depth)
    }
    return this.message(desc, depth + 1)
  }

  private json(depth: number): Record<string, unknown> {
    const json: Record<string, unknown> = { number: this.random.pick(doubles as unknown as Values) }
    if (this.random.chance(0.5)) json["text"] = this.random.pick(texts as unknown as Values)
    if (this.random.chance(0.3)) json["list"] = [null, true, [], "x", { a: 1 }]
    if (depth < 4 && this.random.chance(0.3)) json["object"] = this.json(depth + 1)
    return json
  }
}
