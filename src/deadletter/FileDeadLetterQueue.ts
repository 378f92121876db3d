/**
 * Dead letters as files, one each, written with the same atomic and durable commit as batches.
 *
 * A letter is an encoded `DeadLetterMessage`; its name begins with the time of the first failure, so that the names sort
 * oldest first. Letters may be removed by hand or by another process at any time.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as OptionSchema from "../domain/OptionSchema.ts"
import * as FileStorage from "../storage/FileStorage.ts"
import * as Storage from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import { DeadLetterError, DeadLetterQueue, decode, LetterNotWritten, QueueFull } from "./DeadLetterQueue.ts"
import * as DeadLetterMetrics from "./DeadLetterMetrics.ts"

/** Settings of a folder of dead letters. */
export const Options = Schema.Struct({
  /** Folder that holds the letters, one file each; made when it is missing. Default "./data/.dead-letters". */
  directory: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("./data/.dead-letters"))),
  /** Most letters kept; a full queue refuses further ones. Default 10,000. */
  capacity: OptionSchema.wholeNumber(1, 10_000),
  /** What is made durable before a letter counts as kept, as of `FileStorage`. Default "full". */
  durability: FileStorage.Options.fields.durability
})

/** Makes the queue. Fails when an option is bad or the folder can't be made, read and written. */
export const make = Effect.fnUntraced(function* (name: string, options: typeof Options.Encoded = {}) {
  const { capacity, directory, durability } = yield* Schema.decodeEffect(Options)(options)
  const storage = yield* FileStorage.make(name, { rootDirectory: directory, durability })
  const metrics = yield* DeadLetterMetrics.make(name, capacity)
  const oneAtATime = yield* Semaphore.make(1)
  const fail = (cause: StorageError) => new DeadLetterError({ queue: name, reason: new LetterNotWritten({ cause }) })

  const count = Effect.tap(Stream.runCount(storage.list("")), metrics.holds)
  let held = yield* count

  const offer = Effect.fnUntraced(function* (letter: Parameters<DeadLetterQueue["Service"]["offer"]>[0]) {
    const key = yield* Effect.orDie(StorageKey.parse(`${letter.id}.pb`)) // ids are made of letters, digits, "-" and "_"
    // Letters may have been removed since: count the files again before refusing one that isn't there already.
    if (held >= capacity) held = yield* Effect.mapError(count, fail)
    if (held >= capacity && (yield* Effect.mapError(storage.stat(key), fail)) === undefined) {
      return yield* new DeadLetterError({ queue: name, reason: new QueueFull({ capacity }) })
    }
    const { outcome } = yield* Effect.mapError(Storage.write(storage, key, [letter.bytes]), fail)
    // One that is there already may be of an attempt that failed after all: it was not counted then.
    held = outcome === "created" ? held + 1 : yield* Effect.mapError(count, fail)
    yield* metrics.received(letter.reason, held)
    return "kept" as const
  }, Semaphore.withPermit(oneAtATime))

  /** The letter under `key`; nothing when it has been removed since it was listed. */
  const read = (key: StorageKey.StorageKey) =>
    Stream.runCollect(storage.read(key)).pipe(
      Effect.map((chunks) => Stream.fromEffect(decode(name, key, Bytes.concat(chunks)))),
      Effect.catchReason("StorageError", "ObjectMissing", () => Effect.succeed(Stream.empty)),
      Effect.mapError(fail),
      Stream.unwrap
    )

  return DeadLetterQueue.of({
    name,
    location: storage.location,
    offer,
    size: Effect.sync(() => held),
    letters: storage.list("").pipe(Stream.mapError(fail), Stream.flatMap(read))
  })
})

/** A folder of letters. Fails when an option is bad or the folder can't be used. */
export const layer = (
  options: typeof Options.Encoded = {}
): Layer.Layer<DeadLetterQueue, Schema.SchemaError | StorageError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(DeadLetterQueue, make("dead-letters", options))
