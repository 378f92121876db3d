/** What is wrong with a configuration: every problem at once, each with its place, what was found and what is allowed. */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as RunId from "../../domain/RunId.ts"

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

/** Takes note of a problem; the rest of the configuration is still read. */
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

const units = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000]
] as const

/** A duration in its largest whole unit, in the words that a configuration takes: "5 seconds", "1500 millis". */
export const duration = (value: Duration.Duration): string => {
  const millis = Duration.toMillis(value)
  for (const [unit, size] of units) {
    if (millis >= size && millis % size === 0) return `${millis / size} ${unit}${millis === size ? "" : "s"}`
  }
  return `${millis} millis`
}

const isPlain = (text: string): boolean => text !== "" && text === text.trim() && /^[^\p{Cc}]{1,4096}$/u.test(text)

/** A resolved value, as `show` prints it. */
export const display = (value: unknown): string => {
  if (value === undefined) return "not set"
  if (Duration.isDuration(value)) return duration(value)
  if (Array.isArray(value)) return `[${value.map(display).join(", ")}]`
  return typeof value === "string" && isPlain(value) ? value : describe(value)
}

/** A raw value, as a problem names it: quoted text, cut to a readable length; a section by its kind. */
export const describe = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return RunId.quote(value)
    case "number":
    case "boolean":
    case "bigint":
      return String(value)
    case "undefined":
      return "nothing"
    default:
      if (value === null) return "null"
      if (!Array.isArray(value)) return "a section"
      return value.length > 8 ? `a list of ${value.length}` : `[${value.map(describe).join(", ")}]`
  }
}
