/**
 * The sources over the file: environment variables, then the command line; and the one default that depends on another.
 */
import * as Schema from "effect/Schema"
import * as Str from "effect/String"
import * as FileStorage from "../../storage/FileStorage.ts"
import type { Document, Draft, Setting } from "./Document.ts"
import { setOption } from "./Document.ts"
import type { Kind } from "./Kind.ts"
import { describe, type Report } from "./Problem.ts"
import { nearest } from "../Suggestion.ts"

export const prefix = "TICKVAULT_"

/** Variables with the prefix that are no option of the pipeline. */
export const otherVariables: ReadonlySet<string> = new Set(["TICKVAULT_LOG_LEVEL", "TICKVAULT_LOG_FORMAT"])

/** "maxBatchSize" and "persistence-1" as variables spell them: MAX_BATCH_SIZE, PERSISTENCE_1. */
export const constantCase = (name: string): string =>
  name
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/gu, "_")
    .replaceAll("-", "_")
    .toUpperCase()

interface Target {
  readonly draft: Draft<Kind>
  readonly option: string
  readonly isList: boolean
}

const components = (document: Document): ReadonlyArray<Draft<Kind>> => [...document.resources, ...document.services]

const shutdownVariable = `${prefix}SHUTDOWN_TIMEOUT`

const targetsOf = (document: Document): ReadonlyMap<string, ReadonlyArray<Target>> => {
  const targets = new Map<string, Array<Target>>()
  for (const draft of components(document)) {
    for (const option of [...draft.kind.forms.keys(), ...draft.kind.aliases.keys()]) {
      const name = `${prefix}${constantCase(draft.name)}_${constantCase(option)}`
      const target = { draft, option, isList: draft.kind.forms.get(option)?._tag === "list" }
      targets.set(name, [...(targets.get(name) ?? []), target])
    }
  }
  return targets
}

const pathOf = ({ draft, option }: Target): string => `${draft.path}.options.${option}`

/** What is wrong with the variable, in words; `undefined` when it can be set. */
const violation = (targets: ReadonlyMap<string, ReadonlyArray<Target>>, name: string) => {
  const [target, other] = targets.get(name) ?? []
  if (target === undefined) {
    const settable = [...targets].filter(([, [first]]) => first?.isList === false).map(([known]) => known)
    const near = nearest(name, [...settable, shutdownVariable, ...otherVariables])
    const hint = near === undefined ? `it is ${prefix}<COMPONENT>_<OPTION>` : `did you mean ${near}?`
    return `names no option of this configuration: ${hint}`
  }
  if (other !== undefined) return `can mean ${pathOf(target)} and ${pathOf(other)}: rename one of the two components`
  return target.isList ? "is a list: set it in the configuration file" : undefined
}

/** Of a component that couldn't be read, the options aren't known either. */
const isOfUnreadable = (document: Document, name: string): boolean =>
  [...document.unreadable].some((each) => name.startsWith(`${prefix}${constantCase(each)}_`))

/**
 * The document with the variables of the environment over it. An empty variable counts as not set. Only variables with
 * the prefix are looked at; each of them must name an option.
 */
export const environment = (document: Document, env: Readonly<Record<string, string>>, report: Report): Document => {
  const targets = targetsOf(document)
  let shutdownTimeout = document.shutdownTimeout
  for (const [name, value] of Object.entries(env).sort(([left], [right]) => Str.Order(left, right))) {
    if (!name.startsWith(prefix) || value === "" || otherVariables.has(name)) continue
    const source = `environment ${name}`
    if (name === shutdownVariable) {
      shutdownTimeout = { value, source, path: "pipeline.shutdownTimeout" }
      continue
    }
    const [target] = targets.get(name) ?? []
    const message = violation(targets, name)
    if (target !== undefined && message === undefined) {
      setOption(target.draft, target.option, { value, source, path: pathOf(target) }, report)
    } else if (message !== undefined && !isOfUnreadable(document, name)) {
      report({ path: name, found: describe(value), message, source })
    }
  }
  return { ...document, shutdownTimeout }
}

/** One option given on the command line: of the component with the name, or of every component of the kind. */
export interface Override {
  readonly component: string | { readonly every: "FileStorage" | "SimulationEngine" | "PersistenceService" }
  readonly option: string
  readonly value: unknown
  /** As it was given: "--data". */
  readonly flag: string
}

const matches = (draft: Draft<Kind>, component: Override["component"]): boolean =>
  typeof component === "string" ? draft.name === component : draft.kind.tag === component.every

/** Sets what the command line says. An override that meets no component is a problem. */
export const overrides = (document: Document, given: ReadonlyArray<Override>, report: Report): void => {
  for (const { component, flag, option, value } of given) {
    const source = `command line ${flag}`
    const wanted = typeof component === "string" ? `component named ${component}` : component.every
    const met = components(document).filter((draft) => matches(draft, component) && draft.kind.forms.has(option))
    for (const draft of met)
      setOption(draft, option, { value, source, path: `${draft.path}.options.${option}` }, report)
    if (met.length === 0 && document.unreadable.size === 0) {
      const message = `sets \`${option}\`, but there is no ${wanted} in this configuration`
      report({ path: flag, found: describe(value), message, source })
    }
  }
}

const defaultRoot = Schema.decodeSync(FileStorage.Options)({}).rootDirectory

/** The folder of a file storage: as it was set, else the storage's own default. */
export const rootOf = (storage: Draft<Kind>): Setting =>
  storage.options.get("rootDirectory") ?? { value: defaultRoot, source: "default", path: storage.path }

/** Dead letters lie beside what is stored, in the first file storage, unless a directory is given. */
export const placeDeadLetters = (document: Document): void => {
  const storage = document.resources.find((draft) => draft.kind.tag === "FileStorage")
  if (storage === undefined) return
  const root = rootOf(storage)
  if (typeof root.value !== "string" || root.value === "") return
  const value = `${root.value.replace(/\/+$/u, "")}/.dead-letters`
  const source = root.source.startsWith("command line") ? root.source : "default"
  for (const draft of document.resources.filter((each) => each.kind.tag === "FileDeadLetterQueue")) {
    if (draft.options.has("directory")) continue
    draft.options.set("directory", { value, source, path: `${draft.path}.options.directory` })
  }
}
