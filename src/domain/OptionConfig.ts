/**
 * Options from environment variables, for the layers of an app. The program reads the same variables.
 *
 * The variable of an option is `TICKVAULT_<COMPONENT>_<OPTION>`: the component's name and the option's, in upper case with
 * underscores. `maxBatchSize` of "persistence-1" is `TICKVAULT_PERSISTENCE_1_MAX_BATCH_SIZE`.
 */
import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as OptionForm from "./OptionForm.ts"
import * as ValueText from "./ValueText.ts"

/** The prefix of all variables. */
export const prefix = "TICKVAULT_"

/** "maxBatchSize" and "persistence-1" as variables spell them: MAX_BATCH_SIZE, PERSISTENCE_1. */
export const constantCase = (name: string): string =>
  name
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/gu, "_")
    .replaceAll("-", "_")
    .toUpperCase()

/** The variable for the option of the component. An empty component stands for the pipeline itself. */
export const variable = (component: string, option: string): string =>
  `${prefix}${component === "" ? "" : `${constantCase(component)}_`}${constantCase(option)}`

/** The schema of the options of a component. */
export interface OptionsSchema extends Schema.Constraint {
  readonly Type: object
  readonly Encoded: object
  readonly DecodingServices: never
  readonly ast: SchemaAST.AST
  readonly fields: Schema.Struct.Fields
}

/** "NAME: found VALUE, must be ..." */
const issueOf = ({ name, text }: Variable, message: string): SchemaIssue.Issue =>
  new SchemaIssue.InvalidValue({ message: `${name}: found ${ValueText.describe(text)}, ${message}` })

const failWith = (ast: SchemaAST.AST, issues: Arr.NonEmptyReadonlyArray<SchemaIssue.Issue>) =>
  new Config.ConfigError(new Schema.SchemaError(new SchemaIssue.Composite(ast, [...issues])))

/** A variable that is set. */
interface Variable {
  readonly option: string
  readonly name: string
  readonly text: string
}

/** The variables of the component that are set. An empty one counts as not set. */
const variablesOf = (component: string, options: ReadonlyArray<string>): Config.Config<ReadonlyArray<Variable>> =>
  Config.map(
    Config.all(
      options.map((option) => {
        const name = variable(component, option)
        return Config.map(Config.option(Config.String(name)), (text) =>
          Option.isSome(text) && text.value !== "" ? [{ option, name, text: text.value }] : []
        )
      })
    ),
    (found) => found.flat()
  )

/** The options set by variables, each with its variable, and the problems of the variables themselves. */
const read = (
  forms: ReadonlyMap<string, OptionForm.Form>,
  aliases: OptionForm.Aliases,
  variables: ReadonlyArray<Variable>
) => {
  const options = new Map<string, { readonly value: unknown; readonly from: Variable }>()
  const issues: Array<SchemaIssue.Issue> = []
  for (const from of variables) {
    const set = OptionForm.set(forms, aliases, from.option, from.text)
    if (set === undefined) continue
    const before = options.get(set.option)
    options.set(set.option, { value: set.value, from })
    if (forms.get(set.option)?._tag === "list") issues.push(issueOf(from, "is a list: give it in code"))
    else if (set.problem !== undefined) issues.push(issueOf(from, set.problem))
    else if (before !== undefined) issues.push(issueOf(from, `sets the same option as ${before.from.name}`))
  }
  return { options, issues }
}

/**
 * Decodes `options` for `component`, overridden by environment variables. Fails with `ConfigError`, which names each wrong
 * variable, its value and what is allowed.
 */
export const of = <S extends OptionsSchema>(
  schema: S,
  component: string,
  options: S["Encoded"],
  aliases: OptionForm.Aliases = new Map()
): Config.Config<S["Type"]> => {
  const forms = OptionForm.ofFields(schema.fields)
  const decode = (variables: ReadonlyArray<Variable>): Effect.Effect<S["Type"], Config.ConfigError> => {
    const found = read(forms, aliases, variables)
    if (Arr.isArrayNonEmpty(found.issues)) return Effect.fail(failWith(schema.ast, found.issues))
    const raw = { ...options, ...Object.fromEntries([...found.options].map(([option, { value }]) => [option, value])) }
    return Effect.mapError(Schema.decodeUnknownEffect(schema, { errors: "all" })(raw), (error) => {
      const wrong = OptionForm.violations(error, forms).map((violation) => {
        const from = found.options.get(violation.option ?? "")?.from
        return from === undefined
          ? new SchemaIssue.InvalidValue({ message: `${violation.option ?? component}: ${violation.message}` })
          : issueOf(from, violation.message)
      })
      return Arr.isArrayNonEmpty(wrong) ? failWith(schema.ast, wrong) : new Config.ConfigError(error)
    })
  }
  return Config.mapEffect(variablesOf(component, [...forms.keys(), ...aliases.keys()]), decode)
}
