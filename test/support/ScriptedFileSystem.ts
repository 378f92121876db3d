import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"

/** The calls by which `FileStorage` changes anything, and how it names them in the record. */
export type Call = "mkdir" | "open" | "write" | "sync" | "close" | "link" | "remove" | "rename" | "truncate" | "copy"

interface Fault {
  readonly call: Call
  readonly path: RegExp
  /** None for a call that hangs. */
  readonly code?: string
  readonly always: boolean
  readonly met?: Deferred.Deferred<void>
}

/** A file system of the machine that keeps a record of what is done to it, and fails where a test says so. */
export class ScriptedFileSystem extends Context.Service<
  ScriptedFileSystem,
  {
    /** The next `call` on a path that `path` matches fails with the `errno` code. */
    readonly fail: (call: Call, path: RegExp, code: string) => Effect.Effect<void>

    /** Each `call` on a path that `path` matches fails with the `errno` code from now on. */
    readonly failAlways: (call: Call, path: RegExp, code: string) => Effect.Effect<void>

    /** The next `call` on a path that `path` matches never answers and can't be interrupted; the result waits for it. */
    readonly hang: (call: Call, path: RegExp) => Effect.Effect<Effect.Effect<void>>

    /** What was done since the last time, with paths below `root` relative to it and temporary names as "TMP". */
    readonly takeRecord: (root: string) => Effect.Effect<ReadonlyArray<string>>
  }
>()("tickvault/test/ScriptedFileSystem") {}

const tags: Record<string, PlatformError.SystemErrorTag> = {
  EEXIST: "AlreadyExists",
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EISDIR: "BadResource",
  ENOTDIR: "BadResource",
  EBUSY: "Busy"
}

/** The error of Effect's file system for an `errno` code. */
export const systemError = (method: string, path: string, code: string) =>
  PlatformError.systemError({
    _tag: tags[code] ?? "Unknown",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    cause: Object.assign(new Error(`${code}: ${method}`), { code })
  })

const script = (fs: FileSystem.FileSystem) => {
  const record: Array<readonly [call: Call, ...paths: Array<string>]> = []
  const faults: Array<Fault> = []

  const step = (call: Call, ...paths: Array<string>) =>
    Effect.suspend(() => {
      record.push([call, ...paths])
      const index = faults.findIndex((fault) => fault.call === call && paths.some((path) => fault.path.test(path)))
      const fault = faults[index]
      if (fault?.always === false) faults.splice(index, 1)
      if (fault?.met !== undefined) {
        return Effect.uninterruptible(Effect.andThen(Deferred.succeed(fault.met, undefined), Effect.never))
      }
      return fault?.code === undefined ? Effect.void : Effect.fail(systemError(call, paths.join(" "), fault.code))
    })

  const file = (path: string, real: FileSystem.File): FileSystem.File => ({
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: real.stat,
    seek: (...args) => real.seek(...args),
    sync: Effect.andThen(step("sync", path), real.sync),
    read: (...args) => real.read(...args),
    readAlloc: (...args) => real.readAlloc(...args),
    truncate: (...args) => Effect.andThen(step("truncate", path), real.truncate(...args)),
    write: (...args) => Effect.andThen(step("write", path), real.write(...args)),
    writeAll: (...args) => Effect.andThen(step("write", path), real.writeAll(...args))
  })

  const scripted: FileSystem.FileSystem = {
    ...fs,
    makeDirectory: (path, options) => Effect.andThen(step("mkdir", path), fs.makeDirectory(path, options)),
    open: (path, options) =>
      step("open", path).pipe(
        Effect.andThen(fs.open(path, options)),
        Effect.tap(() => Effect.addFinalizer(() => Effect.orDie(step("close", path)))),
        Effect.map((real) => file(path, real))
      ),
    link: (from, to) => Effect.andThen(step("link", from, to), fs.link(from, to)),
    rename: (from, to) => Effect.andThen(step("rename", from, to), fs.rename(from, to)),
    copyFile: (from, to) => Effect.andThen(step("copy", from, to), fs.copyFile(from, to)),
    remove: (path, options) => Effect.andThen(step("remove", path), fs.remove(path, options))
  }

  const handle = ScriptedFileSystem.of({
    fail: (call, path, code) => Effect.sync(() => void faults.push({ call, path, code, always: false })),
    failAlways: (call, path, code) => Effect.sync(() => void faults.push({ call, path, code, always: true })),
    hang: (call, path) =>
      Effect.map(Deferred.make<void>(), (met) => {
        faults.push({ call, path, always: false, met })
        return Deferred.await(met)
      }),
    takeRecord: (root) =>
      Effect.sync(() =>
        record.splice(0).map((entry) =>
          entry
            .map((part) => (part === root ? "." : part.replace(`${root}/`, "")))
            .map((part) => part.replace(/\.tickvault-[0-9a-f]+\.tmp/u, "TMP"))
            .join(" ")
        )
      )
  })
  return Context.make(FileSystem.FileSystem, scripted).pipe(Context.add(ScriptedFileSystem, handle))
}

/** Puts the script around the file system of the context. */
export const layer: Layer.Layer<FileSystem.FileSystem | ScriptedFileSystem, never, FileSystem.FileSystem> =
  Layer.effectContext(Effect.map(FileSystem.FileSystem, script))
