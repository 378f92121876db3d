/**
 * The outcome of a run: in words for people, as one line of JSON for programs.
 */
import * as Schema from "effect/Schema"
import { type Balance, isSettled } from "../pipeline/Balance.ts"
import { ExitCode } from "./ExitStatus.ts"
import * as Format from "./Format.ts"

/** Where a resumed run went on. */
export interface Resumed {
  /** The tick from which the world was restored. `undefined` when it began from its initial state. */
  readonly after: bigint | undefined
  /** Ticks that were stored already. */
  readonly stored: bigint
  /** Ticks that were not stored but waited in dead letters. */
  readonly inLetters: bigint
}

export interface Summary {
  /** Every run that had ticks. */
  readonly runIds: ReadonlyArray<string>
  /** Those of which something is stored. */
  readonly storedRunIds: ReadonlyArray<string>
  /** Folders of the storages. */
  readonly locations: ReadonlyArray<string>
  /** Folders of the dead letters. */
  readonly deadLetterLocations: ReadonlyArray<string>
  readonly balance: Balance
  readonly seconds: number
  /** A text for each problem with the input or the start. */
  readonly problems: ReadonlyArray<string>
  /** Whether a signal came before the work was done. */
  readonly endedBySignal: boolean
  /** Whether the time ran out or a second signal came before everything was settled. */
  readonly endedAtOnce: boolean
  /** Absent for a new run. */
  readonly resumed?: Resumed | undefined
}

/** The exit code for `summary`: the gravest one that applies. */
export const exitCode = ({ balance, problems }: Summary): number => {
  if (!isSettled(balance)) return ExitCode.lost
  if (problems.length > 0) return ExitCode.failed
  return balance.deadLettered > 0 ? ExitCode.deadLettered : ExitCode.settled
}

const Line = Schema.fromJsonString(
  Schema.Struct({
    runIds: Schema.Array(Schema.String),
    received: Schema.Int,
    written: Schema.Int,
    duplicate: Schema.Int,
    deadLettered: Schema.Int,
    returned: Schema.Int,
    lost: Schema.Int,
    inFlight: Schema.Int,
    batches: Schema.Int,
    writtenBytes: Schema.Int,
    storedBytes: Schema.Int,
    seconds: Schema.Finite,
    /** Only when there were problems. */
    problems: Schema.optionalKey(Schema.Array(Schema.String)),
    /** Only for a resumed run: after which tick (text, `null` for the beginning), and how many ticks existed already. */
    resumed: Schema.optionalKey(
      Schema.Struct({
        after: Schema.NullOr(Schema.BigIntFromString),
        stored: Schema.Int,
        inLetters: Schema.Int
      })
    )
  })
)

const encodeLine = Schema.encodeSync(Line)

const resumedLine = ({ after, inLetters, stored }: Resumed) => ({
  after: after ?? null,
  stored: Number(stored),
  inLetters: Number(inLetters)
})

/** One JSON object on one line. */
export const json = ({
  balance,
  problems,
  resumed,
  runIds,
  seconds
}: Pick<Summary, "balance" | "problems" | "resumed" | "runIds" | "seconds">): string =>
  encodeLine({
    runIds,
    ...balance,
    seconds,
    ...(problems.length === 0 ? {} : { problems }),
    ...(resumed === undefined ? {} : { resumed: resumedLine(resumed) })
  })

/** In words: which ticks of the run were there already. */
export const there = ({ inLetters, stored }: Omit<Resumed, "after">): string =>
  `${Format.plural(Number(stored), "tick")} ${stored === 1n ? "was" : "were"} stored already` +
  (inLetters === 0n ? "" : `, ${Format.count(Number(inLetters))} more waited as dead letters`)

const wentOn = (resumed: Resumed): string =>
  `It resumed ${resumed.after === undefined ? "from its beginning" : `after tick ${Format.count(Number(resumed.after))}`}: ` +
  `${there(resumed)}.`

const shownRuns = 10

const where = ({ balance, locations, storedRunIds: runIds }: Summary): ReadonlyArray<string> => {
  if (runIds.length === 0 || balance.written + balance.duplicate === 0) {
    return [`No tick was stored in ${locations.join(" or ")}.`]
  }
  const runs = runIds
    .slice(0, shownRuns)
    .map((runId) => `Run ${runId} is in ${locations.map((location) => `${location}/${runId}`).join(" or ")}`)
  return runIds.length > shownRuns
    ? [...runs, `... and ${Format.plural(runIds.length - shownRuns, "further run")}`]
    : runs
}

const verdict = ({ balance, deadLetterLocations, endedAtOnce }: Summary): ReadonlyArray<string> => {
  const left = balance.inFlight + balance.returned
  const lines: Array<string> = []
  if (balance.lost > 0) lines.push(`${Format.plural(balance.lost, "tick")} LOST: neither stored nor dead-lettered.`)
  if (left > 0) {
    const why = endedAtOnce ? "the process was ended before that" : "no persistence service was left to settle them"
    lines.push(`${Format.plural(left, "tick")} NOT SETTLED: ${why}. Bring them in again.`)
  }
  if (balance.deadLettered > 0) {
    lines.push(
      `${Format.plural(balance.deadLettered, "tick")} could not be stored and wait as dead letters in ` +
        `${deadLetterLocations.join(", ")}; the log above says why.`
    )
  }
  if (isSettled(balance)) {
    if (balance.received === 0) lines.push("There were no ticks.")
    else if (balance.deadLettered > 0) lines.push("Nothing is lost.")
    else lines.push(`Every tick is settled: stored${balance.duplicate > 0 ? " or already there" : ""}.`)
  }
  return lines
}

/** The size of the files, and the size of their content where that is larger. */
const sizes = ({ storedBytes, writtenBytes }: Balance): string =>
  storedBytes === writtenBytes
    ? Format.bytes(storedBytes)
    : `${Format.bytes(storedBytes)}, compressed from ${Format.bytes(writtenBytes)}`

const rows = (balance: Balance): ReadonlyArray<readonly [name: string, ticks: number, note: string]> => [
  ["received", balance.received, ""],
  ["written", balance.written, `in ${Format.plural(balance.batches, "file")}, ${sizes(balance)}`],
  ["duplicate", balance.duplicate, ""],
  ["dead-lettered", balance.deadLettered, ""],
  ["returned", balance.returned, ""],
  ["lost", balance.lost, ""],
  ["in flight", balance.inFlight, ""]
]

/** A few lines for people. */
export const text = (summary: Summary): string => {
  const { balance, endedBySignal, problems, resumed, seconds } = summary
  const table = rows(balance)
  const width = Math.max(...table.map(([, ticks]) => Format.count(ticks).length))
  const rate = seconds > 0 ? (value: number) => value / seconds : () => 0
  return [
    ...problems.map((problem) => `PROBLEM: ${problem}`),
    ...where(summary),
    ...(resumed === undefined ? [] : [wentOn(resumed)]),
    ...table.map(
      ([name, ticks, note]) =>
        `  ${name.padEnd(14)}${Format.count(ticks).padStart(width)}${note === "" ? "" : `  ${note}`}`
    ),
    `  took ${seconds.toFixed(1)} s: ${Format.count(rate(balance.written))} ticks/s, ` +
      `${Format.bytes(rate(balance.writtenBytes))}/s`,
    ...(endedBySignal ? ["A signal ended it before its work was done."] : []),
    ...verdict(summary)
  ].join("\n")
}
