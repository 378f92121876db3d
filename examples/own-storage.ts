/** A storage of one's own: objects in a SQLite database, each in the pieces in which it was written. */
// @effect-diagnostics nodeBuiltinImport:off
import { DatabaseSync } from "node:sqlite"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Storage, type Writer } from "tickvault/storage/Storage"
import { IoFailure, KeyConflict, NoSpace, ObjectMissing, StorageError } from "tickvault/storage/StorageError"
import type { StorageKey } from "tickvault/storage/StorageKey"

/** Pieces whose key is set aside have a number there; all others have 0. */
const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS pieces (key TEXT, aside INTEGER, number INTEGER, bytes BLOB, PRIMARY KEY (key, aside, number));`

const fullDisk = 13

/** What SQLite throws, as the error of the port: its reason says whether it is worth trying again. */
const failure = (operation: StorageError["operation"], key: string) => (cause: unknown) => {
  const code = cause instanceof Error && "errcode" in cause ? Number(cause.errcode) : 0
  const reason = code === fullDisk ? new NoSpace({ code: "SQLITE_FULL" }) : new IoFailure({ code: `SQLITE_${code}` })
  return new StorageError({ operation, key, reason, cause })
}

const attempt = <A>(operation: StorageError["operation"], key: string, run: () => A) =>
  Effect.try({ try: run, catch: failure(operation, key) })

const missing = (operation: StorageError["operation"], key: string) =>
  new StorageError({ operation, key, reason: new ObjectMissing() })

interface Piece {
  readonly key: StorageKey
  readonly bytes: Uint8Array
}

const make = (file: string) =>
  Effect.gen(function* () {
    const database = yield* Effect.acquireRelease(
      Effect.sync(() => new DatabaseSync(file)),
      (open) => Effect.sync(() => open.close())
    )
    database.exec(schema)
    const pieces = database.prepare("SELECT key, bytes FROM pieces WHERE key = ? AND aside = 0 ORDER BY number")
    const keys = database.prepare("SELECT DISTINCT key FROM pieces WHERE key >= ? AND aside = 0 ORDER BY key")
    const insert = database.prepare(
      "INSERT INTO pieces SELECT ?1, 0, COALESCE(MAX(number), 0) + 1, ?2 FROM pieces WHERE key = ?1 AND aside = 0"
    )
    const drop = database.prepare("DELETE FROM pieces WHERE key = ? AND aside = 0")
    const hide = database.prepare(
      "UPDATE pieces SET aside = (SELECT MAX(aside) + 1 FROM pieces WHERE key = ?1) WHERE key = ?1 AND aside = 0"
    )

    const piecesOf = (key: StorageKey) => pieces.all(key) as unknown as ReadonlyArray<Piece>
    const bytesOf = (key: StorageKey) => {
      const found = piecesOf(key)
      return found.length === 0 ? undefined : Bytes.concat(found.map(({ bytes }) => bytes))
    }

    /** Node's SQLite does one call at a time, so nobody comes between the look and the insertion. */
    const commit = (key: StorageKey, bytes: Uint8Array) =>
      Effect.flatMap(
        attempt("commit", key, () => {
          const there = bytesOf(key)
          if (there !== undefined) return Bytes.Equivalence(there, bytes) ? ("identical" as const) : ("taken" as const)
          insert.run(key, bytes)
          return "created" as const
        }),
        (outcome) =>
          outcome === "taken"
            ? Effect.fail(new StorageError({ operation: "commit", key, reason: new KeyConflict() }))
            : Effect.succeed({ outcome, bytes: bytes.length })
      )

    return Storage.of({
      name: "sqlite",
      location: file,
      create: (key) =>
        Effect.sync((): Writer => {
          const written: Array<Uint8Array> = []
          return {
            write: (bytes) => Effect.sync(() => void written.push(bytes.slice())),
            commit: Effect.suspend(() => commit(key, Bytes.concat(written)))
          }
        }),
      read: (key) =>
        Stream.unwrap(
          Effect.map(
            attempt("read", key, () => piecesOf(key)),
            (found) =>
              found.length === 0
                ? Stream.fail(missing("read", key))
                : Stream.fromIterable(found.map(({ bytes }) => bytes))
          )
        ),
      list: (prefix) =>
        Stream.unwrap(
          Effect.map(
            attempt("list", prefix, () => keys.all(prefix) as unknown as ReadonlyArray<Piece>),
            (found) => Stream.fromIterable(found.map(({ key }) => key).filter((key) => key.startsWith(prefix)))
          )
        ),
      stat: (key) =>
        Effect.map(
          attempt("stat", key, () => bytesOf(key)),
          (bytes) => (bytes === undefined ? undefined : { bytes: bytes.length, modifiedAtMs: undefined })
        ),
      append: (key) =>
        Effect.as(
          attempt("append", key, () => (piecesOf(key).length === 0 ? insert.run(key, new Uint8Array()) : undefined)),
          {
            append: (bytes) => Effect.asVoid(attempt("append", key, () => insert.run(key, bytes))),
            sync: Effect.void // each insertion is durable
          }
        ),
      secure: () => Effect.void,
      remove: (key) => attempt("remove", key, () => Number(drop.run(key).changes) > 0),
      setAside: (key) =>
        Effect.flatMap(
          attempt("set-aside", key, () => Number(hide.run(key).changes)),
          (moved) => (moved === 0 ? Effect.fail(missing("set-aside", key)) : Effect.succeed(`${file}, set aside`))
        )
    })
  })

/** Keeps objects in the SQLite database `file`; ":memory:" is a database that is gone when the layer's scope closes. */
export const layer = (file: string): Layer.Layer<Storage> => Layer.effect(Storage, make(file))
