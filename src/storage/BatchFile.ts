/**
 * Batches of ticks as stored objects: what they are named, how they are written, how they are read.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Delimited from "../domain/Delimited.ts"
import type * as Tick from "../domain/Tick.ts"
import * as Storage from "./Storage.ts"
import { ObjectDamaged, StorageError } from "./StorageError.ts"
import type { StorageKey } from "./StorageKey.ts"

/** Stores `ticks` in their order as one object of the delimited format. Interrupted before the commit, it leaves nothing. */
export const write = (
  storage: Storage.Storage["Service"],
  key: StorageKey,
  ticks: Tick.Batch
): Effect.Effect<Storage.Committed, StorageError> =>
  Effect.suspend(() => Storage.write(storage, key, Delimited.encode(ticks)))

/** The ticks of a batch in their order. Emits all ticks before a damage, then fails with `ObjectDamaged`. */
export const read = (storage: Storage.Storage["Service"], key: StorageKey): Stream.Stream<Tick.Tick, StorageError> =>
  Delimited.ticks(storage.read(key)).pipe(
    Stream.catchTag("DelimitedError", (error) =>
      Stream.fail(
        new StorageError({
          operation: "read",
          key,
          reason: new ObjectDamaged({ problem: error.message }),
          cause: error
        })
      )
    )
  )
