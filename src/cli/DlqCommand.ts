/**
 * `tickvault dlq`: lists, shows, replays, drops and exports dead letters.
 *
 * Every command is safe beside a running pipeline that uses the same folders.
 */
import * as Command from "effect/cli/Command"
import * as DropCommand from "./dlq/DropCommand.ts"
import * as ExportCommand from "./dlq/ExportCommand.ts"
import * as ListCommand from "./dlq/ListCommand.ts"
import * as ReplayCommand from "./dlq/ReplayCommand.ts"
import * as ShowCommand from "./dlq/ShowCommand.ts"
import type { ExitStatus } from "./ExitStatus.ts"

export const make = (status: ExitStatus) =>
  Command.make("dlq").pipe(
    Command.withDescription("List, show, replay, drop or export dead letters"),
    Command.withSubcommands([
      ListCommand.command,
      ShowCommand.command,
      ReplayCommand.make(status),
      DropCommand.command,
      ExportCommand.command
    ])
  )
