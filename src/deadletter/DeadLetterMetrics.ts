/**
 * What a dead-letter queue tells the metric registry.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Reason } from "./DeadLetter.ts"

export const messages = Metric.gauge("persistence_dlq_messages", { description: "Letters held now." })
export const capacity = Metric.gauge("persistence_dlq_capacity_messages", { description: "Most letters held." })
export const receivedTotal = Metric.counter("persistence_dlq_received_total", {
  description: "Letters accepted.",
  incremental: true
})
export const droppedTotal = Metric.counter("persistence_dlq_dropped_total", {
  description: "Letters that could not be kept.",
  incremental: true
})

const reasons: ReadonlyArray<Reason> = ["validation", "mixed_run", "storage", "key_conflict", "internal"]

/** The metrics of the dead-letter queue `name`, at zero from the start. */
export const make = Effect.fnUntraced(function* (name: string, limit: number) {
  const held = Metric.withAttributes(messages, { dlq: name })
  const received = (reason: Reason) => Metric.withAttributes(receivedTotal, { dlq: name, reason })
  const dropped = (reason: Reason) => Metric.withAttributes(droppedTotal, { dlq: name, reason })
  yield* Metric.update(Metric.withAttributes(capacity, { dlq: name }), limit)
  yield* Metric.update(held, 0)
  for (const reason of reasons) {
    yield* Metric.update(received(reason), 0)
    yield* Metric.update(dropped(reason), 0)
  }
  return {
    received: (reason: Reason, size: number) =>
      Effect.andThen(Metric.update(received(reason), 1), Metric.update(held, size)),
    holds: (size: number) => Metric.update(held, size),
    dropped: (reason: Reason) => Metric.update(dropped(reason), 1)
  }
})
