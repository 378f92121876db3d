/**
 * How far a run is, on standard error: one line that is rewritten on a terminal, a log line now and then elsewhere.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Balance } from "../pipeline/Balance.ts"
import * as Format from "./Format.ts"

/** How progress is shown: `line` rewrites the last line of a terminal, `log` logs it. */
export const Style = Context.Reference<"line" | "log">("tickvault/cli/Progress/Style", { defaultValue: () => "log" })

/** Where the pipeline is at one moment. */
export interface Moment {
  readonly settled: number
  readonly ticksPerSecond: number
  readonly waiting: number
  readonly batches: number
  readonly deadLettered: number
}

/** Takes the rewritten line away; what is written next begins at the start of a line. */
export const clearLine = "\r\u001b[2K"

/** `moment` on one line of `columns` characters. */
export const line = (moment: Moment, columns: number): string =>
  [
    `${Format.count(moment.settled)} ticks settled`,
    `${Format.count(moment.ticksPerSecond)} ticks/s`,
    `${Format.count(moment.waiting)} in the queue`,
    `${Format.count(moment.batches)} ${moment.batches === 1 ? "batch" : "batches"}`,
    ...(moment.deadLettered > 0 ? [`${Format.count(moment.deadLettered)} dead-lettered`] : [])
  ]
    .join(" | ")
    .slice(0, Math.max(0, columns - 1))

const writeLine = (text: string) => Effect.sync(() => process.stderr.write(text))

/** Log lines come every second at first and more seldom in a run that takes long. */
const logPauseMs = (elapsedMs: number): number => (elapsedMs < 10_000 ? 1000 : 10_000)

const styles = {
  line: {
    pauseMs: () => 250,
    show: (moment: Moment) => writeLine(`${clearLine}${line(moment, process.stderr.columns || 80)}`),
    end: writeLine(clearLine)
  },
  log: {
    pauseMs: logPauseMs,
    show: (moment: Moment) => Effect.logInfo("Progress").pipe(Effect.annotateLogs({ ...moment })),
    end: Effect.void
  }
}

/** The rate is that of the last seconds: ticks are settled by whole batches. */
const rateWindowMs = 2000

const settledOf = (balance: Balance): number =>
  balance.written + balance.duplicate + balance.deadLettered + balance.lost

/** Shows progress until it is interrupted; then the line is taken away on a terminal. */
export const show = Effect.fnUntraced(function* (balance: Effect.Effect<Balance>, waiting: Effect.Effect<number>) {
  const style = styles[yield* Style]
  const startedMs = yield* Clock.currentTimeMillis
  let samples = [{ settled: 0, atMs: startedMs }]
  const once = Effect.gen(function* () {
    yield* Effect.sleep(style.pauseMs((yield* Clock.currentTimeMillis) - startedMs))
    const now = yield* balance
    const sample = { settled: settledOf(now), atMs: yield* Clock.currentTimeMillis }
    const [oldest = sample] = samples
    const ticksPerSecond = ((sample.settled - oldest.settled) * 1000) / Math.max(1, sample.atMs - oldest.atMs)
    samples = [...samples.filter(({ atMs }) => atMs > sample.atMs - rateWindowMs), sample]
    yield* style.show({
      settled: sample.settled,
      ticksPerSecond: Math.round(ticksPerSecond),
      waiting: yield* waiting,
      batches: now.batches,
      deadLettered: now.deadLettered
    })
  })
  return yield* Effect.forever(once).pipe(Effect.ensuring(style.end))
})
