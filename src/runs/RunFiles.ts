/**
 * What lies in a storage: its runs, and the batches of a run, told from the keys alone.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RunId from "../domain/RunId.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"

/** A stored batch by its name. */
export interface BatchKey extends StorageKey.BatchName {
  readonly key: StorageKey.StorageKey
}

/** The runs that something is stored of, in the order of their keys, each once. */
export const runIds = (storage: Storage["Service"]): Stream.Stream<RunId.RunId, StorageError> =>
  Stream.suspend(() => {
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

/** The batches of a run, by their first tick. Memory: a name a batch. Lets others work meanwhile, however many there are. */
export const batches = (
  storage: Storage["Service"],
  runId: RunId.RunId
): Effect.Effect<ReadonlyArray<BatchKey>, StorageError> =>
  Effect.suspend(() => {
    const found: Array<BatchKey> = []
    const note = (keys: ReadonlyArray<StorageKey.StorageKey>) =>
      Effect.sync(() => {
        for (const key of keys) {
          const name = StorageKey.batchName(key)
          if (name !== undefined) found.push({ ...name, key })
        }
      })
    return storage.list(StorageKey.batchPrefix(runId)).pipe(
      Stream.runForEachArray((keys) => Effect.andThen(note(keys), Effect.yieldNow)),
      Effect.as(found)
    )
  })
