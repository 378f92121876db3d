/**
 * The metrics of replays of dead letters.
 *
 * ```ts
 * import * as Metric from "effect/Metric"
 * import * as ReplayMetrics from "tickvault/replay/ReplayMetrics"
 *
 * // The number of letters whose ticks a replay has stored.
 * export const stored = Metric.value(
 *   Metric.withAttributes(ReplayMetrics.replayed, { dlq: "dead-letters", outcome: "stored" })
 * )
 * ```
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

export const replayed = Metric.counter("persistence_dlq_replayed_total", {
  description: "Letters replayed, by outcome.",
  incremental: true
})
export const replayedTicks = Metric.counter("persistence_dlq_replayed_ticks_total", {
  description: "Ticks settled by replay, not part of ticks_written.",
  incremental: true
})

/** Stored: some ticks were written. Duplicate: all were stored already. Failed: some are still in the letter. */
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
