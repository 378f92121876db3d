/**
 * The configuration of a pipeline: its resources and services, their connections and all their options.
 *
 * The sources, where later ones win: the file, or the embedded pipeline when there is no file; environment variables; the
 * command line. `resolve` is pure: its caller reads the file (`ConfigFile`), the environment and the flags. It reports all
 * problems at once, each with its path, the value found and what is allowed. A configuration that resolves can be built.
 *
 * It knows only the kinds that it is given. It starts nothing: that is the job of `ServiceManager`.
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

/** The sources of a configuration. */
export interface Sources {
  /** The kinds that it may use: `Kinds.all`, and your own. */
  readonly kinds: Kinds
  /** The pipeline: from `ConfigFile.read`, or from `EmbeddedPipeline.document` without a name. */
  readonly pipeline: { readonly name?: string; readonly value: unknown }
  /** Environment variables, from `environment`. Only those that begin with `TICKVAULT_` count. */
  readonly env: Readonly<Record<string, string>>
  readonly overrides: ReadonlyArray<Overrides.Override>
}

/** The configuration that the sources make together, or all of its problems. */
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
 * The overrides for command-line flags, given by their names without dashes: `{ data: "./runs", maxBatchSize: 500 }`.
 * `undefined` flags are ignored. Each kind defines which of its options a flag sets.
 */
export const overrides = (flags: Readonly<Record<string, unknown>>): ReadonlyArray<Overrides.Override> =>
  Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [{ flag, value }]))
