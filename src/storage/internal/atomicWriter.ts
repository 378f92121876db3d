/**
 * One file written so that it appears whole, durable and under a name that was free, or not at all.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { Committed, Writer } from "../Storage.ts"
import { KeyConflict, StorageError } from "../StorageError.ts"
import type { StorageKey } from "../StorageKey.ts"
import type * as StorageMetrics from "../StorageMetrics.ts"
import { closeError, storageError } from "./fileErrors.ts"
import * as Files from "./files.ts"

/** What a writer needs of its storage. */
export interface Place {
  readonly storage: string
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  readonly metrics: StorageMetrics.StorageMetrics
}

/** Names that no key can have and that are recognised after a crash. */
export const temporaryName = /^\.tickvault-[0-9a-f]+\.tmp$/u

const makeTemporaryName = Effect.map(
  Effect.all([Random.nextInt, Random.nextInt]),
  (numbers) => `.tickvault-${numbers.map((number) => Math.abs(number).toString(16)).join("")}.tmp`
)

/** Fsyncs `folder`, measured. */
export const syncFolder = (place: Place, folder: string) =>
  place.metrics.timeSync("directory", Files.syncFolder(place.fs, folder))

/** Gives the temporary file its final name, or finds out what has the name already. */
const publish = Effect.fnUntraced(function* (
  place: Place,
  key: StorageKey,
  temporary: string,
  final: string,
  bytes: number
) {
  const { fs, metrics } = place
  const fail = storageError("commit", key)
  const outcome: Committed["outcome"] = yield* fs.link(temporary, final).pipe(
    Effect.as("created" as const),
    Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.succeed("identical" as const)),
    Effect.mapError(fail)
  )
  if (outcome === "identical") {
    const same = yield* Effect.mapError(Files.sameBytes(fs, temporary, final), fail)
    yield* metrics.conflict(same ? "identical" : "different")
    if (!same) return yield* new StorageError({ operation: "commit", key, reason: new KeyConflict() })
  }
  yield* Effect.mapError(syncFolder(place, place.path.dirname(final)), fail)
  return { outcome, bytes }
})

/**
 * Opens a temporary file beside `final`, in a folder that exists. Closing the scope removes the temporary file; when
 * that fails it is logged, and a later start removes it.
 */
export const open = Effect.fnUntraced(function* (place: Place, key: StorageKey, final: string) {
  const { fs, path } = place
  const temporary = path.join(path.dirname(final), yield* makeTemporaryName)
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
    commit: place.metrics
      .timeSync("file", file.sync)
      .pipe(
        Effect.mapError(storageError("commit", key)),
        Effect.andThen(Effect.suspend(() => close(Exit.void))),
        Effect.andThen(Effect.suspend(() => publish(place, key, temporary, final, bytes))),
        Effect.uninterruptible
      )
  }
  return writer
}, Effect.uninterruptible)
