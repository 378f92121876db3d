/**
 * The one configuration of a pipeline: which resources and services there are, how they connect, and all their options.
 *
 * Sources, later over earlier: the embedded pipeline or else the file (which replaces it as a whole), environment
 * variables, the command line. `resolve` is pure: its caller reads the file (`ConfigFile`), the environment and the flags.
 * All problems are reported at once, each with its path, what was found and what is allowed. A configuration that resolves
 * can be built.
 *
 * It knows the kinds that it is given, and starts nothing; that is the `ServiceManager`'s job.
 *
 * ```ts
 * import { ConfigFile, Kinds, PipelineConfig } from "tickvault"
 * import * as Effect from "effect/Effect"
 *
 * export const config = Effect.gen(function* () {
 *   const pipeline = yield* ConfigFile.read("pipeline.conf")
 *   const env = yield* PipelineConfig.environment
 *   const overrides = PipelineConfig.overrides({ data: "/srv/runs" })
 *   const { config } = yield* Effect.fromResult(PipelineConfig.resolve({ kinds: Kinds.all, pipeline, env, overrides }))
 *   return config
 * })
 * ```
 */
import * as Arr from "effect/Array"
import * as Result from "effect/Result"
import { ConfigError, type Problem } from "./ConfigError.ts"
import type { Note, PipelineConfig } from "./Configured.ts"
import * as Decode from "./internal/decode.ts"
import * as Document from "./internal/document.ts"
import * as Folders from "./internal/folders.ts"
import { notes } from "./internal/notes.ts"
import * as Overrides from "./internal/overrides.ts"
import { type ResolvedValue, values } from "./internal/values.ts"
import * as Wiring from "./internal/wiring.ts"
import type { Kinds } from "./Kind.ts"

export type { Note, PipelineConfig } from "./Configured.ts"
export { environment } from "./internal/environment.ts"
export type { Override } from "./internal/overrides.ts"
export type { ResolvedValue } from "./internal/values.ts"

/** A configuration with the source of each of its values. */
export interface Resolved {
  readonly config: PipelineConfig
  readonly values: ReadonlyArray<ResolvedValue>
  readonly notes: ReadonlyArray<Note>
}

/** What a configuration is made of. */
export interface Sources {
  /** The kinds that it may name: `Kinds.all`, and those of your own. */
  readonly kinds: Kinds
  /** The pipeline: what `ConfigFile.read` gives, or without a name `EmbeddedPipeline.document`. */
  readonly pipeline: { readonly name?: string; readonly value: unknown }
  /** Environment variables, as `environment` finds them. Only those that begin with `TICKVAULT_` are looked at. */
  readonly env: Readonly<Record<string, string>>
  readonly overrides: ReadonlyArray<Overrides.Override>
}

/** The configuration that the sources make together, or all that is wrong with it. */
export const resolve = (sources: Sources): Result.Result<Resolved, ConfigError> => {
  const problems: Array<Problem> = []
  const report = (problem: Problem) => void problems.push(problem)
  const { kinds, pipeline } = sources
  const source = pipeline.name === undefined ? "default" : `file ${pipeline.name}`

  const read = Document.read(kinds, pipeline.value, source, report)
  const document = Overrides.environment(read, sources.env, report)
  Overrides.commandLine(document, kinds, sources.overrides, report)
  Folders.setDefaults(document)

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
        values: values(document, wiring, config),
        notes: notes(document, wiring, config)
      })
}

/**
 * The overrides that flags of the command line mean, by their names without dashes: `{ data: "./runs", maxBatchSize: 500 }`.
 * Those that are `undefined` were not given. Each kind says which of its options a flag sets.
 */
export const overrides = (flags: Readonly<Record<string, unknown>>): ReadonlyArray<Overrides.Override> =>
  Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [{ flag, value }]))
