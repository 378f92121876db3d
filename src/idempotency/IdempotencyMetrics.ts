/**
 * The metrics of a tracker: the ticks that it remembers and has forgotten.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as IdempotencyMetrics from "tickvault/idempotency/IdempotencyMetrics"
 *
 * export const metrics = Effect.map(IdempotencyMetrics.make("my-tracker"), (made) => Object.keys(made))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const keysHeld = Metric.gauge("persistence_idempotency_keys", { description: "Keys remembered." })

const rangesHeld = Metric.gauge("persistence_idempotency_ranges", {
  description: "Remembered ranges of consecutive or evenly spaced ticks."
})

const evictions = Metric.counter("persistence_idempotency_evictions_total", {
  description: "Keys forgotten.",
  incremental: true
})

/** The metrics of the tracker `tracker`, at zero from the start. Ranges are absent until the tracker sets them. */
export const make = Effect.fnUntraced(function* (tracker: string) {
  const gauge = Metric.withAttributes(keysHeld, { tracker })
  const ranges = Metric.withAttributes(rangesHeld, { tracker })
  const ttl = Metric.withAttributes(evictions, { tracker, reason: "ttl" })
  const capacity = Metric.withAttributes(evictions, { tracker, reason: "capacity" })
  const keys = (count: number) => Metric.update(gauge, count)
  yield* keys(0)
  yield* Metric.update(ttl, 0)
  yield* Metric.update(capacity, 0)
  return {
    keys,
    held: (ticks: number, count: number) => Effect.andThen(keys(ticks), Metric.update(ranges, count)),
    /** Counts forgotten keys by their reason. */
    forgotten: Effect.fnUntraced(function* (counts: { readonly ttl: number; readonly capacity: number }) {
      if (counts.ttl > 0) yield* Metric.update(ttl, counts.ttl)
      if (counts.capacity > 0) yield* Metric.update(capacity, counts.capacity)
    })
  }
})
