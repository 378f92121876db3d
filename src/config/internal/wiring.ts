/**
 * Checks that every reference from a service leads to a resource of the right role, and is written with the right
 * usage.
 */
import type { Report } from "../ConfigError.ts"
import type { Port, ServiceKind } from "../Kind.ts"
import { didYouMean, nearest } from "../Suggestion.ts"
import type { Document, Draft, Setting } from "./document.ts"
import * as Folders from "./folders.ts"
import { describe } from "../../domain/ValueText.ts"

/** For each service, the resource of each of its ports. */
export type Wiring = ReadonlyMap<string, ReadonlyMap<string, string>>

const written = (port: Port, name: string): string => (port.usage === undefined ? name : `${port.usage}:${name}`)

const fitting = (document: Document, port: Port): ReadonlyArray<string> =>
  document.resources.filter((draft) => draft.kind.role === port.role).map((draft) => draft.name)

/** A hint at the valid values. */
const hint = (document: Document, port: Port): string => {
  const names = fitting(document, port)
  if (names.length === 0) return `must name a ${port.role}, but none is configured`
  return `must be ${names.map((name) => `"${written(port, name)}"`).join(" or ")}`
}

const resolveReference = (document: Document, port: Port, setting: Setting, report: Report): string | undefined => {
  const refuse = (message: string): undefined =>
    report({ path: setting.path, found: describe(setting.value), message, source: setting.source }) ?? undefined
  if (typeof setting.value !== "string") return refuse(hint(document, port))
  const colon = setting.value.indexOf(":")
  const usage = colon === -1 ? undefined : setting.value.slice(0, colon)
  const name = setting.value.slice(colon + 1)
  if (document.unreadable.has(name)) return undefined
  const resource = document.resources.find((draft) => draft.name === name)
  if (resource === undefined) {
    const near = nearest(name, fitting(document, port))
    const meant = near === undefined ? hint(document, port) : `did you mean "${written(port, near)}"?`
    return refuse(`there is no resource \`${name}\`: ${meant}`)
  }
  if (resource.kind.role !== port.role) {
    return refuse(`\`${name}\` is a ${resource.kind.role}, not a ${port.role}: ${hint(document, port)}`)
  }
  if (usage !== port.usage) return refuse(`must be "${written(port, name)}"`)
  return name
}

const connect = (document: Document, draft: Draft<ServiceKind>, report: Report): Map<string, string> => {
  const connected = new Map<string, string>()
  const known = [...draft.kind.ports.keys()]
  for (const [key, setting] of draft.ports) {
    const port = draft.kind.ports.get(key)
    if (port === undefined) {
      const message = `unknown resource \`${key}\`: ${didYouMean(key, known, "none is known here")}`
      report({ path: setting.path, found: "", message, source: setting.source })
      continue
    }
    const name = resolveReference(document, port, setting, report)
    if (name !== undefined) connected.set(key, name)
  }
  for (const [key, port] of draft.kind.ports) {
    if (!port.required || draft.ports.has(key)) continue
    const path = `${draft.path}.resources.${key}`
    report({ path, found: "nothing", message: `is required: ${hint(document, port)}`, source: document.source })
  }
  return connected
}

/** The resources of the ports of `draft` that are `wanted`. */
const connectedTo = (draft: Draft<ServiceKind>, wiring: Wiring, wanted: (port: Port) => boolean) =>
  [...draft.kind.ports].flatMap(([key, port]) => (wanted(port) ? (wiring.get(draft.name)?.get(key) ?? []) : []))

const takesTicks = ({ role, usage }: Port): boolean => role === "queue" && usage === "queue-in"

/** The storages of the services that take from `queue`. */
const storagesOf = (document: Document, wiring: Wiring, queue: string | undefined): ReadonlySet<string> => {
  const consumers = document.services.filter((draft) =>
    connectedTo(draft, wiring, takesTicks).some((name) => name === queue)
  )
  return new Set(consumers.flatMap((draft) => connectedTo(draft, wiring, ({ role }) => role === "storage")))
}

/** Connects each unset port that follows ticks to the storage of those ticks. */
const followTicks = (document: Document, wiring: ReadonlyMap<string, Map<string, string>>, report: Report): void => {
  for (const draft of document.services) {
    for (const [key, port] of draft.kind.ports) {
      if (port.followsTicks === undefined || draft.ports.has(key)) continue
      const connected = wiring.get(draft.name)
      const storages = storagesOf(document, wiring, connected?.get(port.followsTicks.of))
      const [first] = storages
      if (storages.size > 1) {
        const choices = [...storages].map((name) => `"${written(port, name)}"`).join(" or ")
        const message = `${port.followsTicks.ask}, ${choices}`
        report({ path: `${draft.path}.resources.${key}`, found: "nothing", message, source: document.source })
      } else if (first !== undefined) connected?.set(key, first)
    }
  }
}

/** Follows all references. Reports wrong references and leaves them out. */
export const check = (document: Document, report: Report): Wiring => {
  const wiring = new Map(document.services.map((draft) => [draft.name, connect(document, draft, report)]))
  followTicks(document, wiring, report)
  Folders.checkSeparate(document, report)
  if (document.services.length === 0 && document.unreadable.size === 0) {
    const message = "there is nothing to run: name at least one service"
    report({ path: "pipeline.services", found: "", message, source: document.source })
  }
  const resources = new Set(document.resources.map((draft) => draft.name))
  for (const draft of document.services.filter((each) => resources.has(each.name))) {
    const message = "is the name of a resource too: names are unique, because variables are made of them"
    report({ path: draft.path, found: describe(draft.name), message, source: document.source })
  }
  return wiring
}
