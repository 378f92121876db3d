/**
 * Verdicts on runs: text for people, one line of JSON for programs.
 */
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as Finding from "../verify/Finding.ts"
import * as Verdict from "../verify/Verdict.ts"
import { ExitCode } from "./ExitStatus.ts"
import * as Format from "./Format.ts"

/** The number of findings of a kind that are shown. The others are counted. */
const shown = 20

const heads: Readonly<Record<Verdict.State, string>> = {
  whole: "WHOLE",
  "dead-letters": "ONLY DEAD LETTERS",
  broken: "NOT WHOLE"
}

/** The exit code for the gravest of the verdicts. */
export const exitCode = (verdicts: ReadonlyArray<Pick<Verdict.Verdict, "state">>): number => {
  const codes = { whole: ExitCode.settled, "dead-letters": ExitCode.deadLettered, broken: ExitCode.lost }
  return codes[Verdict.gravest(verdicts.map(({ state }) => state))]
}

const facts = ({ bytes, dropped, files, first, last, missing, step, ticks, waiting }: Verdict.Verdict): string =>
  [
    Format.plural(ticks, "tick"),
    ...(first === undefined ? [] : [`from ${first} to ${last}`]),
    ...(step === 1n ? [] : [`every ${step} ticks`]),
    `${Format.plural(files, "file")}, ${Format.bytes(bytes)}`,
    ...(missing > 0 ? [`${Format.count(missing)} MISSING`] : []),
    ...(waiting > 0 ? [`${Format.count(waiting)} waiting in dead letters`] : []),
    ...(dropped > 0 ? [`${Format.count(dropped)} dropped on purpose`] : [])
  ].join(", ")

const list = (kind: Finding.Kind, { counts, findings }: Verdict.Verdict): ReadonlyArray<string> => {
  const count = counts[kind] ?? 0
  if (count === 0) return []
  const { advice, title } = Finding.kinds[kind]
  const some = findings.filter(({ _tag }) => _tag === kind).slice(0, shown)
  return [
    `  ${Format.count(count)} ${title[count === 1 ? 0 : 1]}: ${advice}`,
    ...some.map((finding) => `    ${Finding.describe(finding)}`),
    ...(count > some.length ? [`    ... and ${Format.count(count - some.length)} more`] : [])
  ]
}

/** A few lines on one run: whether it is whole, then the findings, the worst first. */
export const text = (verdict: Verdict.Verdict): string =>
  [
    `${heads[verdict.state]}: run ${verdict.run}: ${facts(verdict)}`,
    ...Struct.keys(Finding.kinds).flatMap((kind) => list(kind, verdict))
  ].join("\n")

const total = (verdicts: ReadonlyArray<Verdict.Verdict>, field: "ticks" | "files" | "bytes"): number =>
  verdicts.reduce((sum, verdict) => sum + verdict[field], 0)

/** One line on all runs. */
export const summary = (verdicts: ReadonlyArray<Verdict.Verdict>, seconds: number): string => {
  const parts = Struct.keys(heads).flatMap((state) => {
    const count = verdicts.filter((verdict) => verdict.state === state).length
    return count === 0 ? [] : [`${Format.count(count)} ${heads[state].toLowerCase()}`]
  })
  const bytes = total(verdicts, "bytes")
  const rate = seconds > 0 ? `, ${Format.bytes(bytes / seconds)}/s` : ""
  return (
    `${Format.plural(verdicts.length, "run")}: ${parts.join(", ")}. ` +
    `${Format.plural(total(verdicts, "ticks"), "tick")} in ${Format.plural(total(verdicts, "files"), "file")}, ` +
    `${Format.bytes(bytes)} read in ${seconds.toFixed(1)} s${rate}.`
  )
}

const Report = Schema.fromJsonString(
  Schema.Struct({
    state: Verdict.State,
    ticks: Schema.Finite,
    files: Schema.Int,
    bytes: Schema.Int,
    seconds: Schema.Finite,
    runs: Schema.Array(Verdict.Verdict)
  })
)

const encode = Schema.encodeSync(Report)

/** One JSON object on one line. */
export const json = (verdicts: ReadonlyArray<Verdict.Verdict>, seconds: number): string =>
  encode({
    state: Verdict.gravest(verdicts.map(({ state }) => state)),
    ticks: total(verdicts, "ticks"),
    files: total(verdicts, "files"),
    bytes: total(verdicts, "bytes"),
    seconds,
    runs: verdicts
  })
