/** Schemas made by hand, of one file in the syntax proto2, and what the generated code for any does by itself. */
import { create, createFileRegistry, type DescMessage, type Message } from "@bufbuild/protobuf"
import {
  DescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema
} from "@bufbuild/protobuf/wkt"
import { DecoderSource } from "../../src/protobuf/internal/decoderSource.ts"
import { EncoderSource } from "../../src/protobuf/internal/encoderSource.ts"
import { evaluate, isFunction } from "../../src/protobuf/internal/generate.ts"
import * as Messages from "../../src/protobuf/internal/messages.ts"
import * as reading from "../../src/protobuf/internal/reading.ts"
import * as writing from "../../src/protobuf/internal/writing.ts"

const { GROUP, MESSAGE } = FieldDescriptorProto_Type

/** `Outer { optional Inner inner = 1 }` and `Inner`, which has the field `again` of the type `Outer`. */
export const recursiveSchema = (type: typeof MESSAGE | typeof GROUP = MESSAGE): DescMessage => {
  const label = FieldDescriptorProto_Label.OPTIONAL
  const field = (name: string, typeName: string, of: FieldDescriptorProto_Type) =>
    create(FieldDescriptorProtoSchema, { name, number: 1, label, type: of, typeName: `.recursive.${typeName}` })
  const file = create(FileDescriptorProtoSchema, {
    name: "recursive.proto",
    package: "recursive",
    syntax: "proto2",
    messageType: [
      create(DescriptorProtoSchema, { name: "Outer", field: [field("inner", "Inner", MESSAGE)] }),
      create(DescriptorProtoSchema, { name: "Inner", field: [field("again", "Outer", type)] })
    ]
  })
  const outer = createFileRegistry(file, () => undefined).getMessage("recursive.Outer")
  if (outer === undefined) throw new Error("the message is missing")
  return outer
}

export const group = GROUP

/** What the generated encoder makes of `message`, with no help from `toBinary`. `undefined` where there is none. */
export const encodeAlone = (schema: DescMessage, message: Message): Uint8Array | undefined => {
  const messages = Messages.reachable(schema)
  if (!Messages.areNameable(messages)) return undefined
  const write = evaluate(new EncoderSource(messages).make(), writing.known)
  if (!isFunction(write)) throw new Error("no function was generated")
  const bytes = new Uint8Array(4_000_000)
  return bytes.subarray(0, Number(write(message, bytes, 0)))
}

/** What the generated decoder makes of `bytes`, with no help from `fromBinary`. `undefined` where there is none. */
export const decodeAlone = (schema: DescMessage, bytes: Uint8Array): unknown => {
  const messages = Messages.reachable(schema)
  if (!Messages.areNameable(messages)) return undefined
  const samples = messages.map((message) => create(message))
  const hasPrototype = (message: DescMessage) =>
    Object.getPrototypeOf(samples[messages.indexOf(message)]) !== Object.prototype
  const read = evaluate(new DecoderSource(messages, hasPrototype).make(), { ...reading.known, samples })
  if (!isFunction(read)) throw new Error("no function was generated")
  return read(bytes, 0, bytes.length, 100)
}
