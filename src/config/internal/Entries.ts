/** Every value of a resolved configuration with who set it, and what a reader of it should know. */
import * as Duration from "effect/Duration"
import type { RecoveryServiceService, Resource, Service } from "./Component.ts"
import type { Document, Draft } from "./Document.ts"
import type { Kind, ServiceKind } from "./Kind.ts"
import { display } from "./Problem.ts"
import type { Wiring } from "./Wiring.ts"

/** One resolved value. */
export interface Entry {
  readonly path: string
  readonly value: string
  /** "default", "file NAME", "environment NAME" or "command line --flag". */
  readonly source: string
}

/** Something that is allowed and that whoever runs the pipeline should know. */
export interface Note {
  readonly path: string
  readonly message: string
}

/** What `entries` and `notes` tell about. */
export interface Decoded {
  readonly shutdownTimeout: Duration.Duration
  readonly resources: Readonly<Record<string, Resource>>
  readonly services: Readonly<Record<string, Service>>
  readonly startupSequence: ReadonlyArray<string>
}

const optionEntries = (draft: Draft<Kind>, options: Readonly<Record<string, unknown>>): ReadonlyArray<Entry> => [
  ...[...draft.kind.forms.keys()].map((option) => ({
    path: `${draft.path}.options.${option}`,
    value: display(options[option]),
    source: draft.options.get(option)?.source ?? "default"
  })),
  ...draft.ignored.map(({ path, source, value }) => ({ path, value: display(value), source }))
]

const optionsOf = (component: Resource | Service | undefined): Readonly<Record<string, unknown>> =>
  component === undefined ? {} : { ...component.options, ...("world" in component ? component.world : {}) }

const classEntry = (draft: Draft<Kind>): Entry => ({
  path: draft.className.path,
  value: display(draft.className.value),
  source: draft.className.source
})

const portEntries = (draft: Draft<ServiceKind>, wiring: Wiring): ReadonlyArray<Entry> =>
  [...draft.kind.ports].map(([key, port]) => {
    const name = wiring.get(draft.name)?.get(key)
    return {
      path: `${draft.path}.resources.${key}`,
      value: name === undefined ? display(undefined) : `${port.usage === undefined ? "" : `${port.usage}:`}${name}`,
      source: draft.ports.get(key)?.source ?? "default"
    }
  })

/** All values in the order of the configuration; within a component in the order of its options. */
export const entries = (document: Document, wiring: Wiring, decoded: Decoded): ReadonlyArray<Entry> => {
  return [
    {
      path: "pipeline.shutdownTimeout",
      value: display(decoded.shutdownTimeout),
      source: document.shutdownTimeout?.source ?? "default"
    },
    {
      path: "pipeline.startupSequence",
      value: display(decoded.startupSequence),
      source: document.startupSequence?.source ?? "default"
    },
    ...document.resources.flatMap((draft) => [
      classEntry(draft),
      ...optionEntries(draft, optionsOf(decoded.resources[draft.name]))
    ]),
    ...document.services.flatMap((draft) => [
      classEntry(draft),
      ...portEntries(draft, wiring),
      ...optionEntries(draft, optionsOf(decoded.services[draft.name]))
    ])
  ]
}

const lossyDeadLetters: ReadonlyMap<string, string> = new Map([
  ["InMemoryDeadLetterQueue", "letters are kept in memory: they are gone when the process ends"],
  ["DiscardDeadLetterQueue", "letters are thrown away: A BATCH THAT CAN'T BE STORED IS LOST"]
])

const resourceNotes = (document: Document, wiring: Wiring): ReadonlyArray<Note> => {
  const used = new Set([...wiring.values()].flatMap((connected) => [...connected.values()]))
  return document.resources.flatMap((draft) => {
    const notes: Array<Note> = draft.ignored.map(({ path, reason }) => ({ path, message: reason }))
    const lossy = lossyDeadLetters.get(draft.kind.tag)
    if (lossy !== undefined) notes.push({ path: draft.path, message: lossy })
    if (draft.kind.tag === "InMemoryStorage") {
      notes.push({ path: draft.path, message: "ticks are kept in memory: they are gone when the process ends" })
    }
    if (!used.has(draft.name)) notes.push({ path: draft.path, message: "no service uses it" })
    return notes
  })
}

/** Letters are replayed into the storage that their batches were meant for, unless somebody has other plans. */
const recoveryNotes = (services: ReadonlyArray<Service>, { name, resources }: RecoveryServiceService) => {
  const path = `pipeline.services.${name}.resources`
  const writers = services.flatMap((each) =>
    each._tag === "PersistenceService" && each.resources.dlq === resources.dlq ? [each.resources.storage] : []
  )
  if (writers.length === 0) return [{ path: `${path}.dlq`, message: "no persistence service sends letters to it" }]
  if (writers.includes(resources.storage)) return []
  const message = `batches of these letters were meant for ${[...new Set(writers)].join(" and ")}: they are stored here`
  return [{ path: `${path}.storage`, message }]
}

const serviceNotes = (decoded: Decoded): ReadonlyArray<Note> => {
  const { shutdownTimeout } = decoded
  const services = Object.values(decoded.services)
  const drained = new Set(
    services.flatMap((each) => (each._tag === "PersistenceService" ? [each.resources.input] : []))
  )
  return services.flatMap((service) => {
    const path = `pipeline.services.${service.name}`
    const notes: Array<Note> = []
    if (!decoded.startupSequence.includes(service.name)) {
      notes.push({ path, message: "is not in startupSequence: it is not started by itself" })
    }
    if (service._tag === "PersistenceService" && service.resources.dlq === undefined) {
      const message = "has no dead-letter queue: A BATCH THAT CAN'T BE STORED IS LOST"
      notes.push({ path: `${path}.resources.dlq`, message })
    }
    if (
      service._tag === "PersistenceService" &&
      Duration.isGreaterThan(service.options.shutdownTimeout, shutdownTimeout)
    ) {
      const message = `is cut short by the pipeline's own shutdownTimeout of ${display(shutdownTimeout)}`
      notes.push({ path: `${path}.options.shutdownTimeout`, message })
    }
    if (service._tag === "SimulationEngine" && !drained.has(service.resources.tickData)) {
      const message = `no persistence service takes from ${service.resources.tickData}: the engine waits when it is full`
      notes.push({ path: `${path}.resources.tickData`, message })
    }
    if (service._tag === "RecoveryService") notes.push(...recoveryNotes(services, service))
    return notes
  })
}

/** What is allowed and worth knowing, in the order of the configuration. */
export const notes = (document: Document, wiring: Wiring, decoded: Decoded): ReadonlyArray<Note> => [
  ...document.unread.map((key) => ({ path: key, message: "lies beside `pipeline`: it is not read" })),
  ...resourceNotes(document, wiring),
  ...serviceNotes(decoded)
]
