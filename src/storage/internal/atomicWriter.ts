/**
 * Writes a file that appears whole and durable under a free name, or not at all.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Committed, Writer } from "../Storage.ts"
import { KeyConflict, StorageError } from "../StorageError.ts"
import type { StorageKey } from "../StorageKey.ts"
import { closeError, storageError } from "./fileErrors.ts"
import * as Files from "./files.ts"
import * as Names from "./names.ts"
import { type StorageFolder, syncFile, syncFolder } from "./storageFolder.ts"

/** Gives the temporary file its final name, or compares it with the file that has the name. */
const publish = Effect.fnUntraced(function* (
  place: StorageFolder,
  key: StorageKey,
  temporary: string,
  final: string,
  bytes: number
) {
  const fail = storageError("commit", key)
  const outcome = yield* Effect.mapError(Names.publish(place, temporary, final), fail)
  if (outcome !== "created") yield* place.metrics.conflict(outcome)
  if (outcome === "different") return yield* new StorageError({ operation: "commit", key, reason: new KeyConflict() })
  yield* Effect.mapError(syncFolder(place, place.path.dirname(final)), fail)
  const committed: Committed = { outcome, bytes }
  return committed
})

/**
 * Opens a temporary file beside `final`, in an existing folder. Closing the scope removes the temporary file. When
 * that fails it is logged, and a later start removes it.
 */
export const open = Effect.fnUntraced(function* (place: StorageFolder, key: StorageKey, final: string) {
  const { fs, path } = place
  const temporary = path.join(path.dirname(final), yield* Files.makeTemporaryName)
  const handle = yield* Scope.fork(yield* Scope.Scope)
  const file = yield* fs
    .open(temporary, { flag: "wx" })
    .pipe(Scope.provide(handle), Effect.mapError(storageError("create", key)))
  const close = (exit: Exit.Exit<unknown, unknown>) =>
    Effect.catchDefect(Scope.close(handle, exit), (defect) => Effect.fail(closeError(key, defect)))
  yield* Effect.addFinalizer((exit) =>
    close(exit).pipe(
      Effect.ensuring(Effect.orDie(fs.remove(temporary, { force: true }))),
      Effect.catchCause((cause) =>
        Effect.logWarning("A temporary file could not be closed and removed; a later start removes it", cause).pipe(
          Effect.annotateLogs({ storage: place.storage, file: temporary })
        )
      )
    )
  )
  let bytes = 0
  const writer: Writer = {
    write: (piece) =>
      file.writeAll(piece).pipe(
        Effect.mapError(storageError("write", key)),
        Effect.tap(() => Effect.sync(() => (bytes += piece.length))),
        Effect.uninterruptible
      ),
    commit: syncFile(place, file).pipe(
      Effect.mapError(storageError("commit", key)),
      Effect.andThen(Effect.suspend(() => close(Exit.void))),
      Effect.andThen(Effect.suspend(() => publish(place, key, temporary, final, bytes))),
      Effect.uninterruptible,
      Effect.withSpan("Storage.commit", { attributes: { key } })
    )
  }
  return writer
}, Effect.uninterruptible)
