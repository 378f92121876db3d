/**
 * `tickvault doctor`: checks whether the pipeline can work here, and says what to do about each problem.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as EmbeddedPipeline from "../kinds/EmbeddedPipeline.ts"
import * as PlannedSpace from "../pipeline/PlannedSpace.ts"
import * as StartupChecks from "../pipeline/StartupChecks.ts"
import type { Check, Verdict } from "../storage/FolderChecks.ts"
import { ExitCode, type ExitStatus } from "./ExitStatus.ts"
import * as Format from "./Format.ts"
import * as options from "./options.ts"
import * as Session from "./Session.ts"

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("print the checks as one line of JSON instead of words"),
  Flag.withDefault(false)
)

const Line = Schema.fromJsonString(
  Schema.Struct({
    verdict: Schema.Literals(["ok", "warning", "problem"]),
    checks: Schema.Array(
      Schema.Struct({
        resource: Schema.String,
        check: Schema.String,
        verdict: Schema.String,
        message: Schema.String,
        facts: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))
      })
    )
  })
)

const encodeLine = Schema.encodeSync(Line)

const count = (checks: ReadonlyArray<Check>, verdict: Verdict) =>
  checks.filter((check) => check.verdict === verdict).length

/** The worst verdict. */
const worst = (checks: ReadonlyArray<Check>): Verdict => {
  if (count(checks, "problem") > 0) return "problem"
  return count(checks, "warning") > 0 ? "warning" : "ok"
}

const asJson = (checks: ReadonlyArray<Check>): string =>
  encodeLine({
    verdict: worst(checks),
    checks: checks.map(({ subject, ...check }) => ({ ...check, check: subject }))
  })

const padder = (cells: ReadonlyArray<string>) => {
  const width = Math.max(...cells.map((cell) => cell.length))
  return (cell: string) => cell.padEnd(width)
}

/** One line a check, in aligned columns, and a summary. */
const asText = (checks: ReadonlyArray<Check>): string => {
  const resource = padder(checks.map((check) => check.resource))
  const subject = padder(checks.map((check) => check.subject))
  const verdict = padder(["warning", "problem"])
  const lines = checks.map((check) =>
    [verdict(check.verdict), resource(check.resource), subject(check.subject), check.message].join("  ")
  )
  const [problems, warnings] = [count(checks, "problem"), count(checks, "warning")]
  const sum =
    problems === 0 && warnings === 0
      ? "All is well."
      : `${Format.plural(problems, "problem")}, ${Format.plural(warnings, "warning")}.`
  return [...lines, sum].join("\n")
}

export const make = (status: ExitStatus) =>
  Command.make("doctor", { config: options.config, data: options.data, json }, (flags) =>
    Effect.gen(function* () {
      const { config } = yield* options.resolve({ ...options.none, ...flags }, EmbeddedPipeline.run)
      const checks = yield* StartupChecks.check(config, yield* PlannedSpace.ofEngines(config), "thorough")
      if (count(checks, "problem") > 0) status.code = ExitCode.failed
      yield* Session.print(flags.json ? asJson(checks) : asText(checks))
    })
  ).pipe(
    Command.withDescription(
      "Check that the pipeline can work here: folders, file system, free space, leftovers of crashes, clock. Creates no " +
        "folder and doesn't disturb a running pipeline. Exit code 1 if there is a problem."
    )
  )
