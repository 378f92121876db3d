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
import { Flag, GlobalFlag } from "effect/cli"

const formats = ["pretty", "logfmt", "json"] as const

/** `--log-format`, or `TICKVAULT_LOG_FORMAT`. */
export const formatFlag = Flag.Literals("log-format", formats).pipe(
  Flag.withFallbackConfig(Config.Literals(formats, "TICKVAULT_LOG_FORMAT")),
  Flag.withDescription("pretty, logfmt or json; by default pretty on a terminal and logfmt elsewhere"),
  Flag.optional
)

const loggerOf = (format: (typeof formats)[number]) =>
  format === "pretty"
    ? Logger.consolePretty()
    : Logger.withConsoleError(format === "json" ? Logger.formatJson : Logger.formatLogFmt)

/** The logging of a command. `--log-level` wins over `TICKVAULT_LOG_LEVEL`; the default is Info. */
export const layer = (format: Option.Option<(typeof formats)[number]>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const stdio = yield* Stdio.Stdio
      const fallback = (yield* stdio.stderrIsTerminal) ? "pretty" : "logfmt"
      const flag = yield* GlobalFlag.LogLevel
      const variable = yield* Config.option(Config.LogLevel("TICKVAULT_LOG_LEVEL"))
      const level = Option.getOrElse(
        Option.orElse(flag, () => variable),
        () => "Info" as const
      )
      return Layer.mergeAll(
        Logger.layer([loggerOf(Option.getOrElse(format, () => fallback))]),
        Layer.succeed(Logger.LogToStderr, true),
        Layer.succeed(References.MinimumLogLevel, level)
      )
    })
  )
