/**
 * What an option takes, read from its schema: so that text becomes a number where a number is meant, a duration may be
 * written as HOCON's users write it, and a problem can say what would have been allowed.
 */
import * as SchemaAST from "effect/SchemaAST"

export type Form =
  | { readonly _tag: "number"; readonly allowed: string }
  | { readonly _tag: "duration"; readonly allowed: string }
  | { readonly _tag: "text"; readonly allowed: string }
  | { readonly _tag: "choice"; readonly allowed: string }
  | { readonly _tag: "list"; readonly allowed: string; readonly item: Form | undefined }
  | { readonly _tag: "other"; readonly allowed: string }

/** The words of the last check that has its own. */
const ownWords = (ast: SchemaAST.AST): string | undefined => {
  let words: string | undefined
  for (const check of ast.checks ?? []) {
    const message: unknown = check.annotations?.["message"]
    if (typeof message === "string") words = message
  }
  return words
}

const ofChoices = (ast: SchemaAST.Union): Form => {
  const choices = ast.types.flatMap((type) => (SchemaAST.isLiteral(type) ? [`"${type.literal}"`] : []))
  return choices.length === ast.types.length && choices.length > 0
    ? { _tag: "choice", allowed: `must be ${choices.join(" or ")}` }
    : { _tag: "other", allowed: "has the wrong type" }
}

const ofList = (ast: SchemaAST.Arrays): Form => {
  const itemAst = ast.rest[0] ?? ast.elements[0]
  const item = itemAst === undefined ? undefined : of(itemAst)
  return { _tag: "list", item, allowed: item === undefined ? "must be a list" : `must be a list; each ${item.allowed}` }
}

/** The form of an option, given the AST of its schema. */
export const of = (ast: SchemaAST.AST): Form => {
  const type = SchemaAST.toType(ast)
  if (SchemaAST.isNumber(type)) return { _tag: "number", allowed: ownWords(type) ?? "must be a number" }
  if (SchemaAST.isDeclaration(type) && type.annotations?.["expected"] === "Duration") {
    return { _tag: "duration", allowed: 'must be a duration above zero, such as "5 seconds" or "500ms"' }
  }
  if (SchemaAST.isString(type)) {
    const notEmpty = (type.checks ?? []).length > 0
    return { _tag: "text", allowed: ownWords(type) ?? (notEmpty ? "must be text that is not empty" : "must be text") }
  }
  if (SchemaAST.isUnion(type)) return ofChoices(type)
  if (SchemaAST.isArrays(type)) return ofList(type)
  return { _tag: "other", allowed: "has the wrong type" }
}

const numeric = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/iu

const unitNames: ReadonlyMap<string, string> = new Map(
  Object.entries({
    nanos: ["ns", "nano", "nanos", "nanosecond", "nanoseconds"],
    micros: ["us", "micro", "micros", "microsecond", "microseconds"],
    millis: ["ms", "milli", "millis", "millisecond", "milliseconds"],
    seconds: ["s", "sec", "secs", "second", "seconds"],
    minutes: ["m", "min", "mins", "minute", "minutes"],
    hours: ["h", "hour", "hours"],
    days: ["d", "day", "days"],
    weeks: ["w", "week", "weeks"]
  }).flatMap(([unit, names]) => names.map((name): [string, string] => [name, unit]))
)

const spelledDuration = (text: string): string => {
  const match = /^(?<amount>\d+(?:\.\d+)?)\s*(?<unit>[a-z]+)$/u.exec(text.trim())
  const unit = unitNames.get(match?.groups?.["unit"] ?? "")
  return unit === undefined ? text : `${match?.groups?.["amount"]} ${unit}`
}

/**
 * `value` as the schema takes it: "1000" becomes 1000 for a number, "5s" becomes "5 seconds" for a duration. Whatever
 * can't be is left as it is, for the schema to refuse. Nothing is ever made of a boolean.
 */
export const normalise = (form: Form, value: unknown): unknown => {
  if (form._tag === "list") {
    const item = form.item
    return Array.isArray(value) && item !== undefined ? value.map((each) => normalise(item, each)) : value
  }
  if (typeof value !== "string") return value
  if (form._tag === "number" && numeric.test(value.trim())) return Number(value)
  return form._tag === "duration" ? spelledDuration(value) : value
}

/** What is allowed at `path` below an option of this form: the option itself, or an item of its list. */
export const allowedAt = (form: Form, path: ReadonlyArray<PropertyKey>): string =>
  path.length > 0 && form._tag === "list" && form.item !== undefined ? form.item.allowed : form.allowed
