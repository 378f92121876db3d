/**
 * Lists, writes, reads and removes letters of a folder in all their versions, and keeps the index of this process.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Storage from "../../storage/Storage.ts"
import type { DeadLetter, LetterDamaged } from "../DeadLetter.ts"
import * as LetterFiles from "./letterFiles.ts"
import type { Entry, LetterIndex } from "./LetterIndex.ts"

export interface LetterFolder {
  readonly storage: Storage.Storage["Service"]
  readonly index: LetterIndex
}

/** The number of files inspected at a time. */
const concurrency = 8

/** How often a letter is listed again when its files were removed during the read. */
const looks = 3

/** Size and age of a file, for metrics. A file that can't be inspected counts as empty. */
const inspect = ({ storage }: LetterFolder, file: LetterFiles.LetterFile) =>
  storage.stat(file.key).pipe(
    Effect.orElseSucceed(() => ({ bytes: 0, modifiedAtMs: undefined })),
    Effect.map((stat): ReadonlyArray<Entry> => {
      if (stat === undefined) return []
      return [{ ...file, bytes: stat.bytes, firstFailureMs: LetterFiles.firstFailureMs(file.id) ?? stat.modifiedAtMs }]
    })
  )

/** The letter files in the folder whose names begin with `prefix`. */
const list = Effect.fnUntraced(function* (folder: LetterFolder, prefix: string) {
  const keys = yield* Stream.runCollect(folder.storage.list(prefix))
  const entries = yield* Effect.forEach(
    keys.flatMap((key) => LetterFiles.parse(key) ?? []),
    (file) => {
      const known = folder.index.files(file.id).find(({ key }) => key === file.key)
      return known === undefined ? inspect(folder, file) : Effect.succeed([known])
    },
    { concurrency }
  )
  return entries.flat()
})

/** Brings the index up to date with the whole folder. */
export const listAll = (folder: LetterFolder) =>
  Effect.suspend(() => {
    const listing = folder.index.list()
    return Effect.ensuring(Effect.map(list(folder, ""), listing.done), Effect.sync(listing.end))
  })

/** The files of the letter `id` that are in the folder now. */
export const listOne = Effect.fnUntraced(function* (folder: LetterFolder, id: string) {
  const { index } = folder
  const before = index.files(id)
  const found = yield* list(folder, LetterFiles.prefix(id))
  const files = found.filter((file) => file.id === id)
  if (index.files(id) === before) index.set(id, files) // otherwise it has changed meanwhile
  return files
})

/** Writes `letter` beside its other versions. Succeeds with the other versions. */
export const write = Effect.fnUntraced(function* ({ index, storage }: LetterFolder, letter: DeadLetter) {
  const file = yield* LetterFiles.of(letter)
  const others = index.files(letter.id).filter(({ key }) => key !== file.key)
  const firstFailureMs = LetterFiles.firstFailureMs(letter.id) ?? Number(letter.message.firstFailureTimeMs)
  const entry: Entry = { ...file, bytes: letter.bytes.length, firstFailureMs }
  // Indexed before the write: if the write fails but succeeds later, the new version is found.
  if (others.length > 0) index.add(entry)
  yield* Storage.write(storage, file.key, [letter.bytes])
  index.add(entry)
  return others
})

/** Removes one file of a letter. `false` when it was gone. */
export const remove = ({ index, storage }: LetterFolder, { id, key }: LetterFiles.LetterFile) =>
  Effect.tap(storage.remove(key), () => Effect.sync(() => index.drop(id, key)))

/** The letter in `file`, or its damage. Empty when the file was removed since the listing. */
const read = ({ storage }: LetterFolder, file: LetterFiles.LetterFile) =>
  Stream.runCollect(storage.read(file.key)).pipe(
    Effect.flatMap((chunks) => Effect.result(LetterFiles.open(file, Bytes.concat(chunks)))),
    Effect.map((version) => [version]),
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.succeed([]))
  )

/** The newest whole version of a letter. When none is whole, the damage of one, if there is any. */
const choose = (versions: ReadonlyArray<Result.Result<DeadLetter, LetterDamaged>>) => {
  const letter = LetterFiles.newest(versions.flatMap((one) => (Result.isSuccess(one) ? one.success : [])))
  return letter === undefined ? versions[0] : Result.succeed(letter)
}

/** The letter `id`, or its damage. `undefined` when there is none. */
export const get = Effect.fnUntraced(function* (folder: LetterFolder, id: string) {
  let files: ReadonlyArray<LetterFiles.LetterFile> = folder.index.files(id)
  for (let look = 0; look < looks; look++) {
    if (files.length === 0) files = yield* listOne(folder, id)
    const found = choose((yield* Effect.forEach(files, (file) => read(folder, file))).flat())
    if (found !== undefined) return found
    files = [] // they were removed, or another process has written a new version
  }
  return undefined
})
