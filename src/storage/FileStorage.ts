/**
 * Objects as files in one folder.
 *
 * A commit is atomic and durable, and never overwrites. It writes the bytes to a temporary file with a unique name in the
 * folder of the key, fsyncs the file, *links* it to the final name, and fsyncs the folder. A link fails when the name is
 * taken; a rename would not. When the key holds the same bytes, the commit has happened before, and succeeds. With other
 * bytes it fails with `KeyConflict`. Several processes may share a folder, because there are no locks.
 *
 * That is the promise of `durability` "full" on a file system that has hard links and can fsync folders. `Medium` tries
 * both at start. Without hard links a commit reserves its name with an empty file first, and a warning says what is
 * weaker. A start removes old temporary files that a crash left behind.
 *
 * ```ts
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import * as Layer from "effect/Layer"
 * import * as FileStorage from "tickvault/storage/FileStorage"
 *
 * export const storage = FileStorage.layer({ rootDirectory: "./runs", durability: "file" }).pipe(
 *   Layer.provide(NodeServices.layer)
 * )
 * ```
 */
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as OptionConfig from "../domain/OptionConfig.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import * as AtomicWriter from "./internal/atomicWriter.ts"
import { storageError } from "./internal/fileErrors.ts"
import * as Log from "./internal/log.ts"
import * as Names from "./internal/names.ts"
import { type StorageFolder, syncFile, syncFolder } from "./internal/storageFolder.ts"
import * as Leftovers from "./Leftovers.ts"
import * as Medium from "./Medium.ts"
import { Storage } from "./Storage.ts"
import type { StorageError } from "./StorageError.ts"
import type * as StorageKey from "./StorageKey.ts"
import * as StorageMetrics from "./StorageMetrics.ts"
import * as StoredFiles from "./StoredFiles.ts"

/** Settings of a folder of stored objects. */
export const Options = Schema.Struct({
  /** Folder of the runs. Created when it is missing. Default "./data". */
  rootDirectory: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("./data"))),
  /**
   * Age at which a start removes a temporary file as the leftover of a crash. Default "1 hour". Too low: the start may
   * remove the file of a slow write of another process. That write then fails and is retried.
   */
  temporaryFileMaxAge: OptionSchema.duration(Duration.hours(1)),
  /**
   * What is durable before a commit, a removal or a `sync` succeeds. "full": the file and its name in the folder. "file":
   * only the file. "none": neither. At any setting, what succeeded survives the end of the process. A power cut may take
   * what is not durable: with "file" the name of an object, with "none" its bytes too. Default "full".
   */
  durability: Medium.Durability.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("full" as const)))
})

/** A storage in a folder, and the abilities of its file system. */
export type FileStorage = Storage["Service"] & { readonly medium: Medium.Medium }

/** Creates `folder` and missing folders above it, each durable in its parent. */
const makeFolder = Effect.fnUntraced(function* (place: StorageFolder, folder: string) {
  const { fs, path } = place
  const missing: Array<string> = []
  for (let one = folder; !(yield* fs.exists(one)); one = path.dirname(one)) missing.push(one)
  for (const one of missing.toReversed()) {
    // Another process may create it at the same time.
    yield* fs.makeDirectory(one).pipe(Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.void))
    yield* syncFolder(place, path.dirname(one))
  }
})

/** Creates the root folder, checks that it can be used, and removes leftovers of crashes. */
const open = Effect.fnUntraced(function* (place: StorageFolder, root: string, maxAge: Duration.Duration) {
  const { fs } = place
  yield* makeFolder(place, root)
  yield* fs.access(root, { readable: true, writable: true })
  const beforeMs = (yield* Clock.currentTimeMillis) - Duration.toMillis(maxAge)
  const removed = yield* Leftovers.sweep(root, beforeMs)
  yield* place.metrics.recovered(removed)
  if (removed === 0) return
  yield* Effect.logInfo("Removed temporary files that an earlier crash left behind").pipe(
    Effect.annotateLogs({ storage: place.storage, folder: root, files: removed })
  )
})

/** The abilities of the folder's file system. When they can't be tried now (a full disk), it assumes all of them. */
const probe = Effect.fnUntraced(function* (place: StorageFolder, root: string) {
  const abilities = yield* Medium.probe(place.fs, place.path, root).pipe(
    Effect.catchIf(
      (error) => error.isRetryable,
      () => Effect.succeed(Medium.able)
    )
  )
  const medium: Medium.Medium = { ...abilities, durability: place.medium.durability }
  yield* Effect.forEach(Medium.shortfalls(medium), (shortfall) => Effect.logWarning(shortfall), { discard: true }).pipe(
    Effect.annotateLogs({ storage: place.storage, folder: root })
  )
  return medium
})

/** The folders of objects in the storage's root folder. */
const makeFolders = (place: StorageFolder, root: string) => {
  const { fs, path } = place
  const durable = new Set<string>()
  return {
    /** Creates `folder` and missing folders above it, durable before anything is put into it. */
    ensure: Effect.fnUntraced(function* (folder: string) {
      if (durable.has(folder)) return
      yield* fs.makeDirectory(folder, { recursive: true })
      for (let made = folder; made.length > root.length; made = path.dirname(made)) {
        yield* syncFolder(place, path.dirname(made))
      }
      durable.add(folder)
    }),
    /** Checks `folder` again the next time: it may have been removed. */
    forget: (folder: string) => Effect.sync(() => durable.delete(folder))
  }
}

type PathOf = (key: StorageKey.StorageKey) => string

/** The operations that write objects and logs. */
const writing = (place: StorageFolder, root: string, pathOf: PathOf): Pick<FileStorage, "create" | "append"> => {
  const folders = makeFolders(place, root)
  return {
    create: Effect.fn("Storage.create")(function* (key) {
      yield* Effect.annotateCurrentSpan({ key })
      const final = pathOf(key)
      const folder = place.path.dirname(final)
      yield* Effect.mapError(folders.ensure(folder), storageError("create", key))
      return yield* Effect.tapError(AtomicWriter.open(place, key, final), () => folders.forget(folder))
    }),
    append: Effect.fn("Storage.append")(function* (key) {
      yield* Effect.annotateCurrentSpan({ key })
      const final = pathOf(key)
      const folder = place.path.dirname(final)
      const fail = storageError("append", key)
      yield* Effect.mapError(folders.ensure(folder), fail)
      return yield* Effect.tapError(Effect.mapError(Log.open(place, final), fail), () => folders.forget(folder)).pipe(
        Effect.map((log) => Log.appender(log, fail))
      )
    })
  }
}

/** The operations that change existing objects. */
const changing = (place: StorageFolder, pathOf: PathOf): Pick<FileStorage, "secure" | "remove" | "setAside"> => {
  const { fs, path } = place
  return {
    secure: Effect.fn("Storage.secure")(function* (key) {
      yield* Effect.annotateCurrentSpan({ key })
      const file = pathOf(key)
      yield* Effect.scoped(Effect.flatMap(fs.open(file), (handle) => syncFile(place, handle))).pipe(
        Effect.andThen(syncFolder(place, path.dirname(file))),
        Effect.catchReason("PlatformError", "NotFound", () => Effect.void),
        Effect.mapError(storageError("secure", key)),
        Effect.uninterruptible
      )
    }),
    remove: Effect.fn("Storage.remove")(function* (key) {
      yield* Effect.annotateCurrentSpan({ key })
      const file = pathOf(key)
      return yield* fs.remove(file).pipe(
        Effect.andThen(syncFolder(place, path.dirname(file))),
        Effect.as(true),
        Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed(false)),
        Effect.mapError(storageError("remove", key)),
        Effect.uninterruptible
      )
    }),
    setAside: Effect.fn("Storage.setAside")(function* (key) {
      yield* Effect.annotateCurrentSpan({ key })
      return yield* Names.setAside(place, pathOf(key)).pipe(
        Effect.mapError(storageError("set-aside", key)),
        Effect.uninterruptible
      )
    })
  }
}

/** Like `make`, with decoded options. */
export const makeWith = Effect.fnUntraced(function* (name: string, options: typeof Options.Type) {
  const { durability, rootDirectory, temporaryFileMaxAge } = options
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = path.resolve(rootDirectory)
  const pathOf: PathOf = (key) => path.join(root, ...key.split("/"))
  const opening: StorageFolder = {
    storage: name,
    fs,
    path,
    metrics: yield* StorageMetrics.make(name),
    medium: { ...Medium.able, durability },
    naming: yield* Semaphore.make(1)
  }
  yield* Effect.mapError(open(opening, root, temporaryFileMaxAge), storageError("open", root))
  const place: StorageFolder = { ...opening, medium: yield* probe(opening, root) }

  const storage: FileStorage = {
    medium: place.medium,
    name,
    location: root,
    ...StoredFiles.reading(fs, path, root),
    ...writing(place, root, pathOf),
    ...changing(place, pathOf)
  }
  return storage
})

/** Makes the storage `name`. Fails with `StorageError` when the folder can't be created, read or written. */
export const make = (name: string, options: typeof Options.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) => makeWith(name, decoded))

/** A folder of objects under the name "files". Fails when an option is bad or the folder can't be used. */
export const layer = (
  options: typeof Options.Encoded = {}
): Layer.Layer<Storage, Schema.SchemaError | StorageError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(Storage, make("files", options))

/**
 * Like `layer`, but environment variables override `options`. They contain `name`, the name of the storage:
 * `TICKVAULT_STORAGE_MAIN_ROOT_DIRECTORY` by default. Fails with `ConfigError`, which names each wrong variable.
 */
export const layerConfig = (
  name = "storage-main",
  options: typeof Options.Encoded = {}
): Layer.Layer<Storage, Config.ConfigError | StorageError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    Storage,
    Effect.flatMap(OptionConfig.of(Options, name, options), (decoded) => makeWith(name, decoded))
  )
