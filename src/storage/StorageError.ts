/**
 * The failure of every storage operation. Its reason says whether the failure may pass, so that a retry makes sense.
 *
 * Reasons come from the `errno` code of the system, never from the text of a message.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Storage } from "tickvault/storage/Storage"
 * import type { StorageKey } from "tickvault/storage/StorageKey"
 *
 * export const removeIfAllowed = (key: StorageKey) =>
 *   Storage.use((storage) => storage.remove(key)).pipe(
 *     Effect.catchReason("StorageError", "PermissionDenied", () => Effect.succeed(false))
 *   )
 * ```
 */
import * as Schema from "effect/Schema"

/** The medium is full, or the quota used up. Passes when room is made. */
export class NoSpace extends Schema.TaggedError<NoSpace>()("NoSpace", { code: Schema.String }) {
  readonly isRetryable = true
  readonly errorType = "no_space"
  override get message() {
    return `no space left (${this.code}): make room on the disk`
  }
}

/** The medium failed to read or write. May pass on its own. */
export class IoFailure extends Schema.TaggedError<IoFailure>()("IoFailure", { code: Schema.String }) {
  readonly isRetryable = true
  readonly errorType = "io"
  override get message() {
    return `the medium failed (${this.code}): check the disk and the mount`
  }
}

/** The medium did not answer in time. */
export class TimedOut extends Schema.TaggedError<TimedOut>()("TimedOut", { code: Schema.String }) {
  readonly isRetryable = true
  readonly errorType = "timeout"
  override get message() {
    return `no answer in time (${this.code}): check the disk and the mount`
  }
}

/** The connection to the medium broke: a network file system went away, a handle became stale. */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", { code: Schema.String }) {
  readonly isRetryable = true
  readonly errorType = "io"
  override get message() {
    return `the connection to the medium broke (${this.code}): check the mount`
  }
}

/** The process or the system has too few file handles or too little memory. Passes when others are closed. */
export class Throttled extends Schema.TaggedError<Throttled>()("Throttled", { code: Schema.String }) {
  readonly isRetryable = true
  readonly errorType = "throttled"
  override get message() {
    return `too many open files or too little memory (${this.code}): raise the limit (ulimit -n) or close others`
  }
}

/** A batch can't be compressed: most likely there is no memory for it. May pass on its own. */
export class CompressionFailed extends Schema.TaggedError<CompressionFailed>()("CompressionFailed", {
  code: Schema.String
}) {
  readonly isRetryable = true
  readonly errorType = "other"
  override get message() {
    return `compressing failed (${this.code}): free memory, or set a lower compressionLevel, or set compression to "none"`
  }
}

/** The folder was removed meanwhile. The next attempt creates it again. */
export class FolderMissing extends Schema.TaggedError<FolderMissing>()("FolderMissing", { code: Schema.String }) {
  readonly isRetryable = true
  readonly errorType = "io"
  override get message() {
    return `the folder is gone (${this.code}): it will be made again`
  }
}

/** The system refuses the operation to this process. */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", {
  code: Schema.String
}) {
  readonly isRetryable = false
  readonly errorType = "permission"
  override get message() {
    return `permission denied (${this.code}): give the user that runs tickvault the right to read and write there`
  }
}

/** The medium is mounted read-only. */
export class ReadOnly extends Schema.TaggedError<ReadOnly>()("ReadOnly", { code: Schema.String }) {
  readonly isRetryable = false
  readonly errorType = "permission"
  override get message() {
    return `the file system is read-only (${this.code}): mount it writable or choose another folder`
  }
}

/** There can be no object at this path: a part of the path is no folder, or the name is too long. */
export class InvalidPlace extends Schema.TaggedError<InvalidPlace>()("InvalidPlace", { code: Schema.String }) {
  readonly isRetryable = false
  readonly errorType = "other"
  override get message() {
    return `no object can lie there (${this.code}): a part of the path is no folder, or the name is too long`
  }
}

/** The key has other bytes already. Never retried: the first of two objects keeps the name. */
export class KeyConflict extends Schema.TaggedError<KeyConflict>()("KeyConflict", {}) {
  readonly isRetryable = false
  readonly errorType = "other"
  override get message() {
    return "the key holds different bytes already, and objects are never overwritten: compare the two"
  }
}

/** Nothing is stored under the key. */
export class ObjectMissing extends Schema.TaggedError<ObjectMissing>()("ObjectMissing", {}) {
  readonly isRetryable = false
  readonly errorType = "other"
  override get message() {
    return "nothing is stored under this key: list the keys that exist"
  }
}

/** The stored object is not in the delimited format, or cut. */
export class ObjectDamaged extends Schema.TaggedError<ObjectDamaged>()("ObjectDamaged", { problem: Schema.String }) {
  readonly isRetryable = false
  readonly errorType = "other"
  override get message() {
    return `what is stored is damaged: ${this.problem}`
  }
}

/** All reasons. */
export const Reason = Schema.Union([
  NoSpace,
  IoFailure,
  TimedOut,
  ConnectionLost,
  Throttled,
  CompressionFailed,
  FolderMissing,
  PermissionDenied,
  ReadOnly,
  InvalidPlace,
  KeyConflict,
  ObjectMissing,
  ObjectDamaged
])

export type Reason = typeof Reason.Type

/** Match on `reason` with `Effect.catchReason`. */
export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  operation: Schema.Literals([
    "open",
    "create",
    "write",
    "commit",
    "append",
    "read",
    "list",
    "stat",
    "remove",
    "secure",
    "set-aside"
  ]),
  /** The key. The prefix or the folder when the operation has no key. */
  key: Schema.String,
  reason: Reason,
  /** The error of the system, if any. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }

  override get message() {
    return `storage ${this.operation} of "${this.key}" failed: ${this.reason.message}`
  }
}

/** The reason for an `errno` code. An unknown code counts as an I/O failure. */
export const reasonOf = (code: string): Reason => {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new NoSpace({ code })
    case "ETIMEDOUT":
      return new TimedOut({ code })
    case "ECONNRESET":
    case "ECONNREFUSED":
    case "ECONNABORTED":
    case "ENOTCONN":
    case "EHOSTDOWN":
    case "EHOSTUNREACH":
    case "ESTALE":
    case "EINTR":
    case "EAGAIN":
      return new ConnectionLost({ code })
    case "EMFILE":
    case "ENFILE":
    case "ENOMEM":
    case "ENOBUFS":
    case "EBUSY":
      return new Throttled({ code })
    case "ENOENT":
      return new FolderMissing({ code })
    case "EACCES":
    case "EPERM":
      return new PermissionDenied({ code })
    case "EROFS":
      return new ReadOnly({ code })
    case "ENAMETOOLONG":
    case "ENOTDIR":
    case "EISDIR":
    case "ELOOP":
    case "EINVAL":
    case "EEXIST":
    case "EXDEV":
      return new InvalidPlace({ code })
    default:
      return new IoFailure({ code })
  }
}
