/**
 * The metrics of replays of dead letters.
 *
 * ```ts
 * import * as Metric from "effect/Metric"
 * import * as ReplayMetrics from "tickvault/replay/ReplayMetrics"
 *
 * // Letters whose ticks are all stored since.
 * export const stored = Metric.value(
 *   Metric.withAttributes(ReplayMetrics.replayed, { dlq: "dead-letters", outcome: "stored" })
 * )
 * ```
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

export const replayed = Metric.counter("persistence_dlq_replayed_total", {
  description: "Letters replayed, by what became of them.",
  incremental: true
})
export const replayedTicks = Metric.counter("persistence_dlq_replayed_ticks_total", {
  description: "Ticks settled by replay, kept out of ticks_written.",
  incremental: true
})

/** Stored: something was written. Duplicate: all was there already. Failed: something is still a letter. */
export type Outcome = "stored" | "duplicate" | "failed"

const outcomes: ReadonlyArray<Outcome> = ["stored", "duplicate", "failed"]

/** The metrics of replays from the dead-letter queue `dlq`, at zero from the start. */
export const make = Effect.fnUntraced(function* (dlq: string) {
  const letters = (outcome: Outcome) => Metric.withAttributes(replayed, { dlq, outcome })
  const ticks = (outcome: Outcome) => Metric.withAttributes(replayedTicks, { dlq, outcome })
  for (const outcome of outcomes) {
    yield* Metric.update(letters(outcome), 0)
    yield* Metric.update(ticks(outcome), 0)
  }
  return {
    letter: (outcome: Outcome) => Metric.update(letters(outcome), 1),
    ticks: (outcome: Outcome, count: number) => Metric.update(ticks(outcome), count)
  }
})
