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
  readonly files: number
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
    Format.plural(moment.files, "file"),
    ...(moment.deadLettered > 0 ? [`${Format.count(moment.deadLettered)} dead-lettered`] : [])
  ]
    .join(" | ")
    .slice(0, Math.max(0, columns - 1))

const writeLine = (text: string) => Effect.sync(() => process.stderr.write(text))

const styles = {
  line: {
    pause: "250 millis",
    show: (moment: Moment) => writeLine(`${clearLine}${line(moment, process.stderr.columns || 80)}`),
    end: writeLine(clearLine)
  },
  log: {
    pause: "5 seconds",
    show: (moment: Moment) => Effect.logInfo("Progress").pipe(Effect.annotateLogs({ ...moment })),
    end: Effect.void
  }
} as const

const settledOf = (balance: Balance): number =>
  balance.written + balance.duplicate + balance.deadLettered + balance.lost

/** Shows progress until it is interrupted; then the line is taken away on a terminal. */
export const show = Effect.fnUntraced(function* (balance: Effect.Effect<Balance>, waiting: Effect.Effect<number>) {
  const style = styles[yield* Style]
  let before = { settled: 0, atMs: yield* Clock.currentTimeMillis }
  const once = Effect.gen(function* () {
    yield* Effect.sleep(style.pause)
    const { batches, deadLettered, ...counts } = yield* balance
    const now = { settled: settledOf({ batches, deadLettered, ...counts }), atMs: yield* Clock.currentTimeMillis }
    const ticksPerSecond = Math.round(((now.settled - before.settled) * 1000) / Math.max(1, now.atMs - before.atMs))
    before = now
    yield* style.show({
      settled: now.settled,
      ticksPerSecond,
      waiting: yield* waiting,
      files: batches,
      deadLettered
    })
  })
  return yield* Effect.forever(once).pipe(Effect.ensuring(style.end))
})
