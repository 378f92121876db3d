/**
 * Dead letters as files, one file each, with the same atomic and durable commit as batches.
 *
 * A letter is an encoded `DeadLetterMessage`. Its name is `<id>.<checksum>.pb`. The id begins with the time of the first
 * failure, so that names sort oldest first. The checksum is the CRC-32 of the bytes and reveals damage.
 *
 * A new version of a letter is durable under its own name before the old one is removed. After a crash in between, both
 * exist: the newer one counts, and the next update or removal removes the other. Other processes and people may remove
 * letters at any time. A call that hangs in the file system delays only the updates and removals of its own letter.
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
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as RcMap from "effect/RcMap"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as OptionConfig from "../domain/OptionConfig.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import * as FileStorage from "../storage/FileStorage.ts"
import type { Storage } from "../storage/Storage.ts"
import { ReadOnly, StorageError } from "../storage/StorageError.ts"
import * as StoredFiles from "../storage/StoredFiles.ts"
import type { DeadLetter } from "./DeadLetter.ts"
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
import * as LetterFolder from "./internal/LetterFolder.ts"
import { LetterIndex } from "./internal/LetterIndex.ts"

/** Settings of a folder of dead letters. */
export const Options = Schema.Struct({
  /** Folder of the letters, one file each. Created when it is missing. Default "./data/.dead-letters". */
  directory: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("./data/.dead-letters"))),
  /** The largest number of letters. A full queue refuses further ones. Default 10,000. */
  capacity: OptionSchema.wholeNumber(1, 10_000),
  /** What is made durable before a letter counts as kept: see `FileStorage`. Default "full". */
  durability: FileStorage.Options.fields.durability
})

/** Shared by the operations of one queue. */
interface Parts {
  readonly folder: LetterFolder.LetterFolder
  readonly capacity: number
  readonly metrics: DeadLetterMetrics.DeadLetterMetrics
  readonly fail: (reason: DeadLetterError["reason"]) => DeadLetterError
}

const notWritten =
  ({ fail }: Parts) =>
  <A>(effect: Effect.Effect<A, StorageError>) =>
    Effect.mapError(effect, (cause) => fail(new LetterNotWritten({ cause })))

const notRead =
  ({ fail }: Parts) =>
  <A>(effect: Effect.Effect<A, StorageError>) =>
    Effect.mapError(effect, (cause) => fail(new LetterNotRead({ cause })))

const measure = ({ folder, metrics }: Parts) => Effect.suspend(() => metrics.holds(folder.index.held))

const listAll = (parts: Parts) => Effect.andThen(LetterFolder.listAll(parts.folder), measure(parts))

/** Writes a letter that has room. An existing one may come from a failed attempt: writing it again makes it durable. */
const keep = (parts: Parts, letter: DeadLetter) =>
  LetterFolder.write(parts.folder, letter).pipe(
    notWritten(parts),
    Effect.ensuring(Effect.sync(parts.folder.index.reserve(letter.id)))
  )

/** Doesn't wait for other offers: a letter that is offered twice at the same time has the same bytes and the same name. */
const offer = Effect.fn("DeadLetterQueue.offer")(function* (parts: Parts, letter: DeadLetter) {
  const { capacity, fail, folder, metrics } = parts
  const { index } = folder
  yield* Effect.annotateCurrentSpan({ letter: letter.id })
  const { key } = yield* notWritten(parts)(LetterFiles.of(letter))
  const known = index.files(letter.id).length > 0
  // This letter or others may have been removed meanwhile: list again.
  if (known || index.isFull(capacity, letter.id)) yield* notWritten(parts)(listAll(parts))
  const held = index.files(letter.id)
  const hasNewer = held.length > 0 && held.every((file) => file.key !== key)
  if (hasNewer) return "kept" as const
  if (held.length === 0 && index.isFull(capacity, letter.id)) return yield* fail(new QueueFull({ capacity }))
  yield* keep(parts, letter)
  if (!known) yield* metrics.received(letter.reason)
  yield* measure(parts)
  return "kept" as const
})

const remove = Effect.fn("DeadLetterQueue.remove")(function* (parts: Parts, id: string) {
  let removed = false
  for (const file of yield* LetterFolder.listOne(parts.folder, id)) {
    removed = (yield* LetterFolder.remove(parts.folder, file)) || removed
  }
  yield* measure(parts)
  return removed
})

const update = Effect.fn("DeadLetterQueue.update")(function* (parts: Parts, letter: DeadLetter) {
  const { fail, folder } = parts
  const held = yield* notWritten(parts)(LetterFolder.listOne(folder, letter.id))
  if (held.length === 0) return yield* fail(new LetterMissing({ letter: letter.id }))
  const others = yield* notWritten(parts)(LetterFolder.write(folder, letter))
  yield* Effect.forEach(others, (file) => notWritten(parts)(LetterFolder.remove(folder, file)), { discard: true })
  yield* measure(parts)
})

const get = Effect.fn("DeadLetterQueue.get")(function* (parts: Parts, id: string) {
  const { fail, folder } = parts
  const found = yield* notRead(parts)(LetterFolder.get(folder, id))
  if (found === undefined) return yield* fail(new LetterMissing({ letter: id }))
  return yield* Effect.mapError(Effect.fromResult(found), fail)
})

/** Runs changes of one letter one after the other. Changes of different letters don't wait for each other. */
const makeTurns = Effect.gen(function* () {
  // Never closed: an entry exists while it is used.
  const turns = yield* RcMap.make({ lookup: (_id: string) => Semaphore.make(1) }).pipe(
    Scope.provide(yield* Scope.make())
  )
  return (id: string) =>
    <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.scoped(Effect.flatMap(RcMap.get(turns, id), (turn) => turn.withPermit(effect)))
})

/** The queue `name` for the letters in `storage`. With `readOnly`, every change fails with it. */
const over = Effect.fnUntraced(function* (
  name: string,
  capacity: number,
  storage: Storage["Service"],
  readOnly?: StorageError
) {
  const inTurn = yield* makeTurns
  const parts: Parts = {
    folder: { storage, index: new LetterIndex() },
    capacity,
    metrics: yield* DeadLetterMetrics.make(name, capacity),
    fail: (reason) => new DeadLetterError({ queue: name, reason })
  }
  const { folder } = parts
  yield* listAll(parts)
  const ids = Stream.unwrap(Effect.map(notRead(parts)(listAll(parts)), () => Stream.fromIterable(folder.index.ids)))
  return DeadLetterQueue.of({
    name,
    location: storage.location,
    offer: (letter) => offer(parts, letter),
    size: Effect.sync(() => folder.index.size),
    ids,
    get: (id) => get(parts, id),
    update: (letter) => inTurn(letter.id)(update(parts, letter)),
    remove: (id) => notWritten(parts)(inTurn(id)(remove(parts, id))),
    checkChangeable: readOnly === undefined ? Effect.void : notWritten(parts)(Effect.fail(readOnly)),
    letters: lettersOf({ name, ids, get: (id) => get(parts, id) })
  })
})

/** Like `make`, with decoded options. */
export const makeWith = Effect.fnUntraced(function* (name: string, options: typeof Options.Type) {
  const { capacity, directory, durability } = options
  return yield* over(name, capacity, yield* FileStorage.make(name, { rootDirectory: directory, durability }))
})

/** Makes the queue. Fails when an option is bad or the folder can't be created, read or written. */
export const make = (name: string, options: typeof Options.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) => makeWith(name, decoded))

/** Like `makeStored`, with decoded options. */
export const makeStoredWith = Effect.fnUntraced(function* (name: string, { capacity, directory }: typeof Options.Type) {
  const storage = yield* StoredFiles.make(name, directory)
  const readOnly = new StorageError({
    operation: "open",
    key: storage.location,
    reason: new ReadOnly({ code: "opened to be read" })
  })
  return yield* over(name, capacity, storage, readOnly)
})

/** A read-only queue in an existing folder: every change fails. Fails when the folder can't be read. */
export const makeStored = (name: string, options: typeof Options.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) => makeStoredWith(name, decoded))

/** A folder of letters. Fails when an option is bad or the folder can't be used. */
export const layer = (
  options: typeof Options.Encoded = {}
): Layer.Layer<DeadLetterQueue, Schema.SchemaError | StorageError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(DeadLetterQueue, make("dead-letters", options))

/**
 * Like `layer`, but environment variables override `options`. They contain `name`, the name of the queue:
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
