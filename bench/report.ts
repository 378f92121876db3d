/**
 * The result of the rounds of a case: medians, spread and ratio, as a line, a row of a table, and JSON.
 */
import type { Comparison, Goal } from "./Case.ts"
import type { Measured } from "./Measured.ts"

export interface Taken extends Measured {
  readonly peakKilobytes: number | null
}

export interface Round {
  readonly peer: Taken
  readonly ours: Taken
}

const sorted = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)

const quantile = (values: ReadonlyArray<number>, share: number): number =>
  sorted(values)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN

const median = (values: ReadonlyArray<number>): number => {
  const all = sorted(values)
  const middle = all.length >> 1
  return all.length % 2 === 1 ? all[middle]! : (all[middle - 1]! + all[middle]!) / 2
}

/** Our speed divided by the speed of the peer. */
const speed = ({ ours, peer }: Round): number => peer.seconds / peer.ticks / (ours.seconds / ours.ticks)

const cpuOfTick = ({ cpuSeconds = Number.NaN, ticks }: Taken): number => cpuSeconds / ticks

/** The compared value of one round. */
const comparison = ({ of }: Goal, round: Round): number => {
  const { ours, peer } = round
  switch (of) {
    case "speed":
      return speed(round)
    case "cpu":
      return cpuOfTick(peer) / cpuOfTick(ours)
    case "memory":
      return (ours.peakKilobytes ?? Number.NaN) / (peer.peakKilobytes ?? Number.NaN)
    case "delay":
      return ours.seconds - peer.seconds
  }
}

const sideOf = (name: string, turns: ReadonlyArray<Taken>) => {
  const perSecond = turns.map(({ seconds, ticks }) => ticks / seconds)
  const [first] = turns
  const commitMs = turns.flatMap((turn) => turn.commitMs ?? [])
  return {
    name,
    seconds: turns.map(({ seconds }) => seconds),
    ticks: first?.ticks ?? 0,
    bytes: first?.bytes ?? 0,
    storedBytes: first?.storedBytes,
    ticksPerSecond: median(perSecond),
    slowest: Math.min(...perSecond),
    fastest: Math.max(...perSecond),
    megabytesPerSecond: median(turns.map(({ bytes, seconds }) => bytes / 1e6 / seconds)),
    ...(commitMs.length === 0 ? {} : { commitMs: { p50: quantile(commitMs, 0.5), p99: quantile(commitMs, 0.99) } }),
    cpuMicroseconds: median(turns.map(cpuOfTick)) * 1e6,
    peakMegabytes: Math.max(...turns.map(({ peakKilobytes }) => peakKilobytes ?? Number.NaN)) / 1024,
    lost: turns.some(({ lost }) => lost !== undefined)
      ? turns.reduce((total, { lost = 0 }) => total + lost, 0)
      : undefined
  }
}

export type Report = ReturnType<typeof of>

/** Whether the goal of a case was reached. */
const isReached = (
  goal: Goal,
  ratio: number,
  { bytes, lost = 0, storedBytes = 0 }: ReturnType<typeof sideOf>
): boolean => {
  if (lost > 0) return false
  if (goal.of === "cpu") return ratio >= goal.atLeast
  if (goal.of !== "speed") return ratio <= goal.atMost
  const isSmall = goal.storedAtMost === undefined || storedBytes <= bytes * goal.storedAtMost
  return ratio >= goal.atLeast && isSmall
}

export const of = (each: Comparison, rounds: ReadonlyArray<Round>) => {
  const ratios = rounds.map((round) => comparison(each.goal, round))
  const ratio = median(ratios)
  const ours = sideOf(
    each.ours,
    rounds.map(({ ours }) => ours)
  )
  return {
    name: each.name,
    settings: each.settings,
    processes: each.turns.in,
    goal: each.goal,
    ratio,
    ratios,
    speeds: rounds.map(speed),
    reached: isReached(each.goal, ratio, ours),
    peer: sideOf(
      each.peer,
      rounds.map(({ peer }) => peer)
    ),
    ours
  }
}

const digits = (value: number, places = 2) => (Number.isFinite(value) ? value.toFixed(places) : "")
const whole = (value: number) => Math.round(value).toLocaleString("en-US")

/** The ticks per second of a side, or its duration when it counts no ticks. */
const pace = ({ seconds, ticks, ticksPerSecond }: Report["ours"]) =>
  ticks === 0 ? `${whole(median(seconds) * 1000)} ms` : whole(ticksPerSecond)

const range = ({ fastest, slowest, ticks }: Report["ours"]) =>
  ticks === 0 ? "" : `${whole(slowest)} to ${whole(fastest)}`

const wantedOf = (goal: Goal): string => {
  if (goal.of === "speed") {
    const stored = goal.storedAtMost === undefined ? "" : `, at most ${goal.storedAtMost * 100} % stored`
    return `at least ${goal.atLeast}${stored}`
  }
  if (goal.of === "cpu") return `at least ${goal.atLeast} in CPU time`
  return goal.of === "memory" ? `at most ${goal.atMost} of the memory` : `at most ${goal.atMost} s later`
}

const spread = (ratios: ReadonlyArray<number>) => `${digits(Math.min(...ratios))} to ${digits(Math.max(...ratios))}`

/** One line, printed as soon as the case is done. */
export const text = (report: Report): string => {
  const { goal, name, ours, peer, ratio, ratios, reached } = report
  return (
    `${reached ? "reached" : "MISSED "}  ${name}: ${digits(ratio, 3)} (${spread(ratios)}; ${wantedOf(goal)})  ` +
    (goal.of === "cpu" ? `CPU ${cpu(report)}; in wall time ${wall(report)}: ` : "") +
    `${pace(ours)} against ${pace(peer)} of ${peer.name}`
  )
}

/** CPU time of a tick. Empty when it wasn't measured. */
const cpu = ({ ours, peer }: Report): string =>
  Number.isNaN(ours.cpuMicroseconds) ? "" : `${digits(ours.cpuMicroseconds)}, ${digits(peer.cpuMicroseconds)} µs a tick`

const wall = ({ speeds }: Report): string => `${digits(median(speeds), 3)} (${spread(speeds)})`

/** Peak memory of the process of each side, preparation included. Empty when the sides have no processes of their own. */
const peaks = ({ ours, peer, processes }: Report) =>
  processes === "one process" || Number.isNaN(ours.peakMegabytes)
    ? ""
    : `${whole(ours.peakMegabytes)}, ${whole(peer.peakMegabytes)} MB`

const columns: ReadonlyArray<readonly [title: string, of: (report: Report) => string]> = [
  ["Case", ({ name }) => name],
  ["Ticks of", ({ settings }) => settings.payload ?? ""],
  ["Instances", ({ settings }) => `${settings.instances ?? ""}`],
  ["Codec", ({ settings }) => settings.codec ?? ""],
  ["Batch", ({ settings }) => `${settings.batch ?? ""}`],
  ["Durability", ({ settings }) => settings.durability ?? ""],
  ["Peer", ({ peer }) => peer.name],
  ["Peer, ticks/s", ({ peer }) => pace(peer)],
  ["tickvault, ticks/s", ({ ours }) => pace(ours)],
  ["min to max", ({ ours }) => range(ours)],
  ["MB/s", ({ ours }) => (ours.bytes === 0 ? "" : whole(ours.megabytesPerSecond))],
  [
    "Stored",
    ({ ours }) => (ours.storedBytes === undefined ? "" : `${digits((ours.storedBytes / ours.bytes) * 100, 1)} %`)
  ],
  [
    "Commit p50, p99",
    ({ ours }) =>
      ours.commitMs === undefined ? "" : `${digits(ours.commitMs.p50, 1)}, ${digits(ours.commitMs.p99, 1)} ms`
  ],
  ["Peak, peer's", peaks],
  ["CPU, peer's", cpu],
  ["Lost", ({ ours }) => (ours.lost === undefined ? "" : `${ours.lost}`)],
  ["Ratio", ({ ratio }) => digits(ratio)],
  ["Spread", ({ ratios }) => spread(ratios)],
  ["Wall time", (report) => (report.goal.of === "cpu" ? wall(report) : "")],
  ["Wanted", ({ goal }) => wantedOf(goal)]
]

/** All cases as a table in Markdown. */
export const table = (reports: ReadonlyArray<Report>): string =>
  [
    columns.map(([title]) => title),
    columns.map(() => "---"),
    ...reports.map((report) => columns.map(([, of]) => of(report)))
  ]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n")
