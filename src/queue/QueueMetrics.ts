/**
 * The metrics of a queue. Updated once a batch, never per tick.
 *
 * ```ts
 * import * as Metric from "effect/Metric"
 * import * as QueueMetrics from "tickvault/queue/QueueMetrics"
 *
 * export const depth = Metric.value(Metric.withAttributes(QueueMetrics.depth, { queue: "raw-tick-data" }))
 * ```
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

export const depth = Metric.gauge("persistence_queue_depth", { description: "Ticks waiting." })
export const capacity = Metric.gauge("persistence_queue_capacity", { description: "Most ticks that can wait." })
export const offered = Metric.counter("persistence_queue_offered_total", {
  description: "Ticks offered.",
  incremental: true
})
export const blockedSeconds = Metric.counter("persistence_queue_blocked_seconds_total", {
  description: "Time producers spent waiting for room, in seconds.",
  incremental: true
})

/** The metrics of the queue `name`, at zero from the start. */
export const make = Effect.fnUntraced(function* (name: string, ticks: number) {
  const labels = { queue: name }
  const acceptedTotal = Metric.withAttributes(offered, { ...labels, outcome: "accepted" })
  const blockedTotal = Metric.withAttributes(blockedSeconds, labels)
  const depthNow = Metric.withAttributes(depth, labels)
  let reported = 0
  yield* Metric.update(Metric.withAttributes(capacity, labels), ticks)
  yield* Metric.update(acceptedTotal, 0)
  yield* Metric.update(blockedTotal, 0)
  yield* Metric.update(depthNow, 0)
  return {
    /** Reports the number of accepted ticks since the queue was made, and the number of waiting ticks. */
    update: (accepted: number, waiting: number) => {
      const since = accepted - reported
      reported = accepted
      return Effect.andThen(Metric.update(acceptedTotal, since), Metric.update(depthNow, waiting))
    },
    /** Counts the duration of `wait`, also when it is interrupted. */
    trackBlocked: <A, E, R>(wait: Effect.Effect<A, E, R>) =>
      Effect.flatMap(Clock.currentTimeMillis, (start) =>
        Effect.ensuring(
          wait,
          Effect.flatMap(Clock.currentTimeMillis, (end) =>
            Metric.update(blockedTotal, Duration.toSeconds(Duration.millis(Math.max(0, end - start))))
          )
        )
      )
  }
})
