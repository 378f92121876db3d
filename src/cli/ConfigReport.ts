/** What `tickvault config` prints about a resolved configuration. */
import type { Resolved } from "../config/PipelineConfig.ts"
import * as Format from "./Format.ts"

const padded = (cells: ReadonlyArray<string>): ((cell: string) => string) => {
  const width = Math.max(0, ...cells.map((cell) => cell.length))
  return (cell) => cell.padEnd(width)
}

/** Every value with its source, in aligned columns: path, value, source. */
export const show = ({ values }: Resolved): string => {
  const path = padded(values.map((each) => each.path))
  const value = padded(values.map((each) => each.value))
  return values.map((each) => `${path(each.path)}  ${value(each.value)}  ${each.source}`).join("\n")
}

/** One line that the configuration is good, one that lists what it starts, and one for each note. */
export const check = ({ config, notes }: Resolved): string => {
  const resources = Format.plural(Object.keys(config.resources).length, "resource")
  const services = Format.plural(Object.keys(config.services).length, "service")
  const starts = config.startupSequence.length === 0 ? "nothing" : config.startupSequence.join(", ")
  const path = padded(notes.map((note) => note.path))
  return [
    `configuration is good: ${resources}, ${services}`,
    `starts: ${starts}`,
    ...notes.map((note) => `note: ${path(note.path)}  ${note.message}`)
  ].join("\n")
}
