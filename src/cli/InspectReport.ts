/**
 * A run in detail: text and tables for people, one line of JSON for programs.
 */
import * as Schema from "effect/Schema"
import * as LedgerEntry from "../ledger/LedgerEntry.ts"
import type * as LedgerLetters from "../summary/LedgerLetters.ts"
import * as RunFigures from "../summary/RunFigures.ts"
import * as RunSummary from "../summary/RunSummary.ts"
import * as Format from "./Format.ts"
import * as RunReport from "./RunReport.ts"
import * as Table from "./Table.ts"

/** The number of rows shown of a table without `--all`. */
const shownRows = 20

const Share = Schema.Struct({
  name: Schema.NullOr(Schema.String),
  files: Schema.Int,
  ticks: Schema.Int,
  bytes: Schema.Int,
  attempts: Schema.Int
})

const Letter = Schema.Struct({
  id: Schema.String,
  fate: Schema.String,
  count: Schema.Int,
  remaining: Schema.Int,
  reason: Schema.NullOr(Schema.String),
  service: Schema.NullOr(Schema.String),
  at: Schema.NullOr(Schema.String),
  replays: Schema.Int,
  stored: Schema.Int,
  duplicate: Schema.Int,
  dropReason: Schema.NullOr(Schema.String)
})

const Batch = Schema.Struct({
  key: Schema.String,
  state: Schema.String,
  first: Schema.String,
  last: Schema.String,
  ticks: Schema.NullOr(Schema.Int),
  bytes: Schema.NullOr(Schema.Int),
  checksum: Schema.NullOr(Schema.String),
  service: Schema.NullOr(Schema.String),
  flushReason: Schema.NullOr(Schema.String),
  attempts: Schema.NullOr(Schema.Int),
  tookMs: Schema.NullOr(Schema.Finite),
  committed: Schema.NullOr(Schema.String)
})

const Line = Schema.fromJsonString(
  Schema.Struct({
    ...RunReport.Fields,
    meanTickBytes: Schema.NullOr(Schema.Finite),
    seconds: Schema.NullOr(Schema.Finite),
    ticksPerSecond: Schema.NullOr(Schema.Finite),
    bytesPerSecond: Schema.NullOr(Schema.Finite),
    attempts: Schema.Int,
    retries: Schema.Int,
    services: Schema.Array(Share),
    flushReasons: Schema.Array(Share),
    letters: Schema.Array(Letter),
    setAside: Schema.Array(
      Schema.Struct({
        key: Schema.String,
        place: Schema.String,
        reason: Schema.String,
        at: Schema.NullOr(Schema.String)
      })
    ),
    batches: Schema.Array(Batch)
  })
)

const encodeLine = Schema.encodeSync(Line)

const batchState = (batch: RunSummary.Batch): string => {
  const { bytes, commit } = batch
  if (bytes === undefined) return "missing"
  if (commit === undefined) return "not in the ledger"
  if (RunSummary.hasOtherSize(batch)) {
    return `wrong size, ${Format.count(LedgerEntry.sizeOf(commit))} bytes were written`
  }
  return commit.write === undefined ? "entry made afterwards" : "as written"
}

const batchValues = (batch: RunSummary.Batch): typeof Batch.Type => ({
  key: batch.key,
  state: batchState(batch),
  first: batch.first.toString(),
  last: batch.last.toString(),
  ticks: batch.commit?.count ?? null,
  bytes: batch.bytes ?? null,
  checksum: batch.commit?.checksum ?? null,
  service: batch.commit?.write?.service ?? null,
  flushReason: batch.commit?.write?.flushReason ?? null,
  attempts: batch.commit?.write?.attempts ?? null,
  tookMs: batch.commit?.write?.tookMs ?? null,
  committed: RunReport.iso(batch.commit?.committedAtMs)
})

const letterValues = ({ atMs, stretches: _stretches, ...letter }: LedgerLetters.Fate): typeof Letter.Type => ({
  ...letter,
  reason: letter.reason ?? null,
  service: letter.service ?? null,
  at: RunReport.iso(atMs),
  dropReason: letter.dropReason ?? null
})

const shareValues = (share: RunFigures.Share): typeof Share.Type => ({ ...share, name: share.name ?? null })

const per = (value: number, divisor: number | undefined): number | undefined =>
  divisor === undefined || divisor === 0 ? undefined : value / divisor

/** One JSON object on one line. */
export const json = (location: string, summary: RunSummary.RunSummary): string => {
  const figures = RunFigures.of(summary)
  return encodeLine({
    ...RunReport.values(location, summary),
    meanTickBytes: per(figures.bytes, figures.ticks) ?? null,
    seconds: figures.seconds ?? null,
    ticksPerSecond: per(figures.ticks, figures.seconds) ?? null,
    bytesPerSecond: per(figures.bytes, figures.seconds) ?? null,
    attempts: figures.attempts,
    retries: figures.retries,
    services: figures.byService.map(shareValues),
    flushReasons: figures.byFlushReason.map(shareValues),
    letters: summary.letters.map(letterValues),
    setAside: summary.setAside.map(({ atMs, key, place, reason }) => ({ key, place, reason, at: RunReport.iso(atMs) })),
    batches: summary.batches.map(batchValues)
  })
}

const rates = ({ bytes, seconds, ticks }: RunFigures.RunFigures): string => {
  const ticksPerSecond = per(ticks, seconds)
  if (seconds === undefined || ticksPerSecond === undefined) return "-"
  return (
    `${seconds.toFixed(1)} s from the first tick to the last commit: ` +
    `${Format.count(ticksPerSecond)} ticks/s, ${Format.bytes(bytes / seconds)}/s`
  )
}

const totals = (summary: RunSummary.RunSummary, figures: RunFigures.RunFigures): ReadonlyArray<string> => {
  const { first, firstCommitMs, last, lastCommitMs, step } = summary
  const mean = per(figures.bytes, figures.ticks)
  const rows: ReadonlyArray<readonly [name: string, value: string]> = [
    ["state", RunReport.state(summary)],
    ["ticks", `${RunReport.ticks(summary)}, ${RunReport.number(first)} to ${RunReport.number(last)}`],
    ["step", RunReport.number(step)],
    ["files", `${Format.count(RunReport.files(summary))}, ${Format.bytes(summary.bytes)}`],
    ["mean tick", mean === undefined ? "-" : Format.bytes(mean)],
    ["committed", `${RunReport.time(firstCommitMs)} to ${RunReport.time(lastCommitMs)}`],
    ["written in", rates(figures)],
    ["attempts", `${Format.count(figures.attempts)}, of which ${Format.count(figures.retries)} were retries`]
  ]
  return rows.map(([name, value]) => `  ${name.padEnd(12)}${value}`)
}

const shares = (title: string, all: ReadonlyArray<RunFigures.Share>): ReadonlyArray<string> => {
  if (all.length === 0) return []
  const columns = [
    Table.left(title),
    Table.right("FILES"),
    Table.right("TICKS"),
    Table.right("SIZE"),
    Table.right("ATTEMPTS")
  ]
  const rows = all.map(({ attempts, bytes, files, name, ticks }) => [
    name ?? "(not known)",
    Format.count(files),
    Format.count(ticks),
    Format.bytes(bytes),
    name === undefined ? "-" : Format.count(attempts)
  ])
  return ["", ...Table.lines(columns, rows)]
}

/** Whether a table shows `shownRows` rows or all. */
export type Amount = "some" | "all"

/** A table, cut unless all of it is wanted. */
const table = <A>(
  columns: ReadonlyArray<Table.Column>,
  all: ReadonlyArray<A>,
  row: (one: A) => ReadonlyArray<string>,
  amount: Amount
): ReadonlyArray<string> => {
  if (all.length === 0) return []
  const shown = amount === "all" ? all : all.slice(0, shownRows)
  const left = all.length - shown.length
  const more = left === 0 ? [] : [`... ${Format.count(left)} more; --all shows them`]
  return ["", ...Table.lines(columns, shown.map(row)), ...more]
}

const letterColumns = ["LETTER", "FATE", "TICKS", "LEFT", "REPLAYS", "REASON", "SINCE"].map((title) =>
  ["TICKS", "LEFT", "REPLAYS"].includes(title) ? Table.right(title) : Table.left(title)
)

const letterRow = (letter: LedgerLetters.Fate): ReadonlyArray<string> => [
  letter.id,
  letter.fate,
  Format.count(letter.count),
  Format.count(letter.fate === "dropped" ? 0 : letter.remaining),
  Format.count(letter.replays),
  letter.dropReason ?? letter.reason ?? "-",
  RunReport.time(letter.atMs)
]

const batchColumns = [
  Table.right("FIRST"),
  Table.right("LAST"),
  Table.right("TICKS"),
  Table.right("SIZE"),
  Table.left("SERVICE"),
  Table.left("REASON"),
  Table.right("ATTEMPTS"),
  Table.right("TOOK"),
  Table.left("COMMITTED"),
  Table.left("STATE")
]

const batchRow = (batch: RunSummary.Batch): ReadonlyArray<string> => {
  const { bytes, commit, first, last } = batch
  const write = commit?.write
  return [
    first.toString(),
    last.toString(),
    commit === undefined ? "-" : Format.count(commit.count),
    bytes === undefined ? "-" : Format.bytes(bytes),
    write?.service ?? "-",
    write?.flushReason ?? "-",
    write === undefined ? "-" : Format.count(write.attempts),
    write === undefined ? "-" : `${write.tookMs.toFixed(0)} ms`,
    RunReport.time(commit?.committedAtMs),
    batchState(batch)
  ]
}

/** The lines for people. */
export const text = (location: string, summary: RunSummary.RunSummary, amount: Amount): ReadonlyArray<string> => {
  const figures = RunFigures.of(summary)
  return [
    `Run ${summary.runId} in ${location}/${summary.runId}`,
    ...totals(summary, figures),
    ...shares("SERVICE", figures.byService),
    ...shares("FLUSH REASON", figures.byFlushReason),
    ...table(letterColumns, summary.letters, letterRow, amount),
    ...summary.setAside.map(({ key, place, reason }) => `Set aside: ${key} to ${place} (${reason})`),
    ...table(batchColumns, summary.batches, batchRow, amount)
  ]
}
