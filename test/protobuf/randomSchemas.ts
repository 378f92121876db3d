/** Schemas that chance makes: every kind of field that a message can have, but groups. */
import { create, createFileRegistry, type DescMessage } from "@bufbuild/protobuf"
import {
  Edition,
  DescriptorProtoSchema,
  EnumDescriptorProtoSchema,
  FeatureSet_EnumType,
  FeatureSet_FieldPresence,
  FeatureSet_RepeatedFieldEncoding,
  FeatureSet_Utf8Validation,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  FieldOptions_JSType,
  file_google_protobuf_struct,
  file_google_protobuf_wrappers,
  FileDescriptorProtoSchema,
  OneofDescriptorProtoSchema,
  type DescriptorProto
} from "@bufbuild/protobuf/wkt"
import type { Random } from "../support/random.ts"

interface FieldInit {
  readonly type?: FieldDescriptorProto_Type
  readonly typeName?: string
  readonly label?: FieldDescriptorProto_Label
  readonly options?: { readonly jstype?: FieldOptions_JSType; readonly packed?: boolean; readonly features?: object }
  readonly oneofIndex?: number
  readonly proto3Optional?: boolean
  readonly defaultValue?: string
}

type Syntax = "proto2" | "proto3" | "editions"

const { BOOL, BYTES, DOUBLE, ENUM, FIXED32, FIXED64, FLOAT, INT32, INT64, MESSAGE } = FieldDescriptorProto_Type
const { SFIXED32, SFIXED64, SINT32, SINT64, STRING, UINT32, UINT64 } = FieldDescriptorProto_Type
const longs = [INT64, UINT64, SINT64, FIXED64, SFIXED64] as const
const keys = [STRING, BOOL, INT32, UINT32, SINT32, FIXED32, SFIXED32, ...longs] as const
const scalars = [...keys, BYTES, DOUBLE, FLOAT] as const

const wellKnown = [
  "StringValue",
  "BytesValue",
  "Int64Value",
  "DoubleValue",
  "BoolValue",
  "UInt32Value",
  "Struct",
  "Struct",
  "Value",
  "ListValue"
] as const

const oddNames = ["constructor", "hasOwnProperty", "toString", "case", "value", "p", "b", "__proto__"] as const

const is64Bit = (type: FieldDescriptorProto_Type | undefined) => longs.some((long) => long === type)

const unpackable = (type: FieldDescriptorProto_Type | undefined) =>
  type === STRING || type === BYTES || type === MESSAGE

const defaultOf = (type: FieldDescriptorProto_Type | undefined): string => {
  switch (type) {
    case ENUM:
      return "E0_B"
    case BOOL:
      return "true"
    case STRING:
      return 'a "default"'
    case BYTES:
      return "\\001\\377"
    default:
      return "17"
  }
}

class SchemaMaker {
  private readonly random: Random
  private readonly syntax: Syntax
  private readonly messages: number
  constructor(random: Random) {
    this.random = random
    this.syntax = random.pick(["proto2", "proto3", "editions"])
    this.messages = random.between(1, 4)
  }

  make(): ReadonlyArray<DescMessage> {
    const file = create(FileDescriptorProtoSchema, {
      name: "random.proto",
      package: "random",
      syntax: this.syntax,
      ...(this.syntax === "editions" ? { edition: Edition.EDITION_2023 } : {}),
      dependency: ["google/protobuf/wrappers.proto", "google/protobuf/struct.proto"],
      enumType: [this.enum("E0"), this.enum("E1")],
      messageType: Array.from({ length: this.messages }, (_, index) => this.message(`M${index}`))
    })
    const registry = createFileRegistry(file, (name) =>
      name.endsWith("wrappers.proto") ? file_google_protobuf_wrappers : file_google_protobuf_struct
    )
    return Array.from({ length: this.messages }, (_, index) => {
      const found = registry.getMessage(`random.M${index}`)
      if (found === undefined) throw new Error("a message is missing")
      return found
    })
  }

  private enum(name: string) {
    const zero = this.syntax === "proto2" && name === "E1" ? 3 : 0
    const closed = this.syntax === "editions" && name === "E1"
    return create(EnumDescriptorProtoSchema, {
      name,
      value: [
        { name: `${name}_A`, number: zero },
        { name: `${name}_B`, number: 1 },
        { name: `${name}_C`, number: -5 }
      ],
      ...(closed ? { options: { features: { enumType: FeatureSet_EnumType.CLOSED } } } : {})
    })
  }

  private message(name: string) {
    const numbers = new Set<number>()
    while (numbers.size < this.random.between(0, 9)) {
      numbers.add(this.random.between(1, this.random.pick([15, 15, 40, 5000, 536_870_911])))
    }
    for (const number of numbers) if (number >= 19_000 && number <= 19_999) numbers.delete(number)
    const odd = new Set(oddNames.filter(() => this.random.chance(0.03)))
    const nested: Array<DescriptorProto> = []
    const oneofs = this.random.between(0, 2)
    const fields = [...numbers].map((number, index): FieldInit & { readonly name: string; readonly number: number } => {
      const [oddName] = odd
      if (oddName !== undefined) odd.delete(oddName)
      const fieldName = oddName ?? `f_${index}`
      const map = this.random.chance(0.15) ? this.map(`${name}.F${index}Entry`, `F${index}Entry`) : undefined
      if (map !== undefined) nested.push(map.entry)
      return { name: fieldName, number, ...(map?.field ?? this.field(oneofs)) }
    })
    const used = [...new Set(fields.flatMap(({ oneofIndex }) => (oneofIndex === undefined ? [] : [oneofIndex])))]
    const renumbered = fields.map((field) =>
      field.oneofIndex === undefined ? field : { ...field, oneofIndex: used.indexOf(field.oneofIndex) }
    )
    const optional = renumbered.filter(({ proto3Optional }) => proto3Optional === true)
    return create(DescriptorProtoSchema, {
      name,
      field: renumbered.map((field) =>
        create(
          FieldDescriptorProtoSchema,
          field.proto3Optional === true ? { ...field, oneofIndex: used.length + optional.indexOf(field) } : field
        )
      ),
      nestedType: nested,
      oneofDecl: [...used, ...optional].map((_, index) =>
        create(OneofDescriptorProtoSchema, { name: index < used.length ? `o_${index}` : `_x${index}` })
      )
    })
  }

  private type(): FieldInit {
    const kind = this.random.between(0, 9)
    if (kind < 6) return { type: this.random.pick([...scalars]) }
    if (kind < 7) return { type: ENUM, typeName: `.random.E${this.random.between(0, 1)}` }
    const typeName =
      kind < 9
        ? `.random.M${this.random.between(0, this.messages - 1)}`
        : `.google.protobuf.${this.random.pick([...wellKnown])}`
    return { type: MESSAGE, typeName }
  }

  private map(entryName: string, name: string) {
    const label = FieldDescriptorProto_Label.OPTIONAL
    const field = [
      create(FieldDescriptorProtoSchema, { name: "key", number: 1, label, type: this.random.pick([...keys]) }),
      create(FieldDescriptorProtoSchema, { name: "value", number: 2, label, ...this.type() })
    ]
    return {
      entry: create(DescriptorProtoSchema, { name, field, options: { mapEntry: true } }),
      field: {
        label: FieldDescriptorProto_Label.REPEATED,
        type: MESSAGE,
        typeName: `.random.${entryName}`
      } satisfies FieldInit
    }
  }

  private field(oneofs: number): FieldInit {
    const type = this.type()
    const options = this.options(type.type)
    const label = FieldDescriptorProto_Label.OPTIONAL
    if (this.random.chance(0.3)) return { ...type, ...this.repeated(type.type, options) }
    if (oneofs > 0 && this.random.chance(0.4)) {
      return { ...type, label, ...options, oneofIndex: this.random.between(0, oneofs - 1) }
    }
    if (this.syntax === "proto3") {
      const optional = type.type !== MESSAGE && this.random.chance(0.4)
      return { ...type, label, ...options, ...(optional ? { proto3Optional: true } : {}) }
    }
    if (this.syntax === "proto2" && this.random.chance(0.1)) {
      return { ...type, label: FieldDescriptorProto_Label.REQUIRED, ...options }
    }
    const hasDefault = this.random.chance(0.3) && type.type !== MESSAGE
    const isEnum1 = type.typeName === ".random.E1"
    const implicit = this.syntax === "editions" && this.random.chance(0.3) && !isEnum1
    const given = hasDefault && !implicit && !isEnum1 ? { defaultValue: defaultOf(type.type) } : {}
    if (!implicit || type.type === MESSAGE) return { ...type, label, ...options, ...given }
    return this.withFeatures({ ...type, label, ...options }, { fieldPresence: FeatureSet_FieldPresence.IMPLICIT })
  }

  private repeated(type: FieldDescriptorProto_Type | undefined, options: FieldInit): FieldInit {
    const field = { label: FieldDescriptorProto_Label.REPEATED, ...options }
    if (unpackable(type) || this.random.chance(0.3)) return field
    if (this.syntax !== "editions") {
      return { ...field, options: { ...field.options, packed: this.random.chance(0.5) } }
    }
    return this.withFeatures(field, { repeatedFieldEncoding: FeatureSet_RepeatedFieldEncoding.EXPANDED })
  }

  private options(type: FieldDescriptorProto_Type | undefined): FieldInit {
    if (is64Bit(type) && this.random.chance(0.3)) return { options: { jstype: FieldOptions_JSType.JS_STRING } }
    if (type !== STRING || this.syntax !== "editions" || this.random.chance(0.5)) return {}
    return { options: { features: { utf8Validation: FeatureSet_Utf8Validation.NONE } } }
  }

  private withFeatures(field: FieldInit, features: object): FieldInit {
    const options = { ...field.options, features: { ...field.options?.features, ...features } }
    return { ...field, options }
  }
}

/** Message types of one file that refer to each other and to well-known ones. */
export const randomSchema = (random: Random): ReadonlyArray<DescMessage> => new SchemaMaker(random).make()
