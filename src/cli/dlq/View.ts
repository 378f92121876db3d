/**
 * Dead letters as text for people and JSON for programs.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { DeadLetter } from "../../deadletter/DeadLetter.ts"
import * as RunId from "../../domain/RunId.ts"
import type * as Tick from "../../domain/Tick.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import * as Format from "../Format.ts"
import * as Table from "../Table.ts"
import type { Found } from "./Letters.ts"

const units = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60]
] as const

/** Milliseconds as the largest unit that fits: "3 d", "12 s". */
export const age = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const unit = units.find(([, size]) => seconds >= size)
  return unit === undefined ? `${seconds} s` : `${Math.floor(seconds / unit[1])} ${unit[0]}`
}

/** Milliseconds since 1970 in ISO 8601. The number itself when it is out of the range of dates. */
const time = (ms: bigint): string =>
  Option.match(DateTime.make(Number(ms)), { onNone: () => String(ms), onSome: DateTime.formatIso })

/** `text` of a letter, without characters that control a terminal. */
const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, "\u{FFFD}")

const run = (id: string): string => (RunId.is(id) ? id : RunId.quote(id))

/** A letter in the list. */
const Row = Schema.Struct({
  id: Schema.String,
  queue: Schema.String,
  /** The runs of its ticks. Empty for a damaged letter. */
  runs: Schema.Array(Schema.String),
  first: Schema.optionalKey(Schema.BigIntFromString),
  last: Schema.optionalKey(Schema.BigIntFromString),
  ticks: Schema.Int,
  reason: Schema.optionalKey(Schema.String),
  retries: Schema.optionalKey(Schema.Int),
  firstFailure: Schema.optionalKey(Schema.String),
  ageSeconds: Schema.optionalKey(Schema.Int),
  /** Why the letter or its ticks can't be read. */
  damaged: Schema.optionalKey(Schema.String)
})

export type Row = typeof Row.Type

const runsOf = (ticks: ReadonlyArray<Tick.Tick>) => [...new Set(ticks.map(({ simulationRunId }) => simulationRunId))]

export const row = ({ id, letter, queue, ticks }: Found, nowMs: number): Row => ({
  id,
  queue: queue.name,
  ...(Result.isSuccess(ticks)
    ? { runs: runsOf(ticks.success), ...StorageKey.range(ticks.success), ticks: ticks.success.length }
    : { runs: [], ticks: 0, damaged: ticks.failure }),
  ...(Result.isFailure(letter)
    ? {}
    : {
        reason: letter.success.reason,
        retries: letter.success.message.retryCount,
        firstFailure: time(letter.success.message.firstFailureTimeMs),
        ageSeconds: Math.max(0, Math.floor((nowMs - Number(letter.success.message.firstFailureTimeMs)) / 1000))
      })
})

const List = Schema.fromJsonString(
  Schema.Struct({
    letters: Schema.Array(Row),
    total: Schema.Struct({ letters: Schema.Int, ticks: Schema.Int, damaged: Schema.Int })
  })
)

const total = (rows: ReadonlyArray<Row>) => ({
  letters: rows.length,
  ticks: rows.reduce((sum, { ticks }) => sum + ticks, 0),
  damaged: rows.filter(({ damaged }) => damaged !== undefined).length
})

const encodeList = Schema.encodeSync(List)

/** The list as one line of JSON. */
export const listJson = (rows: ReadonlyArray<Row>): string => encodeList({ letters: rows, total: total(rows) })

const cells = (one: Row): ReadonlyArray<string> => {
  const { ageSeconds, damaged, first, id, last, reason, retries, runs, ticks } = one
  const [runId] = runs
  return [
    RunId.is(id) ? id : RunId.quote(id),
    runId === undefined ? "?" : `${run(runId)}${runs.length > 1 ? ` and ${runs.length - 1} more` : ""}`,
    first === undefined ? "?" : `${first}-${last}`,
    damaged === undefined ? Format.count(ticks) : "?",
    damaged === undefined ? (reason ?? "?") : "DAMAGED",
    ageSeconds === undefined ? "?" : age(ageSeconds * 1000),
    retries === undefined ? "?" : Format.count(retries)
  ]
}

/** The list for people, with totals at the end. */
export const list = (rows: ReadonlyArray<Row>): string => {
  const { damaged, letters, ticks } = total(rows)
  const verb = damaged === 1 ? "is" : "are"
  return [
    ...Table.aligned([["ID", "RUN", "RANGE", "TICKS", "REASON", "AGE", "RETRIES"], ...rows.map(cells)]),
    ...rows.flatMap((one) =>
      one.damaged === undefined ? [] : [`DAMAGED ${printable(one.id)}: ${printable(one.damaged)}`]
    ),
    `${Format.plural(letters, "letter")}, ${Format.plural(ticks, "tick")}` +
      (damaged === 0 ? "" : `; ${Format.count(damaged)} ${verb} damaged, with an unknown number of ticks`)
  ].join("\n")
}

/** A short description of a letter's content. */
export const contents = (found: Found): string => {
  const { first, last, runs, ticks } = row(found, 0)
  if (first === undefined) return "a damaged letter, with unknown ticks"
  return `${Format.plural(ticks, "tick")} of ${runs.map(run).join(", ")}, ${first}-${last}`
}

const Payload = Schema.Struct({ run: Schema.String, tick: Schema.BigIntFromString, bytes: Schema.Int })

const Whole = Schema.fromJsonString(
  Schema.Struct({
    ...Row.fields,
    location: Schema.String,
    lastFailure: Schema.String,
    messageType: Schema.String,
    sourceService: Schema.String,
    sourceQueue: Schema.String,
    failureReason: Schema.String,
    stackTrace: Schema.Array(Schema.String),
    metadata: Schema.Record(Schema.String, Schema.String),
    payloadBytes: Schema.Int,
    payload: Schema.Array(Payload)
  })
)

const encodeWhole = Schema.encodeSync(Whole)

const payload = ({ ticks }: Found) =>
  (Result.isSuccess(ticks) ? ticks.success : []).map((tick) => ({
    run: tick.simulationRunId,
    tick: tick.tickNumber,
    bytes: tick.payload.length
  }))

/** Everything readable of a letter, as one line of JSON. */
export const showJson = (found: Found, { message }: DeadLetter, nowMs: number): string =>
  encodeWhole({
    ...row(found, nowMs),
    location: found.queue.location,
    lastFailure: time(message.lastFailureTimeMs),
    messageType: message.messageType,
    sourceService: message.sourceService,
    sourceQueue: message.sourceQueue,
    failureReason: message.failureReason,
    stackTrace: message.stackTraceLines,
    metadata: { ...message.metadata },
    payloadBytes: message.originalMessage.length,
    payload: payload(found)
  })

/** The largest number of ticks shown one by one. */
const shownTicks = 20

const payloadLines = (found: Found): ReadonlyArray<string> => {
  if (Result.isFailure(found.ticks)) return [`  DAMAGED: ${printable(found.ticks.failure)}`]
  const ticks = payload(found)
  const rows = ticks
    .slice(0, shownTicks)
    .map(({ bytes, run: id, tick }) => [run(id), String(tick), Format.count(bytes)])
  const more = ticks.length - rows.length
  const hint = `  and ${Format.plural(more, "further tick")}: --json lists all, \`tickvault dlq export\` writes them`
  return [...Table.aligned([["RUN", "TICK", "BYTES"], ...rows]).map((line) => `  ${line}`), ...(more > 0 ? [hint] : [])]
}

const reasons = (failureReason: string): ReadonlyArray<string> =>
  failureReason.split("; caused by: ").map((link, depth) => `  ${depth === 0 ? "" : "caused by: "}${printable(link)}`)

/** A whole letter for people, with at most `shownTicks` ticks. */
export const show = (found: Found, { message, reason }: DeadLetter, nowMs: number): string =>
  [
    `letter    ${printable(found.id)}`,
    `queue     ${found.queue.name}, ${found.queue.location}`,
    `reason    ${reason}`,
    `failed    first ${time(message.firstFailureTimeMs)}, ${age(nowMs - Number(message.firstFailureTimeMs))} ago`,
    `          last ${time(message.lastFailureTimeMs)}, after ${Format.count(message.retryCount)} ${message.retryCount === 1 ? "retry" : "retries"}`,
    `source    ${printable(message.sourceService)}, from queue ${printable(message.sourceQueue)}`,
    "failure",
    ...reasons(message.failureReason),
    "metadata",
    ...Table.aligned(Object.entries(message.metadata).map((entry) => entry.map((cell) => printable(cell)))).map(
      (line) => `  ${line}`
    ),
    "stack",
    ...message.stackTraceLines.map((line) => `  ${printable(line)}`),
    `payload   ${printable(message.messageType)}, ${Format.bytes(message.originalMessage.length)}, ` +
      Format.plural(payload(found).length, "tick"),
    ...payloadLines(found)
  ].join("\n")
