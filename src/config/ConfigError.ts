/**
 * All problems of a configuration at once, each with its path, the value found and what is allowed.
 *
 * ```ts
 * import type { ConfigError } from "tickvault"
 *
 * export const paths = ({ problems }: ConfigError.ConfigError) => problems.map(({ path }) => path)
 * ```
 */
import * as Schema from "effect/Schema"

export const Problem = Schema.Struct({
  /** The path, such as "pipeline.services.persistence-1.options.maxBatchSize". */
  path: Schema.String,
  /** The value as text. Empty when the problem is not about a value. */
  found: Schema.String,
  /** What is allowed, or what to do about it. */
  message: Schema.String,
  /** The source: "file NAME", "environment NAME", "command line --flag" or "default". */
  source: Schema.String
})

export type Problem = typeof Problem.Type

/** Collects a problem. The rest of the configuration is still read. */
export type Report = (problem: Problem) => void

const line = (problem: Problem, fileSource: string): string => {
  const found = problem.found === "" ? "" : `found ${problem.found}, `
  const source = problem.source === fileSource || problem.source.endsWith(problem.path) ? "" : ` (${problem.source})`
  return `  ${problem.path}: ${found}${problem.message}${source}`
}

/** The configuration can't be used. `message` has one line for each problem. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  /** The source of the pipeline: "file NAME", or "default" for the embedded one. */
  source: Schema.String,
  problems: Schema.NonEmptyArray(Problem)
}) {
  override get message() {
    const count = this.problems.length === 1 ? "1 problem" : `${this.problems.length} problems`
    const where = this.source === "default" ? "" : ` (${this.source})`
    return [`${count} in the configuration${where}:`, ...this.problems.map((each) => line(each, this.source))].join(
      "\n"
    )
  }
}
