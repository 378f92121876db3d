/**
 * The message types of a compiled encoder or decoder: one type and all types that its fields use.
 */
import type { DescField, DescMessage } from "@bufbuild/protobuf"
import { GroupUnsupported } from "../GroupUnsupported.ts"

/** A field whose values are messages: singular, in a list or in a map. */
export type MessageField = DescField & { readonly message: DescMessage }

export const isMessageField = (field: DescField): field is MessageField => field.message !== undefined

/** `root` and every message type that its fields use, nested too, each once, `root` first. Throws `GroupUnsupported`. */
export const reachable = (root: DescMessage): ReadonlyArray<DescMessage> => {
  const found = new Set([root])
  for (const message of found) {
    for (const field of message.fields) {
      if ("delimitedEncoding" in field && field.delimitedEncoding) {
        throw new GroupUnsupported({ typeName: message.typeName, field: field.name })
      }
      if (isMessageField(field)) found.add(field.message)
    }
  }
  return [...found]
}

/** Fields in ascending order of their numbers, as they are encoded. */
export const byNumber = (message: DescMessage): ReadonlyArray<DescField> =>
  message.fields.toSorted((a, b) => a.number - b.number)

/** Whether the field holds JSON in place of a `google.protobuf.Struct`. */
export const isJson = (field: MessageField): boolean =>
  field.message.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value"

const wrappers = new Set(
  ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"].map(
    (name) => `google.protobuf.${name}Value`
  )
)

/** Like `isWrapperDesc` of `@bufbuild/protobuf/wkt`, which would load far more. */
const isWrapper = ({ fields: [field], typeName }: DescMessage): boolean =>
  wrappers.has(typeName) && field?.fieldKind === "scalar" && field.name === "value" && field.number === 1

/** Whether the field holds the value of a wrapper, such as `google.protobuf.Int32Value`, in place of the wrapper. */
export const isUnwrapped = (field: MessageField): boolean =>
  field.fieldKind === "message" && field.oneof === undefined && isWrapper(field.message)

/**
 * Whether no field or oneof has the name of a property of every object, such as `hasOwnProperty` or `__proto__`.
 * `@bufbuild/protobuf` itself has problems with those.
 */
export const areNameable = (messages: ReadonlyArray<DescMessage>): boolean =>
  messages.every((message) => message.members.every(({ localName }) => !(localName in Object.prototype)))
