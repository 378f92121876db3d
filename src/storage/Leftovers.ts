/**
 * Finds leftovers of crashes and files that were set aside in the folder of a storage.
 *
 * It searches for temporary files in the folder and in the folders of runs. Another process may be writing to a file
 * that is younger than `beforeMs`: such a file is not removed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import * as Files from "./internal/files.ts"

/** Paths of files. */
export interface TemporaryFiles {
  /** Last written to at `beforeMs` or earlier: no process writes to them any more. */
  readonly old: ReadonlyArray<string>
  readonly young: ReadonlyArray<string>
}

const unlessGone = <A>(read: Effect.Effect<ReadonlyArray<A>, PlatformError>) =>
  Effect.catchReason(read, "PlatformError", "NotFound", () => Effect.succeed<ReadonlyArray<A>>([]))

/** The temporary files below `root`. */
export const temporaryFiles = (
  root: string,
  beforeMs: number
): Effect.Effect<TemporaryFiles, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const old: Array<string> = []
    const young: Array<string> = []
    const look = Effect.fnUntraced(function* (folder: string, names: ReadonlyArray<string>) {
      for (const name of names) {
        if (!Files.temporaryName.test(name)) continue
        const file = path.join(folder, name)
        const written = Option.flatMap(yield* Effect.option(fs.stat(file)), ({ mtime }) => mtime)
        if (Option.isNone(written)) continue
        const list = written.value.getTime() > beforeMs ? young : old
        list.push(file)
      }
    })
    const entries = yield* Files.entriesOf(fs, path, root, "")
    yield* look(
      root,
      entries.map(({ name }) => name)
    )
    for (const { name } of entries.filter(({ type }) => type === "Directory")) {
      const folder = path.join(root, name)
      yield* look(folder, yield* unlessGone(fs.readDirectory(folder)))
    }
    return { old, young }
  })

/** Removes the old temporary files below `root`. Succeeds with their number. */
export const sweep = Effect.fnUntraced(function* (root: string, beforeMs: number) {
  const fs = yield* FileSystem.FileSystem
  const { old } = yield* temporaryFiles(root, beforeMs)
  yield* Effect.forEach(old, (file) => fs.remove(file, { force: true }), { discard: true })
  return old.length
})

const isEmptySince = ({ mtime, size, type }: FileSystem.File.Info, beforeMs: number) =>
  type === "File" && Number(size) === 0 && Option.exists(mtime, (written) => written.getTime() <= beforeMs)

/**
 * Keys below `root` whose file is empty since `beforeMs`, in ascending order. On a file system without hard links, a crash
 * leaves such files. Ignores logs, which may be empty. Takes long, because it looks at every file.
 */
export const emptyObjects = (
  root: string,
  beforeMs: number
): Stream.Stream<string, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      return Files.walk(fs, path, root, "").pipe(
        Stream.filter((key) => !key.endsWith(".log")),
        Stream.mapEffect(
          (key) =>
            fs.stat(path.join(root, key)).pipe(
              Effect.map((info) => (isEmptySince(info, beforeMs) ? key : undefined)),
              Effect.catchReason("PlatformError", "NotFound", () => Effect.undefined)
            ),
          { concurrency: 16 }
        ),
        Stream.filter((key) => key !== undefined)
      )
    })
  )

/** The number of files below `root` that were set aside. */
export const setAsideFiles = (root: string): Effect.Effect<number, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const entries = yield* Files.entriesOf(fs, path, root, "")
    let count = 0
    for (const { name } of entries.filter(({ type }) => type === "Directory")) {
      const folder = path.join(root, name)
      if (name === ".set-aside") count += (yield* Files.entriesOf(fs, path, folder, "")).length
      else if (!name.startsWith(".")) count += yield* setAsideFiles(folder)
    }
    return count
  })
