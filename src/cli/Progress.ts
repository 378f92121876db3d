/**
 * How far a run is, on standard error: one line that is rewritten on a terminal, plain lines elsewhere.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { Balance } from "../pipeline/Balance.ts"
import * as Format from "./Format.ts"

const clearLine = "\r\u001b[2K"

const settled = (balance: Balance): number => balance.written + balance.duplicate + balance.deadLettered + balance.lost

const line = (balance: Balance, rate: number, waiting: number): string =>
  [
    `${Format.count(settled(balance))} ticks settled`,
    `${Format.count(rate)} ticks/s`,
    `${Format.count(waiting)} in the queue`,
    Format.plural(balance.batches, "batch").replace(/batchs$/u, "batches"),
    ...(balance.deadLettered > 0 ? [`${Format.count(balance.deadLettered)} dead-lettered`] : [])
  ].join(" | ")

/** Shows progress until it is interrupted; then the line is taken away on a terminal. */
export const show = Effect.fnUntraced(function* (balance: Effect.Effect<Balance>, waiting: Effect.Effect<number>) {
  const stdio = yield* Stdio.Stdio
  const terminal = yield* stdio.stderrIsTerminal
  const write = (text: string) =>
    Stream.make(text).pipe(Stream.run(stdio.stderr({ endOnDone: false })), Effect.ignore({ log: "Debug" }))
  let before = { settled: 0, atMs: yield* Clock.currentTimeMillis }
  const once = Effect.gen(function* () {
    yield* Effect.sleep(terminal ? "250 millis" : "1 second")
    const now = { settled: settled(yield* balance), atMs: yield* Clock.currentTimeMillis }
    const rate = ((now.settled - before.settled) * 1000) / Math.max(1, now.atMs - before.atMs)
    before = now
    const text = line(yield* balance, rate, yield* waiting)
    yield* write(terminal ? `${clearLine}${text}` : `${text}\n`)
  })
  return yield* Effect.forever(once).pipe(Effect.ensuring(terminal ? write(clearLine) : Effect.void))
})
