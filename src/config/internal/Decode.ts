/** Decodes the options of every component with the schema of its kind, and names each wrong one by its path. */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as OptionSchema from "../../domain/OptionSchema.ts"
import type { Resource, Service } from "./Component.ts"
import type { Document, Draft, Setting } from "./Document.ts"
import type { Decoded, Kind } from "./Kind.ts"
import * as OptionForm from "./OptionForm.ts"
import { describe, type Report } from "./Problem.ts"
import { didYouMean } from "../Suggestion.ts"
import type { Wiring } from "./Wiring.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const itemAt = (value: unknown, path: ReadonlyArray<PropertyKey>): unknown => {
  const [first] = path
  return Array.isArray(value) && typeof first === "number" ? value[first] : value
}

/** Our options say in words what they take; the library's own words only name a type. */
const wordsOf = (message: string, form: OptionForm.Form, path: ReadonlyArray<PropertyKey>): string =>
  /^(?:Expected|Missing|Unexpected)/u.test(message) || form._tag === "duration"
    ? OptionForm.allowedAt(form, path)
    : message

const reportIssues = (draft: Draft<Kind>, errors: ReadonlyArray<Schema.SchemaError>, report: Report): void => {
  const seen = new Set<string>()
  for (const { message, path = [] } of errors.flatMap((error) => format(error.issue).issues)) {
    const [option = "", ...rest] = path.map((segment) => (typeof segment === "object" ? segment.key : segment))
    const setting = draft.options.get(String(option))
    const form = draft.kind.forms.get(String(option))
    const where = setting?.path ?? `${draft.path}.options${option === "" ? "" : `.${String(option)}`}`
    const at = `${where}${rest.map((segment) => `[${String(segment)}]`).join("")}`
    if (seen.has(at)) continue
    seen.add(at)
    report({
      path: at,
      found: setting === undefined ? "" : describe(itemAt(setting.value, rest)),
      message: form === undefined ? message : wordsOf(message, form, rest),
      source: setting?.source ?? draft.className.source
    })
  }
}

const decodeAll = <K extends Kind, A extends { readonly name: string }>(
  drafts: ReadonlyArray<Draft<K>>,
  decode: (draft: Draft<K>, options: unknown) => Decoded<A>,
  report: Report
): Readonly<Record<string, A>> =>
  Object.fromEntries(
    drafts.flatMap((draft): Array<[string, A]> => {
      const raw = Object.fromEntries([...draft.options].map(([option, setting]) => [option, setting.value]))
      const result = decode(draft, raw)
      if (Result.isSuccess(result)) return [[draft.name, result.success]]
      reportIssues(draft, result.failure, report)
      return []
    })
  )

export const resources = (document: Document, report: Report): Readonly<Record<string, Resource>> =>
  decodeAll(document.resources, (draft, options) => draft.kind.decode(draft.name, options), report)

export const services = (document: Document, wiring: Wiring, report: Report): Readonly<Record<string, Service>> =>
  decodeAll(
    document.services,
    (draft, options) => draft.kind.decode(draft.name, options, wiring.get(draft.name) ?? new Map()),
    report
  )

const ShutdownTimeout = Schema.Struct({ shutdownTimeout: OptionSchema.duration(Duration.seconds(20)) })
const shutdownForm = OptionForm.of(ShutdownTimeout.fields.shutdownTimeout.ast)

/** The whole pipeline's time to end in good order. Default 20 seconds. */
export const shutdownTimeout = (setting: Setting | undefined, report: Report): Duration.Duration => {
  const raw = setting === undefined ? {} : { shutdownTimeout: OptionForm.normalise(shutdownForm, setting.value) }
  const result = Schema.decodeUnknownResult(ShutdownTimeout)(raw)
  if (Result.isSuccess(result)) return result.success.shutdownTimeout
  if (setting !== undefined) {
    const { path, source, value } = setting
    report({ path, found: describe(value), message: shutdownForm.allowed, source })
  }
  return Duration.zero
}

const checkStart = (
  setting: Setting,
  item: unknown,
  index: number,
  document: Document,
  report: Report
): Array<string> => {
  const refuse = (message: string): Array<string> => {
    report({ path: `${setting.path}[${index}]`, found: describe(item), message, source: setting.source })
    return []
  }
  const names = document.services.map((draft) => draft.name)
  if (typeof item !== "string") return refuse("must be the name of a service")
  if (names.includes(item)) return [item]
  if (document.unreadable.has(item)) return []
  const isResource = document.resources.some((draft) => draft.name === item)
  return refuse(
    `${isResource ? "is a resource, not a service" : "is not a service"}: ${didYouMean(item, names, "there are none")}`
  )
}

/** The services to start, in order. Absent: all, in the order of the configuration. */
export const startupSequence = (document: Document, report: Report): ReadonlyArray<string> => {
  const setting = document.startupSequence
  if (setting === undefined) return document.services.map((draft) => draft.name)
  const { path, source, value } = setting
  if (!Array.isArray(value)) {
    report({ path, found: describe(value), message: "must be a list of names of services", source })
    return []
  }
  const names = value.flatMap((item: unknown, index) => checkStart(setting, item, index, document, report))
  for (const twice of new Set(names.filter((name, index) => names.indexOf(name) !== index))) {
    report({ path, found: describe(twice), message: "is named more than once: a service starts once", source })
  }
  return names
}
