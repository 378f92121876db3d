/** Notes on things that are allowed in a configuration but worth knowing. */
import type { Note, PipelineConfig } from "../Configured.ts"
import type { Document } from "./document.ts"
import type { Wiring } from "./wiring.ts"

const resourceNotes = (document: Document, wiring: Wiring): ReadonlyArray<Note> => {
  const used = new Set([...wiring.values()].flatMap((connected) => [...connected.values()]))
  return document.resources.flatMap(({ ignored, kind, name, path }) => [
    ...ignored.map((setting) => ({ path: setting.path, message: setting.reason })),
    ...(kind.note === undefined ? [] : [{ path, message: kind.note }]),
    ...(used.has(name) ? [] : [{ path, message: "no service uses it" }])
  ])
}

const serviceNotes = (config: PipelineConfig): ReadonlyArray<Note> =>
  Object.values(config.services).flatMap((service) => {
    const path = `pipeline.services.${service.name}`
    const isStarted = config.startupSequence.includes(service.name)
    return [
      ...(isStarted ? [] : [{ path, message: "is not in startupSequence: it is not started automatically" }]),
      ...service.notes(config).map((note) => ({ path: `${path}.${note.path}`, message: note.message }))
    ]
  })

/** All notes, in the order of the configuration. */
export const notes = (document: Document, wiring: Wiring, config: PipelineConfig): ReadonlyArray<Note> => [
  ...document.unread.map((key) => ({ path: key, message: "is outside of `pipeline`: it is not read" })),
  ...resourceNotes(document, wiring),
  ...serviceNotes(config)
]
