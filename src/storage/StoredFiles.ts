/**
 * The objects in one folder, read-only. It creates, changes and removes nothing, so it can read the folder of another
 * process, a copy, or a read-only mount. `FileStorage` reads with the same functions.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import * as StoredFiles from "tickvault/storage/StoredFiles"
 *
 * export const keys = Effect.flatMap(StoredFiles.make("runs", "./data"), (storage) => Stream.runCollect(storage.list("")))
 * ```
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import * as Chunks from "./internal/chunks.ts"
import { storageError } from "./internal/fileErrors.ts"
import * as Files from "./internal/files.ts"
import * as Storage from "./Storage.ts"
import { ReadOnly, StorageError } from "./StorageError.ts"
import * as StorageKey from "./StorageKey.ts"

const wayOf = (chunks: Storage.Chunks) =>
  chunks === "kept" ? Chunks.kept : chunks === "lent" ? Chunks.lent : Chunks.into(chunks)

/** The reading operations of a storage, for the files below `root`. */
export const reading = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  root: string
): Pick<Storage.Storage["Service"], "read" | "list" | "stat"> => {
  const pathOf = (key: StorageKey.StorageKey) => path.join(root, ...key.split("/"))
  const buffers = new Chunks.Buffers()
  return {
    read: (key, chunks = "kept") => Stream.mapError(wayOf(chunks)(fs, pathOf(key), buffers), storageError("read", key)),
    list: (prefix) =>
      Files.walk(fs, path, root, prefix).pipe(
        Stream.filter(StorageKey.is),
        Stream.mapError(storageError("list", prefix))
      ),
    stat: (key) =>
      fs.stat(pathOf(key)).pipe(
        Effect.map(({ mtime, size, type }) =>
          type === "File"
            ? { bytes: Number(size), modifiedAtMs: Option.getOrUndefined(Option.map(mtime, (at) => at.getTime())) }
            : undefined
        ),
        Effect.catchReason("PlatformError", "NotFound", () => Effect.undefined),
        Effect.mapError(storageError("stat", key))
      )
  }
}

const refuse = (operation: StorageError["operation"]) => (key: string) =>
  Effect.fail(new StorageError({ operation, key, reason: new ReadOnly({ code: "opened to be read" }) }))

/**
 * The storage `name` in an existing folder. Every change fails with `ReadOnly`. Fails with `StorageError` when the folder is
 * missing or can't be listed.
 */
export const make = Effect.fnUntraced(function* (name: string, rootDirectory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = path.resolve(rootDirectory)
  yield* Effect.mapError(fs.readDirectory(root), storageError("open", root))
  return Storage.Storage.of({
    name,
    location: root,
    ...reading(fs, path, root),
    create: refuse("create"),
    append: refuse("append"),
    secure: refuse("secure"),
    remove: refuse("remove"),
    setAside: refuse("set-aside")
  })
})

/** See `make`. */
export const layer = (
  name: string,
  rootDirectory: string
): Layer.Layer<Storage.Storage, StorageError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(Storage.Storage, make(name, rootDirectory))
