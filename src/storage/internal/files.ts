/**
 * Operations of `FileStorage` that take more than one call of the file system.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as RunId from "../../domain/RunId.ts"
import { codeOf } from "./fileErrors.ts"

type Fs = FileSystem.FileSystem

/** Names of temporary files. No key can have such a name, and a start recognises them after a crash. */
export const temporaryName = /^\.tickvault-[0-9a-f]+\.tmp$/u

/** A new such name. */
export const makeTemporaryName = Effect.map(
  Effect.all([Random.nextInt, Random.nextInt]),
  (numbers) => `.tickvault-${numbers.map((number) => Math.abs(number).toString(16)).join("")}.tmp`
)

/**
 * Makes the entries of `folder` durable. `false` when the system can't fsync a folder (`EINVAL`, `ENOTSUP`, and Windows,
 * which refuses to open one).
 */
export const trySyncFolder = (fs: Fs, folder: string): Effect.Effect<boolean, PlatformError> =>
  Effect.scoped(Effect.flatMap(fs.open(folder), (handle) => handle.sync)).pipe(
    Effect.as(true),
    Effect.catchIf(
      (error) => ["EINVAL", "ENOTSUP", "EISDIR"].includes(codeOf(error)),
      () => Effect.succeed(false)
    )
  )

/** Makes the entries of `folder` durable, if that is possible. */
export const syncFolder = (fs: Fs, folder: string): Effect.Effect<void, PlatformError> =>
  Effect.asVoid(trySyncFolder(fs, folder))

const compareChunkBytes = 1024 * 1024

/** Whether two files have the same bytes. Reads both in chunks. */
export const sameBytes = (fs: Fs, left: string, right: string): Effect.Effect<boolean, PlatformError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const a = yield* fs.open(left)
      const b = yield* fs.open(right)
      if ((yield* a.stat).size !== (yield* b.stat).size) return false
      while (true) {
        const chunkA = Option.getOrUndefined(yield* a.readAlloc(compareChunkBytes))
        if (chunkA === undefined) return true
        const chunkB = yield* readExactly(b, chunkA.length)
        if (chunkB === undefined || !Bytes.Equivalence(chunkA, chunkB)) return false
      }
    })
  )

/** Reads exactly `size` bytes, with as many calls as needed. `undefined` when the file ends before. */
const readExactly = Effect.fnUntraced(function* (file: FileSystem.File, size: number) {
  const whole = new Uint8Array(size)
  let filled = 0
  while (filled < size) {
    const read = yield* file.read(whole.subarray(filled))
    if (read === 0) return undefined
    filled += read
  }
  return whole
})

/** `entry`, where a link has the type of its target. A link without a target stays a link. */
const followed = (fs: Fs, path: string, entry: FileSystem.DirectoryEntry) =>
  entry.type === "SymbolicLink"
    ? fs.stat(path).pipe(
        Effect.map(({ type }) => ({ ...entry, type })),
        Effect.orElseSucceed(() => entry)
      )
    : Effect.succeed(entry)

/** The largest number of files in one array. */
const maxPiece = 1024

/** Groups `names` in order: each folder (with "/" at its end) alone, and the files between folders in arrays. */
function* inPieces(names: ReadonlyArray<string>): Generator<string | Array<string>, void> {
  let files: Array<string> = []
  for (const name of names) {
    const isFolder = name.endsWith("/")
    if (!isFolder) files.push(name)
    if (files.length < maxPiece && !isFolder) continue
    if (files.length > 0) yield files
    files = []
    if (isFolder) yield name
  }
  if (files.length > 0) yield files
}

/** The names of files and folders that start with `start`, those of folders with "/" at their end, in ascending order. */
const namesOf = (entries: ReadonlyArray<FileSystem.DirectoryEntry>, start: string): ReadonlyArray<string> => {
  const names: Array<string> = []
  for (const { name, type } of entries) {
    if (name.startsWith(".") || !name.startsWith(start)) continue
    if (type === "File") names.push(name)
    else if (type === "Directory") names.push(`${name}/`)
  }
  return names.sort()
}

/** The entries of `relative`, a folder below `root`. Follows links. Empty when it is gone or not a folder. */
export const entriesOf = (fs: Fs, path: Path.Path, root: string, relative: string) =>
  fs.readDirectoryEntries(path.join(root, relative)).pipe(
    Effect.catchIf(
      ({ reason: { _tag } }) => _tag === "NotFound" || (relative !== "" && _tag === "BadResource"),
      () => Effect.succeed<Array<FileSystem.DirectoryEntry>>([])
    ),
    Effect.flatMap((entries) =>
      entries.some(({ type }) => type === "SymbolicLink")
        ? Effect.forEach(entries, (entry) => followed(fs, path.join(root, relative, entry.name), entry))
        : Effect.succeed(entries)
    )
  )

/**
 * The files below `root` as paths relative to it, with "/" between the segments, in ascending order, if they
 * start with `prefix`. It reads no folder above the last "/" in `prefix`. Entries whose name begins with "." are internal
 * and left out. So is everything that is neither a file nor a folder: to read a pipe may take forever. A folder that is
 * removed meanwhile counts as empty.
 */
export const walk = (fs: Fs, path: Path.Path, root: string, prefix: string): Stream.Stream<string, PlatformError> => {
  const within = (relative: string, start: string): Stream.Stream<string, PlatformError> =>
    Stream.unwrap(
      Effect.map(entriesOf(fs, path, root, relative), (entries) =>
        Stream.flatMap(Stream.fromIterable(inPieces(namesOf(entries, start))), (piece) =>
          typeof piece === "string"
            ? within(`${relative}${piece}`, "")
            : Stream.fromArray(piece.map((name) => `${relative}${name}`))
        )
      )
    )
  const segments = prefix.split("/")
  const start = segments.pop() ?? ""
  // A prefix that could lead out of the root, or into internal folders, matches nothing.
  if (segments.some((segment) => RunId.segmentViolation(segment) !== undefined)) return Stream.empty
  return within(prefix.slice(0, prefix.length - start.length), start)
}
