/**
 * The texts and JSON fields that `runs` and `inspect` share.
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as RunSummary from "../summary/RunSummary.ts"
import * as Format from "./Format.ts"

/** "2026-11-24 16:59:19Z" */
export const time = (ms: number | undefined): string =>
  ms === undefined ? "-" : `${DateTime.formatIso(DateTime.makeUnsafe(ms)).slice(0, 19).replace("T", " ")}Z`

export const iso = (ms: number | undefined): string | null =>
  ms === undefined ? null : DateTime.formatIso(DateTime.makeUnsafe(ms))

export const number = (value: bigint | undefined): string => (value === undefined ? "-" : value.toString())

const troubleText = (trouble: RunSummary.Trouble): string => {
  switch (trouble._tag) {
    case "gone":
      return `${Format.plural(trouble.files, "file")} missing`
    case "size":
      return `${Format.plural(trouble.files, "file")} of wrong size`
    case "unknown":
      return `${Format.plural(trouble.files, "file")} not in the ledger`
    case "missing":
      return `${Format.plural(Number(trouble.ticks), "tick")} missing`
    case "letters":
      return `${Format.plural(Number(trouble.ticks), "tick")} in letters`
    case "dropped":
      return `${Format.plural(Number(trouble.ticks), "tick")} dropped`
    case "ledger":
      return Format.plural(trouble.lines, "damaged ledger line")
  }
}

/** The state of a run, as far as it can be told without reading its batches. */
export const state = (summary: RunSummary.RunSummary): string => {
  const troubles = RunSummary.troubles(summary)
  if (troubles.length > 0) return troubles.map(troubleText).join(", ")
  return summary.batches.length === 0 ? "no ticks" : "looks whole"
}

/** The number of ticks. "+" after it: some files have ticks that the ledger doesn't know. "-": all of them. */
export const ticks = ({ batches, ticks: counted }: RunSummary.RunSummary): string => {
  const unknown = batches.filter(({ commit }) => commit === undefined).length
  if (unknown > 0 && unknown === batches.length) return "-"
  return `${Format.count(Number(counted))}${unknown > 0 ? "+" : ""}`
}

export const files = ({ batches }: RunSummary.RunSummary): number =>
  batches.filter(({ bytes }) => bytes !== undefined).length

const TickNumber = Schema.NullOr(Schema.String)

/** The JSON fields about a run as a whole. Tick numbers have 64 bits and are text; times are UTC. */
export const Fields = {
  run: Schema.String,
  location: Schema.String,
  state: Schema.String,
  troubles: Schema.Array(Schema.Struct({ kind: Schema.String, count: Schema.Int })),
  ticks: Schema.Int,
  first: TickNumber,
  last: TickNumber,
  step: TickNumber,
  files: Schema.Int,
  bytes: Schema.Int,
  firstCommit: Schema.NullOr(Schema.String),
  lastCommit: Schema.NullOr(Schema.String)
}

const countOf = (trouble: RunSummary.Trouble): number => {
  if ("files" in trouble) return trouble.files
  return "lines" in trouble ? trouble.lines : Number(trouble.ticks)
}

const kinds: Record<RunSummary.Trouble["_tag"], string> = {
  gone: "missingFiles",
  size: "filesOfWrongSize",
  unknown: "filesNotInLedger",
  missing: "missingTicks",
  letters: "ticksInLetters",
  dropped: "droppedTicks",
  ledger: "damagedLedgerLines"
}

const text = (value: bigint | undefined): string | null => value?.toString() ?? null

/** The values of `Fields`. */
export const values = (location: string, summary: RunSummary.RunSummary) => ({
  run: summary.runId,
  location,
  state: state(summary),
  troubles: RunSummary.troubles(summary).map((trouble) => ({ kind: kinds[trouble._tag], count: countOf(trouble) })),
  ticks: Number(summary.ticks),
  first: text(summary.first),
  last: text(summary.last),
  step: text(summary.step),
  files: files(summary),
  bytes: summary.bytes,
  firstCommit: iso(summary.firstCommitMs),
  lastCommit: iso(summary.lastCommitMs)
})
