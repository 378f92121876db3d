/**
 * Converts JSON to `google.protobuf.Struct` and back. Like in `@bufbuild/protobuf`, a value that is not JSON becomes one
 * without a kind.
 */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf"

interface Struct {
  readonly $typeName: "google.protobuf.Struct"
  readonly fields: Record<string, Value>
}

interface Value {
  readonly $typeName: "google.protobuf.Value"
  readonly kind:
    | { readonly case: undefined }
    | { readonly case: "nullValue"; readonly value: 0 }
    | { readonly case: "numberValue"; readonly value: number }
    | { readonly case: "stringValue"; readonly value: string }
    | { readonly case: "boolValue"; readonly value: boolean }
    | { readonly case: "structValue"; readonly value: Struct }
    | { readonly case: "listValue"; readonly value: ListValue }
}

interface ListValue {
  readonly $typeName: "google.protobuf.ListValue"
  readonly values: ReadonlyArray<Value>
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Sets a property, also one called `__proto__`. */
export const setOwn = <Value>(target: Record<string, Value>, key: string, value: Value): void => {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true })
  } else target[key] = value
}

const kindOf = (json: unknown): Value["kind"] => {
  if (typeof json === "number") return { case: "numberValue", value: json }
  if (typeof json === "string") return { case: "stringValue", value: json }
  if (typeof json === "boolean") return { case: "boolValue", value: json }
  if (json === null) return { case: "nullValue", value: 0 }
  if (Array.isArray(json)) {
    return { case: "listValue", value: { $typeName: "google.protobuf.ListValue", values: Array.from(json, toValue) } }
  }
  return isObject(json) ? { case: "structValue", value: toStruct(json) } : { case: undefined }
}

const toValue = (json: unknown): Value => ({ $typeName: "google.protobuf.Value", kind: kindOf(json) })

/** The message for `json`. It has no fields when `json` is not an object. */
export const toStruct = (json: unknown): Struct => {
  const struct: Struct = { $typeName: "google.protobuf.Struct", fields: {} }
  if (isObject(json)) for (const key of Object.keys(json)) setOwn(struct.fields, key, toValue(json[key]))
  return struct
}

const valueToJson = ({ kind }: Value): JsonValue => {
  switch (kind.case) {
    case "structValue":
      return toJson(kind.value)
    case "listValue":
      return kind.value.values.map(valueToJson)
    case "nullValue":
    case undefined:
      return null
    default:
      return kind.value
  }
}

/** The JSON for `struct`. Values without a kind are null. */
export const toJson = (struct: Struct): JsonObject => {
  const json: JsonObject = {}
  for (const [key, value] of Object.entries(struct.fields)) setOwn(json, key, valueToJson(value))
  return json
}
