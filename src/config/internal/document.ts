/**
 * Reads the shape of a configuration: its components, their kinds, and the source of each option. A component is a resource
 * or a service.
 *
 * Values stay raw here: the schemas of the kinds check them later. A component that can't be read is reported and left out,
 * so that the rest is still checked.
 */
import * as OptionForm from "../../domain/OptionForm.ts"
import type { Report } from "../ConfigError.ts"
import type { Kind, Kinds, ResourceKind, ServiceKind } from "../Kind.ts"
import { didYouMean } from "../Suggestion.ts"
import { describe } from "../../domain/ValueText.ts"

/** A raw value and its source. */
export interface Setting {
  readonly value: unknown
  readonly source: string
  /** The path as the user wrote it. */
  readonly path: string
}

/** A component as it was read. Later sources may still set options and ports. */
export interface Draft<K extends Kind> {
  readonly kind: K
  readonly name: string
  readonly path: string
  readonly className: Setting
  readonly options: Map<string, Setting>
  readonly ignored: ReadonlyArray<Setting & { readonly reason: string }>
  readonly ports: Map<string, Setting>
}

export interface Document {
  readonly source: string
  readonly resources: ReadonlyArray<Draft<ResourceKind>>
  readonly services: ReadonlyArray<Draft<ServiceKind>>
  /** Names of components whose kind isn't known. What refers to them can't be checked. */
  readonly unreadable: ReadonlySet<string>
  readonly startupSequence: Setting | undefined
  readonly shutdownTimeout: Setting | undefined
  /** Sections beside `pipeline`, which are not read. */
  readonly unread: ReadonlyArray<string>
}

type Pairs = ReadonlyArray<readonly [string, unknown]>

const isSection = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The names and values of a section. An absent or empty section has none. Only own keys: no key can reach a prototype. */
const pairsOf = (value: unknown, path: string, source: string, report: Report): Pairs => {
  if (value === undefined || value === null) return []
  if (isSection(value)) return Object.entries(value)
  report({ path, found: describe(value), message: "must be a section of names and values", source })
  return []
}

const namePattern = /^[a-z0-9]+(?:-[a-z0-9]+)*$/u
const maxNameLength = 64

const pipelineKeys = ["resources", "services", "startupSequence", "shutdownTimeout"]

const resourceKeys = ["className", "options"]
const serviceKeys = ["className", "resources", "options"]

/** Sets an option by its own name or by an alias. Later settings replace earlier ones. */
export const setOption = (draft: Draft<Kind>, option: string, setting: Setting, report: Report): void => {
  const set = OptionForm.set(draft.kind.forms, draft.kind.aliases, option, setting.value)
  if (set === undefined) return
  if (set.problem !== undefined) {
    report({ path: setting.path, found: describe(setting.value), message: set.problem, source: setting.source })
    return
  }
  const before = draft.options.get(set.option)
  if (before !== undefined && before.source === setting.source) {
    const message = `sets the same option as \`${before.path.split(".").at(-1)}\`: keep one of them`
    report({ path: setting.path, found: "", message, source: setting.source })
  }
  draft.options.set(set.option, { ...setting, value: set.value })
}

const readOptions = (draft: Draft<Kind>, pairs: Pairs, source: string, report: Report) => {
  const { kind } = draft
  const known = [...kind.forms.keys(), ...kind.aliases.keys(), ...kind.ignored.keys()]
  const ignored: Array<Setting & { readonly reason: string }> = []
  for (const [option, value] of pairs) {
    const setting = { value, source, path: `${draft.path}.options.${option}` }
    const reason = kind.ignored.get(option)
    if (reason !== undefined) ignored.push({ ...setting, reason })
    else if (known.includes(option)) setOption(draft, option, setting, report)
    else {
      const hint = didYouMean(option, known, `${kind.name} has no options`)
      report({ path: setting.path, found: "", message: `unknown option \`${option}\`: ${hint}`, source })
    }
  }
  return ignored
}

/** Reports every key that isn't one of `known`. */
const refuseUnknown = (pairs: Pairs, known: ReadonlyArray<string>, path: string, source: string, report: Report) => {
  for (const [key] of pairs) {
    if (known.includes(key)) continue
    const hint = didYouMean(key, known, "nothing is known here")
    report({ path: `${path}.${key}`, found: "", message: `unknown key \`${key}\`: ${hint}`, source })
  }
}

const kindOf = <K extends Kind>(className: Setting, kinds: ReadonlyArray<K>, report: Report): K | undefined => {
  const { path, source, value } = className
  const known = kinds.flatMap((kind) => kind.classNames)
  if (typeof value !== "string" || value === "") {
    report({ path, found: describe(value), message: `must be a class name; known: ${known.join(", ")}`, source })
    return undefined
  }
  const segment = value.slice(value.lastIndexOf(".") + 1)
  const kind = kinds.find((each) => each.classNames.includes(segment))
  if (kind === undefined) {
    const near = didYouMean(segment, known, "nothing is known here")
    const others = near.startsWith("known") ? "" : ` (known: ${known.join(", ")})`
    report({ path, found: describe(value), message: `is not a known class: ${near}${others}`, source })
  }
  return kind
}

const reportName = (name: string, path: string, source: string, report: Report) => {
  if (name.length <= maxNameLength && namePattern.test(name)) return
  const message = `a name is lower-case words and digits joined by "-", at most ${maxNameLength} characters`
  report({ path, found: describe(name), message, source })
}

const readComponents = <K extends Kind>(
  given: { readonly section: string; readonly keys: ReadonlyArray<string>; readonly kinds: ReadonlyArray<K> },
  value: unknown,
  source: string,
  unreadable: Set<string>,
  report: Report
): ReadonlyArray<Draft<K>> => {
  const section = `pipeline.${given.section}`
  return pairsOf(value, section, source, report).flatMap(([name, body]) => {
    const path = `${section}.${name}`
    reportName(name, path, source, report)
    const pairs = pairsOf(body, path, source, report)
    const fields = new Map(pairs)
    refuseUnknown(pairs, given.keys, path, source, report)
    const className = { value: fields.get("className"), source, path: `${path}.className` }
    const kind = kindOf(className, given.kinds, report)
    if (kind === undefined) {
      unreadable.add(name)
      return []
    }
    const ports = pairsOf(fields.get("resources"), `${path}.resources`, source, report).map(
      ([port, reference]): [string, Setting] => [port, { value: reference, source, path: `${path}.resources.${port}` }]
    )
    const draft = {
      kind,
      name,
      path,
      className,
      options: new Map<string, Setting>(),
      ports: new Map(ports),
      ignored: []
    }
    const options = pairsOf(fields.get("options"), `${path}.options`, source, report)
    return [{ ...draft, ignored: readOptions(draft, options, source, report) }]
  })
}

/** The sections of the pipeline itself, with or without the `pipeline` around them. */
const unwrap = (
  value: unknown,
  source: string,
  report: Report
): { readonly body: Pairs; readonly unread: Array<string> } => {
  const top = pairsOf(value, "the configuration", source, report)
  const wrapped = top.find(([key]) => key === "pipeline")
  if (wrapped === undefined) {
    refuseUnknown(top, ["pipeline", ...pipelineKeys], "pipeline", source, report)
    return { body: top, unread: [] }
  }
  const beside = top.map(([key]) => key).filter((key) => key !== "pipeline")
  for (const key of beside.filter((each) => pipelineKeys.includes(each))) {
    report({ path: key, found: "", message: `belongs inside \`pipeline\`: write it as pipeline.${key}`, source })
  }
  const body = pairsOf(wrapped[1], "pipeline", source, report)
  refuseUnknown(body, pipelineKeys, "pipeline", source, report)
  return { body, unread: beside.filter((each) => !pipelineKeys.includes(each)) }
}

/** Reads the document that describes a whole pipeline. */
export const read = (kinds: Kinds, value: unknown, source: string, report: Report): Document => {
  const { body, unread } = unwrap(value, source, report)
  const fields = new Map(body)
  const unreadable = new Set<string>()
  const resourcesOf = { section: "resources", keys: resourceKeys, kinds: kinds.resources }
  const servicesOf = { section: "services", keys: serviceKeys, kinds: kinds.services }
  const setting = (key: string): Setting | undefined =>
    fields.get(key) === undefined ? undefined : { value: fields.get(key), source, path: `pipeline.${key}` }
  return {
    source,
    unread,
    unreadable,
    resources: readComponents(resourcesOf, fields.get("resources"), source, unreadable, report),
    services: readComponents(servicesOf, fields.get("services"), source, unreadable, report),
    startupSequence: setting("startupSequence"),
    shutdownTimeout: setting("shutdownTimeout")
  }
}
