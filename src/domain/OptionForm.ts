/**
 * The form of an option, read from its schema.
 *
 * It is used to convert text from a file or a variable to a number, to accept durations such as "5s", and to say in a
 * message what is allowed.
 */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"

/** The form of one option. `allowed` describes its valid values: "must be a whole number of 1 or more". */
export type Form =
  | { readonly _tag: "number"; readonly allowed: string }
  | { readonly _tag: "duration"; readonly allowed: string }
  | { readonly _tag: "text"; readonly allowed: string }
  | { readonly _tag: "choice"; readonly allowed: string }
  | { readonly _tag: "list"; readonly allowed: string; readonly item: Form | undefined }
  | { readonly _tag: "other"; readonly allowed: string }

/** The message of the last check that has a message. */
const ownMessage = (ast: SchemaAST.AST): string | undefined => {
  let own: string | undefined
  for (const check of ast.checks ?? []) {
    const message: unknown = check.annotations?.["message"]
    if (typeof message === "string") own = message
  }
  return own
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

const representation = (ast: SchemaAST.AST) => ast.annotations?.["representation"]

const isDuration = (type: SchemaAST.AST): boolean =>
  SchemaAST.isDeclaration(type) && representation(type) === representation(Schema.Duration.ast)

/** The form of an option, given the AST of its schema. */
export const of = (ast: SchemaAST.AST): Form => {
  const type = SchemaAST.toType(ast)
  if (SchemaAST.isNumber(type)) return { _tag: "number", allowed: ownMessage(type) ?? "must be a number" }
  if (isDuration(type)) {
    return { _tag: "duration", allowed: 'must be a duration above zero, such as "5 seconds" or "500ms"' }
  }
  if (SchemaAST.isString(type)) {
    const notEmpty = (type.checks ?? []).length > 0
    return { _tag: "text", allowed: ownMessage(type) ?? (notEmpty ? "must be text that is not empty" : "must be text") }
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

/** The forms of all options of a schema. */
export const ofFields = (fields: Schema.Struct.Fields): ReadonlyMap<string, Form> =>
  new Map(Object.entries(fields).map(([option, field]) => [option, of(field.ast)]))

/**
 * Converts `value` from a file or a variable for the schema: "1000" becomes 1000 for a number, "5s" becomes "5 seconds"
 * for a duration. Other values stay unchanged, and the schema refuses wrong ones. A duration needs a unit: a number means
 * milliseconds only in code.
 */
export const normalise = (form: Form, value: unknown): unknown => {
  if (form._tag === "list") {
    const item = form.item
    return Array.isArray(value) && item !== undefined ? value.map((each) => normalise(item, each)) : value
  }
  if (form._tag === "duration") return spelledDuration(String(value))
  return form._tag === "number" && typeof value === "string" && numeric.test(value.trim()) ? Number(value) : value
}

/** The valid values at `path`: those of the option, or of an item of its list. */
export const allowedAt = (form: Form, path: ReadonlyArray<PropertyKey>): string =>
  path.length > 0 && form._tag === "list" && form.item !== undefined ? form.item.allowed : form.allowed

/** Another name for an option, with another form. */
export interface Alias {
  readonly option: string
  readonly form: Form
  /** Converts a value for the option. Returns it unchanged when it can't be converted. */
  readonly convert: (value: unknown) => unknown
}

export type Aliases = ReadonlyMap<string, Alias>

/** An option and its value, converted for its schema, or why the raw value can't be converted. */
export interface Setting {
  readonly option: string
  readonly value: unknown
  readonly problem: string | undefined
}

/** Sets `name`, an option or an alias, to a raw value. `undefined` when there is no such option. */
export const set = (
  forms: ReadonlyMap<string, Form>,
  aliases: Aliases,
  name: string,
  raw: unknown
): Setting | undefined => {
  const alias = aliases.get(name)
  if (alias === undefined) {
    const form = forms.get(name)
    return form === undefined ? undefined : { option: name, value: normalise(form, raw), problem: undefined }
  }
  const normal = normalise(alias.form, raw)
  const value = alias.convert(normal)
  return { option: alias.option, value, problem: value === normal ? alias.form.allowed : undefined }
}

/** A wrong value of an option. */
export interface Violation {
  /** The option. Absent when the options as a whole are wrong. */
  readonly option: string | undefined
  /** The path from the option to the wrong value, when that is an item of a list. */
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
}

/** Uses the message of the schema, or "" when it has none. */
const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    const annotations = "annotations" in issue ? issue.annotations : "ast" in issue ? issue.ast.annotations : undefined
    const message = annotations?.["message"]
    return typeof message === "string" ? message : ""
  },
  checkHook: (issue) => SchemaIssue.defaultCheckHook(issue) ?? (issue.issue._tag === "InvalidValue" ? "" : undefined)
})

/** The wrong values of some options, with the message of the schema or else of the option's form. */
export const violations = (error: Schema.SchemaError, forms: ReadonlyMap<string, Form>): ReadonlyArray<Violation> =>
  format(error.issue).issues.map(({ message, path = [] }) => {
    const [first, ...rest] = path.map((segment) => (typeof segment === "object" ? segment.key : segment))
    const option = first === undefined ? undefined : String(first)
    const form = option === undefined ? undefined : forms.get(option)
    if (form === undefined) return { option, path: rest, message: message === "" ? error.message : message }
    const isSaidByForm = message === "" || form._tag === "duration" || form._tag === "choice"
    return { option, path: rest, message: isSaidByForm ? allowedAt(form, rest) : message }
  })
