/**
 * Dead letters as files, one each, written with the same atomic and durable commit as batches.
 *
 * A letter is an encoded `DeadLetterMessage`. Its name `<id>.<checksum>.pb` begins with the time of the first failure, so
 * that the names sort oldest first, and has the CRC-32 of the bytes, so that damage shows. A new version of a letter is
 * durable under its own name before the old one goes; a crash in between leaves two, of which the newer one counts and the
 * other goes with the next update or removal. Letters may be removed by hand or by another process at any time. A call that
 * hangs in the file system holds up the updates and removals of its own letter and nothing else.
 *
 * ```ts
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import * as Layer from "effect/Layer"
 * import * as FileDeadLetterQueue from "tickvault/deadletter/FileDeadLetterQueue"
 *
 * export const letters = FileDeadLetterQueue.layer({ directory: "./runs/.dead-letters" }).pipe(
 *   Layer.provide(NodeServices.layer)
 * )
 * ```
 */
import * as Bytes from "effect/Bytes"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as RcMap from "effect/RcMap"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as OptionConfig from "../domain/OptionConfig.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import * as FileStorage from "../storage/FileStorage.ts"
import * as Storage from "../storage/Storage.ts"
import { ReadOnly, StorageError } from "../storage/StorageError.ts"
import * as StoredFiles from "../storage/StoredFiles.ts"
import type { DeadLetter, LetterDamaged } from "./DeadLetter.ts"
import * as DeadLetterMetrics from "./DeadLetterMetrics.ts"
import {
  DeadLetterError,
  DeadLetterQueue,
  LetterMissing,
  LetterNotRead,
  LetterNotWritten,
  lettersOf,
  QueueFull
} from "./DeadLetterQueue.ts"
import * as LetterFiles from "./internal/letterFiles.ts"
import { type Entry, LetterIndex } from "./internal/LetterIndex.ts"

/** Settings of a folder of dead letters. */
export const Options = Schema.Struct({
  /** Folder that holds the letters, one file each; made when it is missing. Default "./data/.dead-letters". */
  directory: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("./data/.dead-letters"))),
  /** Most letters kept; a full queue refuses further ones. Default 10,000. */
  capacity: OptionSchema.wholeNumber(1, 10_000),
  /** What is made durable before a letter counts as kept, as of `FileStorage`. Default "full". */
  durability: FileStorage.Options.fields.durability
})

/** Files that are looked at side by side. */
const concurrency = 8

/** Times that a letter is looked for again whose files went away while they were read. */
const looks = 3

/** The files in the folder whose names begin with `prefix`, as far as they are letters. */
const list = Effect.fnUntraced(function* (storage: Storage.Storage["Service"], index: LetterIndex, prefix: string) {
  const keys = yield* Stream.runCollect(storage.list(prefix))
  const entries = yield* Effect.forEach(
    keys.flatMap((key) => LetterFiles.parse(key) ?? []),
    (file) => {
      const known = index.files(file.id).find(({ key }) => key === file.key)
      return known === undefined ? inspect(storage, file) : Effect.succeed(known)
    },
    { concurrency }
  )
  return entries.flatMap((entry) => entry ?? [])
})

/** Size and age of a file, for metrics: one that can't be inspected is there all the same. */
const inspect = (storage: Storage.Storage["Service"], file: LetterFiles.LetterFile) =>
  storage.stat(file.key).pipe(
    Effect.orElseSucceed(() => ({ bytes: 0, modifiedAtMs: undefined })),
    Effect.map((stat): Entry | undefined =>
      stat === undefined
        ? undefined
        : { ...file, bytes: stat.bytes, firstFailureMs: LetterFiles.firstFailureMs(file.id) ?? stat.modifiedAtMs }
    )
  )

/** What `file` holds, or the damage; `undefined` when it has been removed since it was listed. */
const read = (storage: Storage.Storage["Service"], file: LetterFiles.LetterFile) =>
  Stream.runCollect(storage.read(file.key)).pipe(
    Effect.flatMap((chunks) => Effect.result(LetterFiles.open(file, Bytes.concat(chunks)))),
    Effect.catchReason("StorageError", "ObjectMissing", () => Effect.succeed(undefined))
  )

/** The letter, if a version of it is whole; else the damage, if any version is there. */
const choose = (versions: ReadonlyArray<Result.Result<DeadLetter, LetterDamaged> | undefined>) => {
  const found = versions.flatMap((version) => version ?? [])
  const letter = LetterFiles.newest(found.flatMap((version) => (Result.isSuccess(version) ? version.success : [])))
  return letter === undefined ? found[0] : Result.succeed(letter)
}

/** The queue `name` over the letters in `storage`, which is `readOnly` or not. */
const over = Effect.fnUntraced(function* (
  name: string,
  capacity: number,
  storage: Storage.Storage["Service"],
  readOnly?: StorageError
) {
  const metrics = yield* DeadLetterMetrics.make(name, capacity)
  // The changes of a letter are made one after the other. The map is never closed: an entry is there as long as it is used.
  const turns = yield* RcMap.make({ lookup: (_id: string) => Semaphore.make(1) }).pipe(
    Scope.provide(yield* Scope.make())
  )
  const inTurn = <A, E>(effect: Effect.Effect<A, E>, id: string) =>
    Effect.scoped(Effect.flatMap(RcMap.get(turns, id), (turn) => turn.withPermit(effect)))
  const index = new LetterIndex()
  const fail = (reason: DeadLetterError["reason"]) => new DeadLetterError({ queue: name, reason })
  const notWritten = Effect.mapError((cause: StorageError) => fail(new LetterNotWritten({ cause })))
  const notRead = Effect.mapError((cause: StorageError) => fail(new LetterNotRead({ cause })))
  const measure = Effect.suspend(() => metrics.holds(index.held))

  const listAll = Effect.suspend(() => {
    const listing = index.list()
    return Effect.ensuring(Effect.map(list(storage, index, ""), listing.done), Effect.sync(listing.end))
  }).pipe(Effect.andThen(measure))
  yield* listAll

  /** The files of the letter `id` that are in the folder now. */
  const listOne = Effect.fnUntraced(function* (id: string) {
    const before = index.files(id)
    const found = yield* list(storage, index, LetterFiles.prefix(id))
    const files = found.filter((file) => file.id === id)
    if (index.files(id) === before) index.set(id, files) // else it has changed meanwhile
    return files
  })

  /** Writes `letter`, beside other versions of it, and gives those that the index has. */
  const write = Effect.fnUntraced(function* (letter: DeadLetter) {
    const file = yield* LetterFiles.of(letter)
    const others = index.files(letter.id).filter(({ key }) => key !== file.key)
    const firstFailureMs = LetterFiles.firstFailureMs(letter.id) ?? Number(letter.message.firstFailureTimeMs)
    const entry: Entry = { ...file, bytes: letter.bytes.length, firstFailureMs }
    // Known before it is there: whatever the write comes to, the newer version is found if it is.
    if (others.length > 0) index.add(entry)
    yield* Storage.write(storage, file.key, [letter.bytes])
    index.add(entry)
    return others
  })

  // Waits for nobody. The same letter offered twice at the same time has the same bytes under the same name.
  const offer = Effect.fn("DeadLetterQueue.offer")(function* (letter: DeadLetter) {
    yield* Effect.annotateCurrentSpan({ letter: letter.id })
    const { key } = yield* notWritten(LetterFiles.of(letter))
    const known = index.files(letter.id).length > 0
    // Letters may have been removed since: look again before this one counts as there, or as one too many.
    if (known || index.isFull(capacity, letter.id)) yield* notWritten(listAll)
    return yield* Effect.suspend(() => {
      const held = index.files(letter.id)
      if (held.length > 0 && held.every((file) => file.key !== key)) return Effect.void // a newer version
      if (held.length === 0 && index.isFull(capacity, letter.id)) return Effect.fail(fail(new QueueFull({ capacity })))
      // One that is there already may be of an attempt that failed after all: written again, it is durable.
      return Effect.ensuring(notWritten(write(letter)), Effect.sync(index.reserve(letter.id))).pipe(
        Effect.andThen(known ? Effect.void : metrics.received(letter.reason)),
        Effect.andThen(measure)
      )
    }).pipe(Effect.as("kept" as const))
  })

  const remove = Effect.fn("DeadLetterQueue.remove")(function* (id: string) {
    let removed = false
    for (const { key } of yield* listOne(id)) {
      removed = (yield* storage.remove(key)) || removed
      index.drop(id, key)
    }
    yield* measure
    return removed
  }, inTurn)

  const update = Effect.fn("DeadLetterQueue.update")(
    function* (letter: DeadLetter) {
      const held = yield* notWritten(listOne(letter.id))
      if (held.length === 0) return yield* fail(new LetterMissing({ letter: letter.id }))
      for (const { key } of yield* notWritten(write(letter))) {
        yield* notWritten(storage.remove(key))
        index.drop(letter.id, key)
      }
      yield* measure
    },
    (effect, { id }) => inTurn(effect, id)
  )

  const get = Effect.fn("DeadLetterQueue.get")(function* (id: string) {
    let files = index.files(id)
    for (let look = 0; look < looks; look++) {
      if (files.length === 0) files = yield* notRead(listOne(id))
      const found = choose(yield* notRead(Effect.forEach(files, (file) => read(storage, file))))
      if (found !== undefined) return yield* Effect.mapError(Effect.fromResult(found), fail)
      files = [] // removed since, or another process has put a new version in their place
    }
    return yield* fail(new LetterMissing({ letter: id }))
  })

  const ids = Stream.unwrap(Effect.map(notRead(listAll), () => Stream.fromIterable(index.ids)))

  return DeadLetterQueue.of({
    name,
    location: storage.location,
    offer,
    size: Effect.sync(() => index.size),
    ids,
    get,
    update,
    remove: (id) => notWritten(remove(id)),
    checkChangeable:
      readOnly === undefined ? Effect.void : Effect.fail(fail(new LetterNotWritten({ cause: readOnly }))),
    letters: lettersOf({ name, ids, get })
  })
})

/** As `make`, with decoded options. */
export const makeWith = Effect.fnUntraced(function* (name: string, options: typeof Options.Type) {
  const { capacity, directory, durability } = options
  return yield* over(name, capacity, yield* FileStorage.make(name, { rootDirectory: directory, durability }))
})

/** Makes the queue. Fails when an option is bad or the folder can't be made, read and written. */
export const make = (name: string, options: typeof Options.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(Options)(options), (decoded) => makeWith(name, decoded))

/** The queue in a folder that exists, to be read: whatever would change it fails. Fails when the folder can't be read. */
export const makeStored = Effect.fnUntraced(function* (name: string, options: typeof Options.Encoded = {}) {
  const { capacity, directory } = yield* Schema.decodeEffect(Options)(options)
  const storage = yield* StoredFiles.make(name, directory)
  const readOnly = new StorageError({
    operation: "open",
    key: storage.location,
    reason: new ReadOnly({ code: "opened to be read" })
  })
  return yield* over(name, capacity, storage, readOnly)
})

/** A folder of letters. Fails when an option is bad or the folder can't be used. */
export const layer = (
  options: typeof Options.Encoded = {}
): Layer.Layer<DeadLetterQueue, Schema.SchemaError | StorageError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(DeadLetterQueue, make("dead-letters", options))

/**
 * The same with the options that the environment sets, over `options`. `name` is that of the queue and of its variables:
 * `TICKVAULT_PERSISTENCE_DLQ_DIRECTORY` by default. Fails with `ConfigError`, which names each wrong variable.
 */
export const layerConfig = (
  name = "persistence-dlq",
  options: typeof Options.Encoded = {}
): Layer.Layer<
  DeadLetterQueue,
  Config.ConfigError | Schema.SchemaError | StorageError,
  FileSystem.FileSystem | Path.Path
> =>
  Layer.effect(
    DeadLetterQueue,
    Effect.flatMap(OptionConfig.of(Options, name, options), (decoded) => makeWith(name, decoded))
  )
