/**
 * The runs in a storage and the batches of a run, found from keys alone.
 *
 * ```ts
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Stream from "effect/Stream"
 * import * as RunFiles from "tickvault/runs/RunFiles"
 * import * as StoredFiles from "tickvault/storage/StoredFiles"
 *
 * export const runs = Stream.runCollect(RunFiles.runIds).pipe(
 *   Effect.provide(Layer.provide(StoredFiles.layer("runs", "./data"), NodeServices.layer))
 * )
 * ```
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RunId from "../domain/RunId.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"

/** A stored batch by its name. */
export interface BatchKey extends StorageKey.BatchName {
  readonly key: StorageKey.StorageKey
}

/** The runs of which the storage has any object, each once, in the order of their keys. */
export const runIds: Stream.Stream<RunId.RunId, StorageError, Storage> = Stream.unwrap(
  Storage.useSync((storage) => {
    let current = ""
    return storage.list("").pipe(
      Stream.map((key) => (key.includes("/") ? key.slice(0, key.indexOf("/")) : "")),
      Stream.filter((runId) => {
        const isNext = runId !== current
        current = runId
        return isNext
      }),
      Stream.filter(RunId.is)
    )
  })
)

/** The batches of a run, ordered by their first tick. Memory: a name for each batch. Lets other fibers run meanwhile. */
export const batches = Effect.fnUntraced(function* (
  runId: RunId.RunId
): Effect.fn.Return<ReadonlyArray<BatchKey>, StorageError, Storage> {
  const storage = yield* Storage
  const found: Array<BatchKey> = []
  yield* Stream.runForEachArray(storage.list(StorageKey.batchPrefix(runId)), (keys) => {
    for (const key of keys) {
      const name = StorageKey.batchName(key)
      if (name !== undefined) found.push({ ...name, key })
    }
    return Effect.yieldNow
  })
  return found
})
