/**
 * `tickvault inspect RUN`: how a run was written, batch by batch.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as RunSummary from "../summary/RunSummary.ts"
import { Storage } from "../storage/Storage.ts"
import * as InspectReport from "./InspectReport.ts"
import * as Logging from "./Logging.ts"
import * as Output from "./Output.ts"
import * as StoredRuns from "./StoredRuns.ts"

export const inspect = Command.make(
  "inspect",
  {
    ...StoredRuns.flags,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("print one line of JSON, with all files and letters"),
      Flag.withDefault(false)
    ),
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("list all files and letters; default: the first of them"),
      Flag.withDefault(false)
    ),
    logFormat: Logging.formatFlag,
    run: Argument.String("run")
  },
  (flags) =>
    Effect.gen(function* () {
      const storages = yield* StoredRuns.storages(yield* StoredRuns.resolve(flags))
      const { runId, storage } = yield* StoredRuns.find(storages, flags.run)
      const summary = yield* Effect.provideService(RunSummary.read(runId), Storage, storage)
      const lines = flags.json
        ? [InspectReport.json(storage.location, summary)]
        : InspectReport.text(storage.location, summary, flags.all ? "all" : "some")
      yield* Output.write(Stream.map(Stream.fromIterable(lines), (line) => `${line}\n`))
    }).pipe(Effect.provide(Logging.layer(flags.logFormat)))
).pipe(
  Command.withDescription(
    "Show how a run was written: totals, rates, by service and flush reason, its dead letters and its files. Uses only " +
      "names, sizes and the ledger and reads no tick; `verify` reads them all. Exit code 1 when the run can't be shown."
  )
)
