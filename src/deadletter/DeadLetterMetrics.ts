/**
 * The metrics of a dead-letter queue.
 *
 * ```ts
 * import * as Metric from "effect/Metric"
 * import * as DeadLetterMetrics from "tickvault/deadletter/DeadLetterMetrics"
 *
 * export const letters = Metric.value(Metric.withAttributes(DeadLetterMetrics.messages, { dlq: "dead-letters" }))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { type Reason, reasons } from "./DeadLetter.ts"

export const messages = Metric.gauge("persistence_dlq_messages", { description: "Letters held now." })
export const sizeBytes = Metric.gauge("persistence_dlq_size_bytes", { description: "Size of the letters held now." })
export const oldest = Metric.gauge("persistence_dlq_oldest_timestamp_seconds", {
  description: "First failure of the oldest letter held now; 0 when there is none."
})
export const capacity = Metric.gauge("persistence_dlq_capacity_messages", { description: "Most letters held." })
export const receivedTotal = Metric.counter("persistence_dlq_received_total", {
  description: "Letters accepted.",
  incremental: true
})
export const droppedTotal = Metric.counter("persistence_dlq_dropped_total", {
  description: "Letters that could not be kept.",
  incremental: true
})

/** The content of a queue at one moment. */
export interface Held {
  readonly letters: number
  readonly bytes: number
  /** First failure of the oldest letter. `undefined` when there is none. */
  readonly oldestMs: number | undefined
}

/** The metrics of the dead-letter queue `name`, at zero from the start. */
export const make = Effect.fnUntraced(function* (name: string, limit: number) {
  const dlq = { dlq: name }
  const received = (reason: Reason) => Metric.withAttributes(receivedTotal, { ...dlq, reason })
  const dropped = (reason: Reason) => Metric.withAttributes(droppedTotal, { ...dlq, reason })
  const holds = Effect.fnUntraced(function* ({ bytes, letters, oldestMs = 0 }: Held) {
    yield* Metric.update(Metric.withAttributes(messages, dlq), letters)
    yield* Metric.update(Metric.withAttributes(sizeBytes, dlq), bytes)
    yield* Metric.update(Metric.withAttributes(oldest, dlq), oldestMs / 1000)
  })
  yield* Metric.update(Metric.withAttributes(capacity, dlq), limit)
  yield* holds({ letters: 0, bytes: 0, oldestMs: undefined })
  for (const reason of reasons) {
    yield* Metric.update(received(reason), 0)
    yield* Metric.update(dropped(reason), 0)
  }
  return {
    received: (reason: Reason) => Metric.update(received(reason), 1),
    holds,
    dropped: (reason: Reason) => Metric.update(dropped(reason), 1)
  }
})

export type DeadLetterMetrics = Effect.Success<ReturnType<typeof make>>
