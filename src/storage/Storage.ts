/**
 * Durable, write-once storage of objects.
 *
 * The port between the pipeline and the place of its bytes: the contract, and an implementation in memory. `FileStorage` is
 * the durable implementation. All implementations pass the same contract suite.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import * as Storage from "tickvault/storage/Storage"
 * import * as StorageKey from "tickvault/storage/StorageKey"
 *
 * export const writeAndList = Effect.gen(function* () {
 *   const storage = yield* Storage.Storage
 *   yield* Storage.write(storage, yield* StorageKey.parse("run-1/notes.txt"), [new TextEncoder().encode("hello")])
 *   return yield* Stream.runCollect(storage.list("run-1/"))
 * }).pipe(Effect.provide(Storage.layerMemory))
 * ```
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { KeyConflict, ObjectMissing, StorageError } from "./StorageError.ts"
import type { StorageKey } from "./StorageKey.ts"

/** The outcome of a commit: the object is new, or the same bytes were stored already. */
export interface Committed {
  readonly outcome: "created" | "identical"
  /** Size of the object. */
  readonly bytes: number
}

/** An object that is being written. It is invisible before `commit`. Closing its scope without a commit leaves nothing. */
export interface Writer {
  /** Appends `bytes`. Don't change them before this completes. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, StorageError>

  /**
   * Publishes the whole object under its key. Never replaces another object. After success the object survives a crash.
   * Not interruptible. Fails with `KeyConflict` when the key holds other bytes. After any other failure the object may be
   * stored or not: write it again to find out. Call it once.
   */
  readonly commit: Effect.Effect<Committed, StorageError>
}

/** A log: bytes are only added at its end. Only one process may have it open. */
export interface Appender {
  /**
   * Adds `bytes` at the end, in one piece. Readers see them at once. After a failure a part of them may be written:
   * continue with another log. Not interruptible.
   */
  readonly append: (bytes: Uint8Array) => Effect.Effect<void, StorageError>

  /** Makes all appended bytes survive a crash of the system. Not interruptible. */
  readonly sync: Effect.Effect<void, StorageError>
}

/** What is known about a stored object without reading it. */
export interface Stat {
  readonly bytes: number
  /** The time of the last write, in milliseconds since 1970. `undefined` when the storage doesn't know. */
  readonly modifiedAtMs: number | undefined
}

/**
 * The owner of the memory of an object's chunks. "kept", the default: the reader, without time limit. "lent": the
 * storage, which may overwrite a chunk when the reader asks for the next. A `Room`: the reader, who provides the memory.
 */
export type Chunks = "kept" | "lent" | Room

/** Returns memory to read into, at least one byte. It is called again only when that memory is full. */
export type Room = () => Uint8Array

export class Storage extends Context.Service<
  Storage,
  {
    /** The name in log lines and metrics. */
    readonly name: string

    /** The place of the objects, as text for people: a folder, "memory". */
    readonly location: string

    /** Begins an object. */
    readonly create: (key: StorageKey) => Effect.Effect<Writer, StorageError, Scope.Scope>

    /**
     * The bytes of an object in chunks, never all at once. Fails with `ObjectMissing` when there is none. A storage
     * may ignore "lent" and a `Room`, and return "kept" chunks.
     */
    readonly read: (key: StorageKey, chunks?: Chunks) => Stream.Stream<Uint8Array, StorageError>

    /** Keys that start with `prefix`, in ascending order. */
    readonly list: (prefix: string) => Stream.Stream<StorageKey, StorageError>

    /** Size and age of an object. `undefined` when there is none. */
    readonly stat: (key: StorageKey) => Effect.Effect<Stat | undefined, StorageError>

    /**
     * Opens the log under `key` to add to its end. Creates it when it is missing. The name of the log survives a crash. For
     * its bytes see `sync`. A log is read and listed like an object. A key holds either an object or a log.
     */
    readonly append: (key: StorageKey) => Effect.Effect<Appender, StorageError, Scope.Scope>

    /**
     * Makes an object survive a crash. For an object whose commit did not report success, such as one that failed late or
     * was abandoned. Does nothing when there is none.
     */
    readonly secure: (key: StorageKey) => Effect.Effect<void, StorageError>

    /** Removes an object durably. `false` when there was none. */
    readonly remove: (key: StorageKey) => Effect.Effect<boolean, StorageError>

    /**
     * Sets a damaged object aside, durably: its key is free again, and its bytes are kept without a key. Succeeds
     * with the new place, as text for people. Fails with `ObjectMissing` when there is none.
     */
    readonly setAside: (key: StorageKey) => Effect.Effect<string, StorageError>
  }
>()("tickvault/storage/Storage") {}

/** Creates, writes and commits one object. When interrupted before the commit, it leaves nothing. */
export const write = (
  storage: Storage["Service"],
  key: StorageKey,
  pieces: Iterable<Uint8Array>
): Effect.Effect<Committed, StorageError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const writer = yield* storage.create(key)
      for (const piece of pieces) yield* writer.write(piece)
      return yield* writer.commit
    })
  )

/** Whether there is an object under `key`. */
export const exists = (storage: Storage["Service"], key: StorageKey): Effect.Effect<boolean, StorageError> =>
  Effect.map(storage.stat(key), (stat) => stat !== undefined)

type Objects = Map<StorageKey, Uint8Array>

/** Writes one object into memory. */
const writerInto = (objects: Objects, key: StorageKey): Writer => {
  const pieces: Array<Uint8Array> = []
  return {
    write: (bytes) => Effect.sync(() => void pieces.push(bytes.slice())),
    commit: Effect.suspend((): Effect.Effect<Committed, StorageError> => {
      const bytes = Bytes.concat(pieces)
      const stored = objects.get(key)
      if (stored !== undefined && !Bytes.Equivalence(stored, bytes)) {
        return Effect.fail(new StorageError({ operation: "commit", key, reason: new KeyConflict() }))
      }
      objects.set(key, bytes)
      return Effect.succeed({ outcome: stored === undefined ? "created" : "identical", bytes: bytes.length })
    }).pipe(Effect.withSpan("Storage.commit", { attributes: { key } }))
  }
}

/** Appends to one log in memory. */
const appenderTo = (objects: Objects, key: StorageKey): Appender => {
  const log = () => objects.get(key) ?? new Uint8Array()
  objects.set(key, log())
  return {
    append: (bytes) => Effect.sync(() => void objects.set(key, Bytes.concat([log(), bytes]))),
    sync: Effect.void
  }
}

const inMemory = (name: string) => {
  const objects: Objects = new Map()
  let setAside = 0

  return Storage.of({
    name,
    location: "memory",
    create: Effect.fn("Storage.create")((key) => Effect.sync(() => writerInto(objects, key))),
    read: (key) =>
      Stream.suspend(() => {
        const bytes = objects.get(key)
        return bytes === undefined
          ? Stream.fail(new StorageError({ operation: "read", key, reason: new ObjectMissing() }))
          : Stream.succeed(bytes.slice())
      }),
    list: (prefix) =>
      Stream.suspend(() => Stream.fromIterable([...objects.keys()].filter((key) => key.startsWith(prefix)).sort())),
    stat: (key) =>
      Effect.sync(() => {
        const bytes = objects.get(key)
        return bytes === undefined ? undefined : { bytes: bytes.length, modifiedAtMs: undefined }
      }),
    append: (key) => Effect.sync(() => appenderTo(objects, key)),
    secure: () => Effect.void,
    remove: (key) => Effect.sync(() => objects.delete(key)),
    setAside: (key) =>
      Effect.suspend(() =>
        objects.delete(key)
          ? Effect.succeed(`memory, set aside ${++setAside}`)
          : Effect.fail(new StorageError({ operation: "set-aside", key, reason: new ObjectMissing() }))
      )
  })
}

/** Makes a storage that keeps its objects in process memory. */
export const makeMemory = (name: string): Effect.Effect<Storage["Service"]> => Effect.sync(() => inMemory(name))

/** Keeps objects in process memory. They are gone when the process ends. */
export const layerMemory: Layer.Layer<Storage> = Layer.effect(Storage, makeMemory("memory"))
