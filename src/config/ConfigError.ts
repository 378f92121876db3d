/**
 * What is wrong with a configuration: all problems at once, each with its path, what was found and what is allowed.
 *
 * ```ts
 * import type { ConfigError } from "tickvault"
 *
 * export const paths = ({ problems }: ConfigError.ConfigError) => problems.map(({ path }) => path)
 * ```
 */
import * as Schema from "effect/Schema"

export const Problem = Schema.Struct({
  /** Where, such as "pipeline.services.persistence-1.options.maxBatchSize". */
  path: Schema.String,
  /** The value as it may be shown; empty when the problem isn't a value's. */
  found: Schema.String,
  /** What is allowed there, or what to do about it. */
  message: Schema.String,
  /** Who set it: "file NAME", "environment NAME", "command line --flag" or "default". */
  source: Schema.String
})

export type Problem = typeof Problem.Type

/** Collects a problem; the rest of the configuration is still read. */
export type Report = (problem: Problem) => void

const line = (problem: Problem, fileSource: string): string => {
  const found = problem.found === "" ? "" : `found ${problem.found}, `
  const source = problem.source === fileSource || problem.source.endsWith(problem.path) ? "" : ` (${problem.source})`
  return `  ${problem.path}: ${found}${problem.message}${source}`
}

/** The configuration can't be used. `message` has one line for each problem. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  /** Where the pipeline was described: "file NAME", or "default" for the embedded one. */
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
