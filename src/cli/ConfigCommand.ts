/**
 * `tickvault config`: checks a configuration, and shows each value with its source.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as EmbeddedPipeline from "../kinds/EmbeddedPipeline.ts"
import * as ConfigReport from "./ConfigReport.ts"
import * as options from "./options.ts"
import * as Session from "./Session.ts"

const check = Command.make("check", { file: Argument.String("file") }, ({ file }) =>
  Effect.gen(function* () {
    const resolved = yield* options.resolve({ ...options.none, config: Option.some(file) }, EmbeddedPipeline.run)
    yield* Session.print(ConfigReport.check(resolved))
  })
).pipe(Command.withDescription("Check a configuration file; every problem is named with its path. Exit code 1 if any."))

const { json: _json, logFormat: _logFormat, ...configuring } = options.shared

const show = Command.make("show", { ...configuring, ticks: options.ticks, seed: options.seed }, (flags) =>
  Effect.gen(function* () {
    yield* Session.print(ConfigReport.show(yield* options.resolve(flags, EmbeddedPipeline.run)))
  })
).pipe(Command.withDescription("Show the resolved configuration: each value and where it came from."))

export const config = Command.make("config").pipe(
  Command.withDescription("Check or show configuration"),
  Command.withSubcommands([check, show])
)
