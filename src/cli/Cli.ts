/**
 * The command line: one command a file, run as the main fiber of the process.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Runtime from "effect/Runtime"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import { createRequire } from "node:module"
import * as CatCommand from "./CatCommand.ts"
import * as ConfigCommand from "./ConfigCommand.ts"
import * as DlqCommand from "./DlqCommand.ts"
import * as DoctorCommand from "./DoctorCommand.ts"
import { ExitCode, ExitStatus } from "./ExitStatus.ts"
import * as IngestCommand from "./IngestCommand.ts"
import * as InspectCommand from "./InspectCommand.ts"
import * as RunCommand from "./RunCommand.ts"
import * as VerifyCommand from "./VerifyCommand.ts"
import * as RunsCommand from "./RunsCommand.ts"
import * as Signals from "./Signals.ts"

// The package is two folders up, both in a checkout (src/cli) and as published (dist/bin).
const { version } = createRequire(import.meta.url)("../../package.json") as { readonly version: string }

/** The whole command line. `status` gets the exit code of the command that runs. */
export const make = (status: ExitStatus) =>
  Command.make("tickvault").pipe(
    Command.withDescription("Stores the ticks of simulations durably and accounts for every one of them."),
    Command.withSubcommands([
      RunCommand.make(status),
      IngestCommand.make(status),
      DlqCommand.make(status),
      DoctorCommand.make(status),
      VerifyCommand.make(status),
      RunsCommand.runs,
      InspectCommand.inspect,
      CatCommand.make(status),
      ConfigCommand.config
    ])
  )

/** One line for a failure with a message; all details for a bug. */
const describe = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return Cause.hasDies(cause) || !(error instanceof Error) || error.message === "" ? Cause.pretty(cause) : error.message
}

const report = (cause: Cause.Cause<unknown>) =>
  Effect.sync(() => {
    if (Cause.hasInterruptsOnly(cause) || CliError.isCliError(Cause.squash(cause))) return
    process.stderr.write(`tickvault: ${describe(cause)}\n`)
  })

/** When the reader has gone (`tickvault run | head -1`), the program goes on storing ticks. */
const tolerateClosedOutputs = (): void => {
  for (const output of [process.stdout, process.stderr]) output.on("error", () => undefined)
}

/** Runs the command that the arguments of the process name and ends the process with its exit code. */
export const main = (): void => {
  const status = new ExitStatus()
  // Ends the process at once. Node would remove the signal handlers first, and a signal before its end would replace the
  // exit code by death by signal.
  const teardown: Runtime.Teardown = (exit) =>
    process.exit(status.code ?? (Exit.isSuccess(exit) ? ExitCode.settled : (Signals.exitCode() ?? ExitCode.failed)))
  tolerateClosedOutputs()
  Signals.interruptMain()
  Command.run(make(status), { version }).pipe(
    Effect.tapCause(report),
    Effect.provide(NodeServices.layer),
    NodeRuntime.runMain({ disableErrorReporting: true, teardown })
  )
}
