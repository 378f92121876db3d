/**
 * Finds the abilities of a folder's file system, by trying with files that are removed afterwards.
 *
 * `FileStorage` does this when it opens, and `tickvault doctor` too. Both may run while other processes work in
 * the folder: the files have unique names that no key can have.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FileSystem from "effect/FileSystem"
 * import * as Path from "effect/Path"
 * import * as Medium from "tickvault/storage/Medium"
 *
 * export const shortfalls = Effect.fnUntraced(function* (folder: string) {
 *   const abilities = yield* Medium.probe(yield* FileSystem.FileSystem, yield* Path.Path, folder)
 *   return Medium.shortfalls({ ...abilities, durability: "full" })
 * })
 * ```
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { codeOf, storageError } from "./internal/fileErrors.ts"
import * as Files from "./internal/files.ts"
import { IoFailure, reasonOf, StorageError } from "./StorageError.ts"

/**
 * What is durable before an operation succeeds. "full": files and their names in folders. "file": only files. "none":
 * neither: the system decides when it writes them.
 */
export const Durability = Schema.Literals(["full", "file", "none"])

export type Durability = typeof Durability.Type

/** The abilities of the file system of a folder. */
export interface Abilities {
  /** Whether a file can have a second name. If not, a commit reserves its name with an empty file. */
  readonly hardLinks: boolean
  /** Whether folders can be fsynced. If not, the system decides when a new name is durable. */
  readonly folderSync: boolean
}

/** The abilities, and the durability that a storage uses. */
export interface Medium extends Abilities {
  readonly durability: Durability
}

/** The abilities of most file systems. */
export const able: Abilities = { hardLinks: true, folderSync: true }

/** The message that there are no hard links. */
export const withoutLinks =
  "No hard links on this file system: commits reserve their name with an empty file and rename the object over it. A " +
  "crash in between leaves the empty file, which is replaced when its key is written again"

/** The message that folders can't be fsynced. */
export const withoutFolderSync =
  "Folders can't be fsynced on this file system: a power cut may take the names of objects that were committed shortly " +
  "before"

/** One message for each ability that the settings of the storage need but the file system lacks. */
export const shortfalls = ({ durability, folderSync, hardLinks }: Medium): ReadonlyArray<string> => [
  ...(hardLinks ? [] : [withoutLinks]),
  ...(folderSync || durability !== "full" ? [] : [withoutFolderSync])
]

/** Error codes of a file system without hard links. */
const meansNoLinks: ReadonlySet<string> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EMLINK",
  "EXDEV",
  "EISDIR" // exFAT under Windows
])

/**
 * The folder itself if it exists, or else the folder above in which it can be created. Creates nothing. Fails with
 * `StorageError` when there is no such folder, or when this process may not read and write there.
 */
export const locate = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  folder: string
): Effect.Effect<string, StorageError> =>
  Effect.gen(function* () {
    let place = folder
    while (true) {
      const { type } = yield* fs.stat(place).pipe(
        Effect.catchIf(
          ({ reason }) =>
            (reason._tag === "NotFound" || reason._tag === "BadResource") && path.dirname(place) !== place,
          () => Effect.succeed({ type: "missing" as const })
        ),
        Effect.mapError(storageError("open", folder))
      )
      if (type === "Directory") break
      if (type !== "missing") {
        return yield* new StorageError({ operation: "open", key: folder, reason: reasonOf("ENOTDIR") })
      }
      place = path.dirname(place)
    }
    yield* Effect.mapError(fs.access(place, { readable: true, writable: true }), storageError("open", folder))
    return place
  })

/** A path in `folder` for a file that is removed when the scope closes. */
const temporary = (fs: FileSystem.FileSystem, path: Path.Path, folder: string) =>
  Effect.map(Files.makeTemporaryName, (name) => path.join(folder, name)).pipe(
    Effect.tap((file) => Effect.addFinalizer(() => Effect.ignore(fs.remove(file, { force: true }))))
  )

/**
 * Tries the abilities of an existing `folder`. Takes a few system calls, one of them an fsync. Fails with `StorageError`
 * when no file can be created there.
 */
export const probe = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  folder: string
): Effect.Effect<Abilities, StorageError> =>
  Effect.gen(function* () {
    const [first, second] = [yield* temporary(fs, path, folder), yield* temporary(fs, path, folder)]
    yield* Effect.scoped(fs.open(first, { flag: "wx" }))
    const hardLinks = yield* fs.link(first, second).pipe(
      Effect.as(true),
      Effect.catchIf(
        (error) => meansNoLinks.has(codeOf(error)),
        () => Effect.succeed(false)
      )
    )
    return { hardLinks, folderSync: yield* Files.trySyncFolder(fs, folder) }
  }).pipe(Effect.scoped, Effect.mapError(storageError("open", folder)), Effect.uninterruptible)

const pattern = Uint8Array.from({ length: 4096 }, (_, index) => (index * 31) & 0xff)

/**
 * Writes a file of 4 KiB in an existing `folder`, fsyncs it and reads it back. Fails with `StorageError` when a step fails,
 * or when it reads other bytes.
 */
export const tryFile = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  folder: string
): Effect.Effect<void, StorageError> =>
  Effect.gen(function* () {
    const file = yield* temporary(fs, path, folder)
    const written: Effect.Effect<void, PlatformError> = Effect.scoped(
      Effect.flatMap(fs.open(file, { flag: "wx" }), (handle) => Effect.andThen(handle.writeAll(pattern), handle.sync))
    )
    const read = yield* Effect.mapError(Effect.andThen(written, fs.readFile(file)), storageError("open", folder))
    if (Bytes.Equivalence(read, pattern)) return
    const reason = new IoFailure({ code: "it reads other bytes than were written" })
    return yield* new StorageError({ operation: "open", key: folder, reason })
  }).pipe(Effect.scoped, Effect.uninterruptible)
