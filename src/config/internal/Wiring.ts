/** Checks that every reference from a service to a resource leads to one of the right kind, by the right name. */
import type { Document, Draft, Setting } from "./Document.ts"
import type { Port, ServiceKind } from "./Kind.ts"
import { rootOf } from "./Layers.ts"
import { describe, type Report } from "./Problem.ts"
import { didYouMean, nearest } from "../Suggestion.ts"

/** For each service the resource that each of its ports leads to. */
export type Wiring = ReadonlyMap<string, ReadonlyMap<string, string>>

const written = (port: Port, name: string): string => (port.usage === undefined ? name : `${port.usage}:${name}`)

const fitting = (document: Document, port: Port): ReadonlyArray<string> =>
  document.resources.filter((draft) => draft.kind.group === port.group).map((draft) => draft.name)

/** What would have been right, naming what there is. */
const hint = (document: Document, port: Port): string => {
  const names = fitting(document, port)
  if (names.length === 0) return `must name a ${port.group}, and none is configured`
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
  if (resource.kind.group !== port.group) {
    return refuse(`\`${name}\` is a ${resource.kind.group}, not a ${port.group}: ${hint(document, port)}`)
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

const storagesOf = (document: Document, wiring: Wiring, queue: string | undefined): ReadonlySet<string> => {
  const consumers = document.services.filter(
    (draft) => draft.kind.tag === "PersistenceService" && wiring.get(draft.name)?.get("input") === queue
  )
  return new Set(consumers.flatMap((draft) => wiring.get(draft.name)?.get("storage") ?? []))
}

/** An engine without a storage of its own puts its metadata where its ticks are stored. */
const followTicks = (document: Document, wiring: ReadonlyMap<string, Map<string, string>>, report: Report): void => {
  for (const draft of document.services) {
    if (draft.kind.tag !== "SimulationEngine" || draft.ports.has("storage")) continue
    const connected = wiring.get(draft.name)
    const storages = storagesOf(document, wiring, connected?.get("tickData"))
    const [first] = storages
    if (storages.size > 1) {
      const choices = [...storages].map((name) => `"storage-write:${name}"`).join(" or ")
      const message = `its ticks are stored in several places: say where the metadata goes, ${choices}`
      report({ path: `${draft.path}.resources.storage`, found: "nothing", message, source: document.source })
    } else if (first !== undefined) connected?.set("storage", first)
  }
}

const folder = (setting: Setting | undefined): string | undefined =>
  typeof setting?.value === "string" ? setting.value.replace(/^\.\//u, "").replace(/\/+$/u, "") : undefined

/** Dead letters need a directory of their own: two queues would count each other's letters, a storage take them for runs. */
const separateDirectories = (document: Document, report: Report): void => {
  const taken = new Map<string, string>()
  for (const draft of document.resources.filter((each) => each.kind.tag === "FileStorage")) {
    const root = folder(rootOf(draft))
    if (root !== undefined) taken.set(root, draft.name)
  }
  for (const draft of document.resources) {
    const setting = draft.options.get("directory")
    const directory = folder(setting)
    if (setting === undefined || directory === undefined) continue
    const owner = taken.get(directory)
    taken.set(directory, draft.name)
    if (owner === undefined) continue
    const message = `is the directory of \`${owner}\` too: dead letters need one of their own`
    report({ path: setting.path, found: describe(setting.value), message, source: setting.source })
  }
}

/** Follows all references. Those that lead nowhere are reported and left out. */
export const check = (document: Document, report: Report): Wiring => {
  const wiring = new Map(document.services.map((draft) => [draft.name, connect(document, draft, report)]))
  followTicks(document, wiring, report)
  separateDirectories(document, report)
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
