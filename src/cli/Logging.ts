/**
 * Log lines go to standard error, so that standard output holds results only: pretty on a terminal, one line each as
 * logfmt elsewhere, JSON when asked for.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Stdio from "effect/Stdio"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Progress from "./Progress.ts"

const formats = ["pretty", "logfmt", "json"] as const

/** `--log-format`, or `TICKVAULT_LOG_FORMAT`. */
export const formatFlag = Flag.Literals("log-format", formats).pipe(
  Flag.withFallbackConfig(Config.Literals(formats, "TICKVAULT_LOG_FORMAT")),
  Flag.withDescription("pretty, logfmt or json; by default pretty on a terminal and logfmt elsewhere"),
  Flag.optional
)

/** On a terminal a log line may come while the line that shows progress is there: that one goes first. */
const prettyOnTerminal = () => {
  const pretty = Logger.consolePrettyTty({ colors: true })
  return Logger.make((entry) => {
    process.stderr.write(Progress.clearLine)
    pretty.log(entry)
  })
}

const loggerOf = (format: (typeof formats)[number], terminal: boolean) => {
  if (format === "pretty") return terminal ? prettyOnTerminal() : Logger.consolePrettyTty({ colors: false })
  return Logger.withConsoleError(format === "json" ? Logger.formatJson : Logger.formatLogFmt)
}

/** The logging of a command. `--log-level` wins over `TICKVAULT_LOG_LEVEL`; the default is Info. */
export const layer = (chosen: Option.Option<(typeof formats)[number]>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const terminal = yield* (yield* Stdio.Stdio).stderrIsTerminal
      const format = Option.getOrElse(chosen, () => (terminal ? "pretty" : "logfmt"))
      const variable = yield* Config.option(Config.LogLevel("TICKVAULT_LOG_LEVEL"))
      const level = Option.orElse(yield* GlobalFlag.LogLevel, () => variable)
      return Layer.mergeAll(
        Logger.layer([loggerOf(format, terminal)]),
        Layer.succeed(Logger.LogToStderr, true),
        Layer.succeed(
          References.MinimumLogLevel,
          Option.getOrElse(level, () => "Info" as const)
        ),
        Layer.succeed(Progress.Style, terminal && format === "pretty" ? "line" : "log")
      )
    })
  )
