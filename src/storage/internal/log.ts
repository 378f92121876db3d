/**
 * A file to which bytes are only added.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type { Appender } from "../Storage.ts"
import type { StorageError } from "../StorageError.ts"
import { type StorageFolder, syncFile, syncFolder } from "./storageFolder.ts"

interface Log {
  readonly place: StorageFolder
  readonly file: FileSystem.File
}

/**
 * Opens the file, made when it is missing, in a folder that exists. Its name is then as durable as the storage makes
 * names.
 */
export const open = Effect.fnUntraced(function* (place: StorageFolder, path: string) {
  const file = yield* place.fs.open(path, { flag: "a" })
  yield* syncFolder(place, place.path.dirname(path))
  const log: Log = { place, file }
  return log
}, Effect.uninterruptible)

/** The log in the form of `Storage`. */
export const appender = ({ file, place }: Log, fail: (error: PlatformError) => StorageError): Appender => ({
  append: (bytes) => Effect.uninterruptible(Effect.mapError(file.writeAll(bytes), fail)),
  sync: Effect.uninterruptible(Effect.mapError(syncFile(place, file), fail))
})
