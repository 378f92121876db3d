/**
 * The one configuration of a pipeline: which resources and services there are, how they connect, and all their options.
 *
 * Sources, later over earlier: the embedded pipeline or else the file (which replaces it as a whole), environment
 * variables, the command line. `resolve` is pure; whoever calls it has read the file (`ConfigFile`), the environment and
 * the flags. All problems are reported at once, each with its path, what was found and what is allowed: a configuration
 * that resolves can be built.
 *
 * Names no service and starts nothing; that is the `ServiceManager`'s.
 */
import type * as Duration from "effect/Duration"
import * as Arr from "effect/Array"
import * as Result from "effect/Result"
import type { Resource, Service } from "./internal/Component.ts"
import * as Decode from "./internal/Decode.ts"
import * as Defaults from "./internal/Defaults.ts"
import * as Document from "./internal/Document.ts"
import * as Entries from "./internal/Entries.ts"
import * as Layers from "./internal/Layers.ts"
import { ConfigError, type Problem } from "./internal/Problem.ts"
import * as Wiring from "./internal/Wiring.ts"

export type * from "./internal/Component.ts"
export { environment } from "./internal/Environment.ts"
export type { Entry, Note } from "./internal/Entries.ts"
export type { Override } from "./internal/Layers.ts"
export { ConfigError, type Problem } from "./internal/Problem.ts"

/** A pipeline ready to be built. Every name that a service refers to is a key of `resources`. */
export interface PipelineConfig {
  /** The whole pipeline's time to end in good order. */
  readonly shutdownTimeout: Duration.Duration
  readonly resources: Readonly<Record<string, Resource>>
  readonly services: Readonly<Record<string, Service>>
  /** Services to start, in order; those not named here are started by hand. */
  readonly startupSequence: ReadonlyArray<string>
}

/** A configuration with the origin of each of its values. */
export interface Resolved {
  readonly config: PipelineConfig
  readonly entries: ReadonlyArray<Entries.Entry>
  readonly notes: ReadonlyArray<Entries.Note>
}

/** What a configuration is made of. */
export interface Sources {
  /** The content of a configuration file, as `ConfigFile.read` gives it. Absent: the embedded pipeline. */
  readonly file?: { readonly name: string; readonly value: unknown } | undefined
  /** What the pipeline without a file consists of. Absent: a simulation and two persistence services. */
  readonly embedded?: Defaults.Embedded | undefined
  /** Environment variables, as `environment` finds them. Only those that begin with `TICKVAULT_` are looked at. */
  readonly env: Readonly<Record<string, string>>
  readonly overrides: ReadonlyArray<Layers.Override>
}

/** The configuration that the sources make together, or all that is wrong with it. */
export const resolve = (sources: Sources): Result.Result<Resolved, ConfigError> => {
  const problems: Array<Problem> = []
  const report = (problem: Problem) => void problems.push(problem)
  const source = sources.file === undefined ? "default" : `file ${sources.file.name}`
  const value = sources.file === undefined ? Defaults.document(sources.embedded ?? Defaults.run) : sources.file.value

  const document = Layers.environment(Document.read(value, source, report), sources.env, report)
  Layers.overrides(document, sources.overrides, report)
  Layers.placeDeadLetters(document)

  const wiring = Wiring.check(document, report)
  const config: PipelineConfig = {
    shutdownTimeout: Decode.shutdownTimeout(document.shutdownTimeout, report),
    resources: Decode.resources(document, report),
    services: Decode.services(document, wiring, report),
    startupSequence: Decode.startupSequence(document, report)
  }
  return Arr.isArrayNonEmpty(problems)
    ? Result.fail(new ConfigError({ source, problems }))
    : Result.succeed({
        config,
        entries: Entries.entries(document, wiring, config),
        notes: Entries.notes(document, wiring, config)
      })
}

/**
 * The overrides that the flags of `tickvault run` mean: `data` is the directory of every file storage (dead letters
 * follow it unless they have a directory of their own), `ticks` and `seed` are of every simulation engine.
 */
export const overrides = (flags: {
  readonly data?: string | undefined
  readonly ticks?: number | undefined
  readonly seed?: number | undefined
}): ReadonlyArray<Layers.Override> => {
  const engine = { every: "SimulationEngine" } as const
  const all: ReadonlyArray<Layers.Override> = [
    { component: { every: "FileStorage" }, option: "rootDirectory", value: flags.data, flag: "--data" },
    { component: engine, option: "maxTicks", value: flags.ticks, flag: "--ticks" },
    { component: engine, option: "seed", value: flags.seed, flag: "--seed" }
  ]
  return all.filter(({ value }) => value !== undefined)
}

const padded = (cells: ReadonlyArray<string>): ((cell: string) => string) => {
  const width = Math.max(0, ...cells.map((cell) => cell.length))
  return (cell) => cell.padEnd(width)
}

/** Every value with its origin, in aligned columns: path, value, source. */
export const show = ({ entries }: Resolved): string => {
  const path = padded(entries.map((entry) => entry.path))
  const value = padded(entries.map((entry) => entry.value))
  return entries.map((entry) => `${path(entry.path)}  ${value(entry.value)}  ${entry.source}`).join("\n")
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/** That the configuration is good, what it starts, and a line for each note. */
export const check = ({ config, notes }: Resolved): string => {
  const resources = counted(Object.keys(config.resources).length, "resource")
  const services = counted(Object.keys(config.services).length, "service")
  const starts = config.startupSequence.length === 0 ? "nothing" : config.startupSequence.join(", ")
  const path = padded(notes.map((note) => note.path))
  return [
    `configuration is good: ${resources}, ${services}`,
    `starts: ${starts}`,
    ...notes.map((note) => `note: ${path(note.path)}  ${note.message}`)
  ].join("\n")
}
