/**
 * The metrics of persistence services. They are updated once a batch or portion, never per tick. A label is the name of a
 * service, never a run, a tick or a path.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Metric from "effect/Metric"
 * import * as PersistenceMetrics from "tickvault/persistence/PersistenceMetrics"
 *
 * // Ticks that one service has stored, as Prometheus shows them.
 * export const stored = Metric.value(
 *   Metric.withAttributes(PersistenceMetrics.ticksWritten, { service: "persistence-1", storage: "tick-storage" })
 * ).pipe(Effect.map(({ count }) => count))
 * ```
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { Compression } from "../batch/Compression.ts"
import type { Reason } from "../deadletter/DeadLetter.ts"
import { TickQueue } from "../queue/TickQueue.ts"
import { Storage } from "../storage/Storage.ts"
import { queueFlushReasons } from "../queue/BatchPolicy.ts"

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })
const seconds = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]

export const ticksReceived = counter("persistence_ticks_received_total", "Ticks taken from the queue.")
export const batchesWritten = counter("persistence_batches_written_total", "Batches committed to storage.")
export const ticksWritten = counter("persistence_ticks_written_total", "Ticks inside committed batches.")
export const writtenBytes = counter(
  "persistence_written_bytes_total",
  "Serialised tick bytes committed, length prefixes included, before compression."
)
export const storedBytes = counter("persistence_stored_bytes_total", "Bytes of committed files as stored.")
export const batchesFailed = counter(
  "persistence_batches_failed_total",
  "Batches given up after validation or retries."
)
export const ticksFailed = counter("persistence_ticks_failed_total", "Ticks of failed batches handed to the DLQ.")
export const ticksLost = counter("persistence_ticks_lost_total", "Ticks neither stored nor in the DLQ. Must stay 0.")
export const ticksReturned = counter("persistence_ticks_returned_total", "Ticks put back into the queue unsettled.")
export const duplicateTicks = counter("persistence_duplicate_ticks_total", "Ticks skipped as already stored.")
export const flushes = counter("persistence_flushes_total", "Batches closed.")
export const writeRetries = counter("persistence_write_retries_total", "Repeat attempts.")
export const retryWaitSeconds = counter("persistence_retry_wait_seconds_total", "Time spent in backoff.")
export const validationFailures = counter("persistence_validation_failures_total", "Ticks failing a rule.")
export const mixedBatchesSplit = counter("persistence_mixed_batches_split_total", "Batches split by run.")
export const currentBatchTicks = Metric.gauge("persistence_current_batch_ticks", {
  description: "Ticks in the batches being handled now; 0 when idle."
})
export const inFlightTicks = Metric.gauge("persistence_in_flight_ticks", {
  description: "Ticks taken but not yet settled."
})
export const lastCommit = Metric.gauge("persistence_last_commit_timestamp_seconds", {
  description: "Last successful commit; the start of the service before the first one."
})
export const batchTicks = Metric.histogram("persistence_batch_ticks", {
  description: "Ticks per committed batch.",
  boundaries: [1, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000]
})
export const commitDuration = Metric.histogram("persistence_batch_commit_duration_seconds", {
  description: "Time of one attempt, from open to commit.",
  boundaries: seconds
})
export const endToEndLatency = Metric.histogram("persistence_end_to_end_latency_seconds", {
  description: "Oldest tick enqueued until committed.",
  boundaries: [...seconds, 100, 300]
})
export const checkDuration = Metric.histogram("persistence_idempotency_check_duration_seconds", {
  description: "Duplicate check of one batch.",
  boundaries: [0.00001, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1]
})

const failureReasons: ReadonlyArray<Reason> = ["validation", "mixed_run", "storage", "key_conflict", "internal"]
const errorTypes = ["no_space", "permission", "io", "timeout", "throttled", "other"]

/** Adds the labels once, because that costs more than an update. */
const add = (metric: Metric.Metric<number, unknown>, labels: Record<string, string>) => {
  const labelled = Metric.withAttributes(metric, labels)
  return (amount: number): Effect.Effect<void> => Metric.update(labelled, amount)
}

/** Like `add`, with one more label that has few values. */
const addBy = <Value extends string>(
  metric: Metric.Metric<number, unknown>,
  labels: Record<string, string>,
  label: string
) => {
  const series = new Map<Value, (amount: number) => Effect.Effect<void>>()
  return (value: Value, amount: number): Effect.Effect<void> => {
    const there = series.get(value)
    if (there !== undefined) return there(amount)
    const made = add(metric, { ...labels, [label]: value })
    series.set(value, made)
    return made(amount)
  }
}

/**
 * Makes the metrics of the service `service` on the queue, the storage and the compression of the context, with every
 * label value at zero, so that a first failure shows as an increase.
 */
export const make = Effect.fnUntraced(function* (service: string) {
  const { name: storage } = yield* Storage
  const { codec } = yield* Compression
  const { name: queue } = yield* TickQueue
  const nowMs = yield* Clock.currentTimeMillis
  const own = { service }
  const both = { service, storage }
  const by = (metric: Metric.Metric<number, unknown>, label: string) => addBy(metric, own, label)

  const metrics = {
    received: add(ticksReceived, { ...own, queue }),
    batchesWritten: add(batchesWritten, both),
    ticksWritten: add(ticksWritten, both),
    writtenBytes: add(writtenBytes, both),
    storedBytes: add(storedBytes, { ...both, codec }),
    retryWait: add(retryWaitSeconds, own),
    mixedSplit: add(mixedBatchesSplit, own),
    current: add(currentBatchTicks, own),
    inFlight: add(inFlightTicks, own),
    lastCommit: add(lastCommit, both),
    batchTicks: add(batchTicks, both),
    latency: add(endToEndLatency, own),
    check: add(checkDuration, own),
    commit: addBy<"success" | "failure">(commitDuration, both, "outcome"),
    flush: by(flushes, "flush_reason"),
    failedBatch: by(batchesFailed, "reason"),
    failedTicks: by(ticksFailed, "reason"),
    lost: by(ticksLost, "reason"),
    returned: by(ticksReturned, "reason"),
    duplicates: by(duplicateTicks, "source"),
    retries: by(writeRetries, "error_type"),
    invalid: by(validationFailures, "rule")
  }
  /** Sets the number of ticks in flight. */
  const inFlight = (ticks: number) => Effect.andThen(metrics.current(ticks), metrics.inFlight(ticks))
  const { received, batchesWritten: batches, ticksWritten: ticks, storedBytes: stored, retryWait, mixedSplit } = metrics
  for (const zero of [received, batches, ticks, metrics.writtenBytes, stored, retryWait, mixedSplit]) yield* zero(0)
  yield* inFlight(0)
  yield* metrics.lastCommit(nowMs / 1000)
  for (const reason of queueFlushReasons) yield* metrics.flush(reason, 0)
  for (const reason of failureReasons) {
    for (const zero of [metrics.failedBatch, metrics.failedTicks, metrics.lost]) yield* zero(reason, 0)
  }
  for (const errorType of errorTypes) yield* metrics.retries(errorType, 0)
  for (const source of ["tracker", "storage"]) yield* metrics.duplicates(source, 0)
  for (const rule of ["run_id", "tick_number", "size", "mixed_run"]) yield* metrics.invalid(rule, 0)
  yield* metrics.returned("shutdown", 0)
  return { ...metrics, inFlight }
})

export type PersistenceMetrics = Effect.Success<ReturnType<typeof make>>
