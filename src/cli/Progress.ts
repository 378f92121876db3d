/**
 * Shows the progress of a run on standard error: one rewritten line on a terminal, occasional log lines elsewhere.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Balance } from "../pipeline/Balance.ts"
import * as Format from "./Format.ts"

/** `line` rewrites the last line of a terminal, `log` writes log lines. */
export const Style = Context.Reference<"line" | "log">("tickvault/cli/Progress/Style", { defaultValue: () => "log" })

/** The progress of the pipeline at one moment. */
export interface Moment {
  readonly settled: number
  readonly ticksPerSecond: number
  readonly waiting: number
  readonly batches: number
  readonly deadLettered: number
}

/** Clears the line that is rewritten, so that the next output begins at the start of a line. */
export const clearLine = "\r\u001b[2K"

/** What is shown at one moment: the parts of the line, and the annotations of a log line. */
export interface Shown {
  readonly parts: ReadonlyArray<string>
  readonly facts: Readonly<Record<string, unknown>>
}

const fit = (parts: ReadonlyArray<string>, columns: number): string =>
  parts.join(" | ").slice(0, Math.max(0, columns - 1))

const partsOf = (moment: Moment): ReadonlyArray<string> => [
  `${Format.count(moment.settled)} ticks settled`,
  `${Format.count(moment.ticksPerSecond)} ticks/s`,
  `${Format.count(moment.waiting)} in the queue`,
  `${Format.count(moment.batches)} ${moment.batches === 1 ? "batch" : "batches"}`,
  ...(moment.deadLettered > 0 ? [`${Format.count(moment.deadLettered)} dead-lettered`] : [])
]

/** `moment` on one line of `columns` characters. */
export const line = (moment: Moment, columns: number): string => fit(partsOf(moment), columns)

const writeLine = (text: string) => Effect.sync(() => process.stderr.write(text))

/** Log lines come every second at first, and less often in a long run. */
const logPauseMs = (elapsedMs: number): number => (elapsedMs < 10_000 ? 1000 : 10_000)

const styles = {
  line: {
    pauseMs: () => 250,
    show: ({ parts }: Shown) => writeLine(`${clearLine}${fit(parts, process.stderr.columns || 80)}`),
    end: writeLine(clearLine)
  },
  log: {
    pauseMs: logPauseMs,
    show: ({ facts }: Shown) => Effect.logInfo("Progress").pipe(Effect.annotateLogs({ ...facts })),
    end: Effect.void
  }
}

/** Clears the line that shows progress, so that results can be written. */
export const clear: Effect.Effect<void> = Effect.flatMap(Style, (style) => styles[style].end)

/** The rate is that of the last seconds, because progress comes in portions. */
const rateWindowMs = 2000

/** Measures how fast a counter grows. It has state: don't share one between two counters. */
export class Rate {
  private samples: ReadonlyArray<{ readonly value: number; readonly atMs: number }>

  constructor(startedMs: number) {
    this.samples = [{ value: 0, atMs: startedMs }]
  }

  /** The growth in a second, with `value` as the newest value. */
  perSecond(value: number, atMs: number): number {
    const [oldest = { value, atMs }] = this.samples
    this.samples = [...this.samples.filter((sample) => sample.atMs > atMs - rateWindowMs), { value, atMs }]
    return Math.round(((value - oldest.value) * 1000) / Math.max(1, atMs - oldest.atMs))
  }
}

const settledOf = (balance: Balance): number =>
  balance.written + balance.duplicate + balance.deadLettered + balance.lost

/** Shows what `look` gives, again and again until it is interrupted. Then it clears the line on a terminal. */
export const repeat = Effect.fnUntraced(function* (look: (nowMs: number) => Effect.Effect<Shown>) {
  const style = styles[yield* Style]
  const startedMs = yield* Clock.currentTimeMillis
  const once = Effect.gen(function* () {
    yield* Effect.sleep(style.pauseMs((yield* Clock.currentTimeMillis) - startedMs))
    yield* style.show(yield* look(yield* Clock.currentTimeMillis))
  })
  return yield* Effect.forever(once).pipe(Effect.ensuring(style.end))
})

/** Shows the progress of a pipeline until it is interrupted. */
export const show = Effect.fnUntraced(function* (balance: Effect.Effect<Balance>, waiting: Effect.Effect<number>) {
  const rate = new Rate(yield* Clock.currentTimeMillis)
  return yield* repeat(
    Effect.fnUntraced(function* (nowMs: number) {
      const now = yield* balance
      const settled = settledOf(now)
      const moment: Moment = {
        settled,
        ticksPerSecond: rate.perSecond(settled, nowMs),
        waiting: yield* waiting,
        batches: now.batches,
        deadLettered: now.deadLettered
      }
      return { parts: partsOf(moment), facts: { ...moment } }
    })
  )
})
