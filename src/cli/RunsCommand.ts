/**
 * `tickvault runs`: lists the runs with their states.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as RunFiles from "../runs/RunFiles.ts"
import * as RunSummary from "../summary/RunSummary.ts"
import { Storage } from "../storage/Storage.ts"
import * as Format from "./Format.ts"
import * as Logging from "./Logging.ts"
import * as Output from "./Output.ts"
import * as RunReport from "./RunReport.ts"
import * as StoredRuns from "./StoredRuns.ts"
import * as Table from "./Table.ts"

const Line = Schema.fromJsonString(Schema.Struct(RunReport.Fields))

const jsonLine = Schema.encodeSync(Line)

const columns = [
  Table.left("RUN"),
  Table.right("TICKS"),
  Table.right("FIRST"),
  Table.right("LAST"),
  Table.right("STEP"),
  Table.right("FILES"),
  Table.right("SIZE"),
  Table.left("FIRST COMMIT"),
  Table.left("LAST COMMIT"),
  Table.left("STATE")
]

const row = (summary: RunSummary.RunSummary): ReadonlyArray<string> => [
  summary.runId,
  RunReport.ticks(summary),
  RunReport.number(summary.first),
  RunReport.number(summary.last),
  RunReport.number(summary.step),
  Format.count(RunReport.files(summary)),
  Format.bytes(summary.bytes),
  RunReport.time(summary.firstCommitMs),
  RunReport.time(summary.lastCommitMs),
  RunReport.state(summary)
]

/** The number of runs that are read at the same time. */
const concurrency = 4

const summaries = (storage: Storage["Service"]) =>
  Stream.mapEffect(RunFiles.runIds, RunSummary.read, { concurrency }).pipe(Stream.provideService(Storage, storage))

const text = Effect.fnUntraced(function* (storage: Storage["Service"]) {
  const rows = yield* Stream.runCollect(Stream.map(summaries(storage), row))
  if (rows.length === 0) return [`There are no runs in ${storage.location}.`]
  return [`Runs in ${storage.location}`, ...Table.lines(columns, rows)]
})

const json = (storage: Storage["Service"]) =>
  Stream.map(summaries(storage), (summary) => jsonLine(RunReport.values(storage.location, summary)))

export const runs = Command.make(
  "runs",
  {
    ...StoredRuns.flags,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("print a line of JSON a run instead of a table"),
      Flag.withDefault(false)
    ),
    logFormat: Logging.formatFlag
  },
  (flags) =>
    Effect.gen(function* () {
      const storages = yield* StoredRuns.storages(yield* StoredRuns.resolve(flags))
      const lines = Stream.fromIterable(storages).pipe(
        Stream.flatMap((storage) =>
          flags.json ? json(storage) : Stream.unwrap(Effect.map(text(storage), Stream.fromIterable))
        )
      )
      yield* Output.write(Stream.map(lines, (line) => `${line}\n`))
    }).pipe(Effect.provide(Logging.layer(flags.logFormat)))
).pipe(
  Command.withDescription(
    "List the stored runs, a line each. Their states come from names, sizes and the ledger only: no " +
      "tick is read; `verify` reads them all. Exit code 1 when the runs can't be listed."
  )
)
