/** Decodes the options of every component with the schema of its kind, and reports each wrong one with its path. */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as OptionForm from "../../domain/OptionForm.ts"
import * as OptionSchema from "../../domain/OptionSchema.ts"
import type { Report } from "../ConfigError.ts"
import type { ConfiguredResource, ConfiguredService } from "../Configured.ts"
import type { Decoded, Kind } from "../Kind.ts"
import { didYouMean } from "../Suggestion.ts"
import type { Document, Draft, Setting } from "./document.ts"
import type { Wiring } from "./wiring.ts"
import { describe } from "../../domain/ValueText.ts"

const itemAt = (value: unknown, path: ReadonlyArray<PropertyKey>): unknown => {
  const [first] = path
  return Array.isArray(value) && typeof first === "number" ? value[first] : value
}

const reportErrors = (draft: Draft<Kind>, errors: ReadonlyArray<Schema.SchemaError>, report: Report): void => {
  const seen = new Set<string>()
  for (const { message, option, path } of errors.flatMap((error) => OptionForm.violations(error, draft.kind.forms))) {
    const setting = option === undefined ? undefined : draft.options.get(option)
    const where = setting?.path ?? `${draft.path}.options${option === undefined ? "" : `.${option}`}`
    const at = `${where}${path.map((segment) => `[${String(segment)}]`).join("")}`
    if (seen.has(at)) continue
    seen.add(at)
    report({
      path: at,
      found: setting === undefined ? "" : describe(itemAt(setting.value, path)),
      message,
      source: setting?.source ?? draft.className.source
    })
  }
}

const decodeAll = <K extends Kind, A extends { readonly name: string }>(
  drafts: ReadonlyArray<Draft<K>>,
  configure: (draft: Draft<K>, options: unknown) => Decoded<A | undefined>,
  report: Report
): Readonly<Record<string, A>> =>
  Object.fromEntries(
    drafts.flatMap((draft): Array<[string, A]> => {
      const raw = Object.fromEntries([...draft.options].map(([option, setting]) => [option, setting.value]))
      const result = configure(draft, raw)
      if (Result.isFailure(result)) reportErrors(draft, result.failure, report)
      return Result.isSuccess(result) && result.success !== undefined ? [[draft.name, result.success]] : []
    })
  )

export const resources = (document: Document, report: Report): Readonly<Record<string, ConfiguredResource>> =>
  decodeAll(document.resources, (draft, options) => draft.kind.configure(draft.name, options), report)

export const services = (
  document: Document,
  wiring: Wiring,
  report: Report
): Readonly<Record<string, ConfiguredService>> =>
  decodeAll(
    document.services,
    (draft, options) => draft.kind.configure(draft.name, options, Object.fromEntries(wiring.get(draft.name) ?? [])),
    report
  )

const ShutdownTimeout = Schema.Struct({ shutdownTimeout: OptionSchema.duration(Duration.seconds(20)) })
const shutdownForm = OptionForm.of(ShutdownTimeout.fields.shutdownTimeout.ast)

/** The time for a clean shutdown of the whole pipeline. Default 20 seconds. */
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
