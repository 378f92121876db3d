/**
 * The metrics of a storage.
 *
 * ```ts
 * import * as Metric from "effect/Metric"
 * import * as StorageMetrics from "tickvault/storage/StorageMetrics"
 *
 * export const freeBytes = Metric.value(Metric.withAttributes(StorageMetrics.freeBytes, { storage: "storage-main" }))
 * ```
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

export const fsyncDuration = Metric.histogram("persistence_fsync_duration_seconds", {
  description: "Time of one fsync.",
  boundaries: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]
})
export const keyConflicts = Metric.counter("persistence_key_conflicts_total", {
  description: "Commits whose key existed.",
  incremental: true
})
export const recoveredTemporaryFiles = Metric.counter("persistence_recovered_temp_files_total", {
  description: "Leftover temporary files handled at start.",
  incremental: true
})
export const freeBytes = Metric.gauge("persistence_storage_free_bytes", { description: "Room left." })

/** Sets the free space of `storage`. */
export const free = (storage: string, bytes: number): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(freeBytes, { storage }), bytes)

/** The metrics of the storage `name`, at zero from the start. */
export const make = Effect.fnUntraced(function* (name: string) {
  const conflicts = (resolution: "identical" | "different") =>
    Metric.withAttributes(keyConflicts, { storage: name, resolution })
  const removed = Metric.withAttributes(recoveredTemporaryFiles, { storage: name, action: "removed" })
  const syncs = {
    file: Metric.withAttributes(fsyncDuration, { storage: name, target: "file" }),
    directory: Metric.withAttributes(fsyncDuration, { storage: name, target: "directory" })
  }
  yield* Metric.update(conflicts("identical"), 0)
  yield* Metric.update(conflicts("different"), 0)
  yield* Metric.update(removed, 0)
  return {
    conflict: (resolution: "identical" | "different") => Metric.update(conflicts(resolution), 1),
    recovered: (files: number) => Metric.update(removed, files),
    /** Records how long `sync` takes when it succeeds. */
    timeSync: <A, E, R>(target: "file" | "directory", sync: Effect.Effect<A, E, R>) =>
      Effect.flatMap(Clock.currentTimeNanos, (start) =>
        Effect.tap(sync, () =>
          Effect.flatMap(Clock.currentTimeNanos, (end) =>
            Metric.update(syncs[target], Number(end - start) / 1_000_000_000)
          )
        )
      )
  }
})

export type StorageMetrics = Effect.Success<ReturnType<typeof make>>
