/**
 * What `FileStorage` does with files beyond single calls of the file system.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { codeOf } from "./fileErrors.ts"

type Fs = FileSystem.FileSystem

/**
 * Makes the entries of `folder` durable. Where the system can't fsync a folder (`EINVAL`, `ENOTSUP`, and Windows, which
 * refuses to open one) there is nothing to be done and it succeeds.
 */
export const syncFolder = (fs: Fs, folder: string): Effect.Effect<void, PlatformError> =>
  Effect.scoped(Effect.flatMap(fs.open(folder), (handle) => handle.sync)).pipe(
    Effect.catchIf(
      (error) => ["EINVAL", "ENOTSUP", "EISDIR"].includes(codeOf(error)),
      () => Effect.void
    )
  )

const compareChunkBytes = 1024 * 1024

/** Whether two files hold the same bytes, read side by side in chunks. */
export const sameBytes = (fs: Fs, left: string, right: string): Effect.Effect<boolean, PlatformError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const a = yield* fs.open(left)
      const b = yield* fs.open(right)
      if ((yield* a.stat).size !== (yield* b.stat).size) return false
      while (true) {
        const chunkA = Option.getOrUndefined(yield* a.readAlloc(compareChunkBytes))
        if (chunkA === undefined) return true
        const chunkB = Option.getOrUndefined(yield* readExactly(b, chunkA.length))
        if (chunkB === undefined || !Bytes.Equivalence(chunkA, chunkB)) return false
      }
    })
  )

/** Reads `size` bytes, however many calls it takes; fewer at the end of the file. */
const readExactly = Effect.fnUntraced(function* (file: FileSystem.File, size: number) {
  const whole = new Uint8Array(size)
  let filled = 0
  while (filled < size) {
    const read = yield* file.read(whole.subarray(filled))
    if (read === 0) return Option.none<Uint8Array>()
    filled += read
  }
  return Option.some(whole)
})

/**
 * Moves `file` into the hidden folder `.set-aside` beside it, under a name that is free there; gives its new place. The
 * link is made before the old name goes, so that the bytes have a name at any moment.
 */
export const setAside = Effect.fnUntraced(function* (fs: Fs, path: Path.Path, file: string) {
  const folder = path.join(path.dirname(file), ".set-aside")
  yield* fs.makeDirectory(folder, { recursive: true })
  for (let number = 1; ; number++) {
    const place = path.join(folder, `${path.basename(file)}.${number}`)
    const linked = yield* fs.link(file, place).pipe(
      Effect.as(true),
      Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.succeed(false))
    )
    if (!linked) continue
    yield* syncFolder(fs, folder)
    yield* fs.remove(file)
    return place
  }
})

/**
 * The files below `root` as paths relative to it, with "/" between the segments, in ascending order, as far as they
 * start with `prefix`. Entries whose name begins with "." are internal and left out; a folder that goes away meanwhile
 * is empty.
 */
export const walk = (fs: Fs, path: Path.Path, root: string, prefix: string): Stream.Stream<string, PlatformError> => {
  const within = (relative: string): Stream.Stream<string, PlatformError> =>
    Stream.unwrap(
      fs.readDirectoryEntries(path.join(root, relative)).pipe(
        Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed<Array<FileSystem.DirectoryEntry>>([])),
        Effect.map((entries) => {
          const names = entries
            .filter(({ name }) => !name.startsWith("."))
            .map(({ name, type }) => `${relative}${name}${type === "Directory" ? "/" : ""}`)
            .filter((name) => name.startsWith(prefix) || (name.endsWith("/") && prefix.startsWith(name)))
            .sort()
          return Stream.flatMap(Stream.fromIterable(names), (name) =>
            name.endsWith("/") ? within(name) : Stream.succeed(name)
          )
        })
      )
    )
  return within("")
}
