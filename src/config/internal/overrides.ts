/** The sources that override the file: environment variables, then command-line flags. */
import * as Str from "effect/String"
import * as OptionConfig from "../../domain/OptionConfig.ts"
import type { Report } from "../ConfigError.ts"
import type { Kind, Kinds } from "../Kind.ts"
import { nearest } from "../Suggestion.ts"
import type { Document, Draft } from "./document.ts"
import { setOption } from "./document.ts"
import { describe } from "../../domain/ValueText.ts"

/** Variables with the prefix that are not options of the pipeline. */
const otherVariables: ReadonlySet<string> = new Set(["TICKVAULT_LOG_LEVEL", "TICKVAULT_LOG_FORMAT"])

interface Target {
  readonly draft: Draft<Kind>
  readonly option: string
  readonly isList: boolean
}

const components = (document: Document): ReadonlyArray<Draft<Kind>> => [...document.resources, ...document.services]

const shutdownVariable = OptionConfig.variable("", "shutdownTimeout")

const targetsOf = (document: Document): ReadonlyMap<string, ReadonlyArray<Target>> => {
  const targets = new Map<string, Array<Target>>()
  for (const draft of components(document)) {
    for (const option of [...draft.kind.forms.keys(), ...draft.kind.aliases.keys()]) {
      const name = OptionConfig.variable(draft.name, option)
      const target = { draft, option, isList: draft.kind.forms.get(option)?._tag === "list" }
      targets.set(name, [...(targets.get(name) ?? []), target])
    }
  }
  return targets
}

const pathOf = ({ draft, option }: Pick<Target, "draft" | "option">): string => `${draft.path}.options.${option}`

/** The problem with the variable. `undefined` when it can be set. */
const violation = (targets: ReadonlyMap<string, ReadonlyArray<Target>>, name: string) => {
  const [target, other] = targets.get(name) ?? []
  if (target === undefined) {
    const settable = [...targets].filter(([, [first]]) => first?.isList === false).map(([known]) => known)
    const near = nearest(name, [...settable, shutdownVariable, ...otherVariables])
    const hint = near === undefined ? `it is ${OptionConfig.prefix}<COMPONENT>_<OPTION>` : `did you mean ${near}?`
    return `names no option of this configuration: ${hint}`
  }
  if (other !== undefined) return `can mean ${pathOf(target)} and ${pathOf(other)}: rename one of the two components`
  return target.isList ? "is a list: set it in the configuration file" : undefined
}

/** The options of a component that couldn't be read aren't known. */
const isOfUnreadable = (document: Document, name: string): boolean =>
  [...document.unreadable].some((each) => name.startsWith(OptionConfig.variable(each, "")))

/**
 * The document, overridden by environment variables. An empty variable counts as not set. Only variables with the prefix
 * count, and each of them must name an option.
 */
export const environment = (document: Document, env: Readonly<Record<string, string>>, report: Report): Document => {
  const targets = targetsOf(document)
  let shutdownTimeout = document.shutdownTimeout
  for (const [name, value] of Object.entries(env).sort(([left], [right]) => Str.Order(left, right))) {
    if (!name.startsWith(OptionConfig.prefix) || value === "" || otherVariables.has(name)) continue
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

/** A command-line flag and its value. It sets an option of each component whose kind defines the flag. */
export interface Override {
  /** The flag without dashes: "data", "maxBatchSize". */
  readonly flag: string
  readonly value: unknown
}

/** The spelling of "maxBatchSize" on the command line: "--max-batch-size". */
const spelled = (flag: string): string => `--${flag.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`

/** Applies the command line. A flag that sets no component is a problem. */
export const commandLine = (document: Document, kinds: Kinds, given: ReadonlyArray<Override>, report: Report): void => {
  for (const { flag, value } of given) {
    const source = `command line ${spelled(flag)}`
    let found = false
    for (const draft of components(document)) {
      const option = draft.kind.flags.get(flag)
      if (option === undefined) continue
      found = true
      setOption(draft, option, { value, source, path: pathOf({ draft, option }) }, report)
    }
    if (found || document.unreadable.size > 0) continue
    const meant = [...kinds.resources, ...kinds.services].filter((kind) => kind.flags.has(flag))
    const options = new Set(meant.map((kind) => `\`${kind.flags.get(flag)}\``))
    const names = meant.map(({ name }) => name).join(" or ")
    const message = `sets ${[...options].join(" or ")}, but there is no ${names} in this configuration`
    report({ path: spelled(flag), found: describe(value), message, source })
  }
}
