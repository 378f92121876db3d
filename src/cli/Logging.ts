/**
 * Writes log lines to standard error, so that standard output holds only results. The default format is pretty on a
 * terminal and logfmt elsewhere. JSON is available.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Struct from "effect/Struct"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Progress from "./Progress.ts"

const formats = ["pretty", "logfmt", "json"] as const

const levels = {
  all: "All",
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  warning: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
} as const

/** An environment variable has a value that its flag doesn't allow. */
export class InvalidVariable extends Schema.TaggedError<InvalidVariable>()("InvalidVariable", {
  variable: Schema.String,
  value: Schema.String,
  allowed: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.variable} is "${this.value}"; allowed values: ${this.allowed.join(", ")}`
  }
}

/** The value of an environment variable in lower case. None when it isn't set. */
const fromVariable = <A extends string>(variable: string, allowed: ReadonlyArray<A>) =>
  Effect.gen(function* () {
    const set = yield* Config.option(Config.String(variable))
    if (Option.isNone(set)) return Option.none<A>()
    const value = allowed.find((one) => one === set.value.toLowerCase())
    if (value === undefined) return yield* new InvalidVariable({ variable, value: set.value, allowed })
    return Option.some(value)
  })

/** `--log-format`. */
export const formatFlag = Flag.Literals("log-format", formats).pipe(
  Flag.withDescription("pretty, logfmt or json; by default pretty on a terminal and logfmt elsewhere"),
  Flag.optional
)

/** Clears the progress line of a terminal before it writes a log line. */
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

const levelNames = Struct.keys(levels)

/**
 * The logging of a command, by default from `level` on. `--log-format` and `--log-level` win over `TICKVAULT_LOG_FORMAT`
 * and `TICKVAULT_LOG_LEVEL`.
 */
export const layer = (chosen: Option.Option<(typeof formats)[number]>, level: "Info" | "Warn" = "Info") =>
  Layer.unwrap(
    Effect.gen(function* () {
      const terminal = yield* (yield* Stdio.Stdio).stderrIsTerminal
      const formatVariable = yield* fromVariable("TICKVAULT_LOG_FORMAT", formats)
      const levelVariable = yield* fromVariable("TICKVAULT_LOG_LEVEL", levelNames)
      const wanted = Option.orElse(chosen, () => formatVariable)
      const format = Option.getOrElse(wanted, () => (terminal ? "pretty" : "logfmt"))
      const wantedLevel = Option.orElse(yield* GlobalFlag.LogLevel, () =>
        Option.map(levelVariable, (name) => levels[name])
      )
      return Layer.mergeAll(
        Logger.layer([loggerOf(format, terminal)]),
        Layer.succeed(Logger.LogToStderr, true),
        Layer.succeed(
          References.MinimumLogLevel,
          Option.getOrElse(wantedLevel, () => level)
        ),
        Layer.succeed(Progress.Style, terminal && format === "pretty" ? "line" : "log")
      )
    })
  )
