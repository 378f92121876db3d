/**
 * The whole pipeline as one layer, for an app that makes its own ticks. Offer them to `TickQueue`, and each is stored,
 * dead-lettered or named as a duplicate.
 *
 * Closing the layer's scope shuts it down cleanly: the queue ends, and the services settle its ticks. Ticks that are left
 * after `shutdownTimeout` are given up, with their count at ERROR.
 *
 * ```ts
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Pipeline from "tickvault/Pipeline"
 * import { TickQueue } from "tickvault/queue/TickQueue"
 * import * as TestTick from "tickvault/testing/TestTick"
 *
 * export const balance = Effect.gen(function* () {
 *   const queue = yield* TickQueue
 *   yield* queue.offerAll(TestTick.range("run-1", 1, 100))
 *   return yield* Pipeline.Pipeline.use((pipeline) => pipeline.drain)
 * }).pipe(Effect.provide(Pipeline.layer({ directory: "./runs" }).pipe(Layer.provide(NodeServices.layer))))
 * ```
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Compression from "./batch/Compression.ts"
import { DeadLetterQueue } from "./deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "./deadletter/FileDeadLetterQueue.ts"
import * as OptionConfig from "./domain/OptionConfig.ts"
import type * as OptionForm from "./domain/OptionForm.ts"
import * as OptionSchema from "./domain/OptionSchema.ts"
import * as IdempotencyTracker from "./idempotency/IdempotencyTracker.ts"
import * as RunLedger from "./ledger/RunLedger.ts"
import * as PersistenceService from "./persistence/PersistenceService.ts"
import * as Balance from "./pipeline/Balance.ts"
import * as TickQueue from "./queue/TickQueue.ts"
import * as Recall from "./recall/Recall.ts"
import * as RecoveryService from "./replay/RecoveryService.ts"
import * as Service from "./service/Service.ts"
import * as FileStorage from "./storage/FileStorage.ts"
import { Storage } from "./storage/Storage.ts"
import type { StorageError } from "./storage/StorageError.ts"

/** Settings of a pipeline. */
export const Options = Schema.Struct({
  /** Folder of the runs. Default "./data". */
  directory: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("./data"))),
  /** Name of the storage in logs and metrics. Default "files". */
  storageName: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("files"))),
  /** What is made durable before a batch or a letter counts as kept: see `FileStorage`. Default "full". */
  durability: FileStorage.Options.fields.durability,
  ...Compression.Options.fields,
  /** Persistence services that compete for the queue. Default 2. */
  instances: OptionSchema.wholeNumber(1, 2),
  /** Time to settle what is in the queue when the scope closes. Default "20 seconds". */
  shutdownTimeout: OptionSchema.duration(Duration.seconds(20))
})

/** Settings of the parts, each with its own defaults. */
export interface PartOptions {
  readonly queue?: typeof TickQueue.Options.Encoded
  readonly persistence?: typeof PersistenceService.Options.Encoded
  readonly idempotency?: typeof IdempotencyTracker.Options.Encoded
  /**
   * The folder of dead letters is the subfolder `.dead-letters` of `directory`, and their durability that of the
   * pipeline.
   */
  readonly deadLetters?: typeof FileDeadLetterQueue.Options.Encoded
  /** Settings of a service that replays dead letters automatically. Absent: there is none. */
  readonly recovery?: typeof RecoveryService.Options.Encoded
}

export class Pipeline extends Context.Service<
  Pipeline,
  {
    /** The outcomes of all ticks so far. */
    readonly balance: Effect.Effect<Balance.Balance>

    /**
     * Ends the queue and waits until everything in it is settled. Succeeds with the balance. When interrupted, the
     * queue has still ended. Dies with the cause when a persistence service has failed, after the others have ended.
     * The balance can still be read then.
     *
     * It doesn't know the producers: await them first, such as an engine. One that is not done stops, and a failed one
     * changes nothing here.
     */
    readonly drain: Effect.Effect<Balance.Balance>
  }
>()("tickvault/Pipeline") {}

/** Ends the queue, and waits until the services have settled its ticks. */
const make = Effect.fnUntraced(function* (shutdownTimeout: Duration.Input) {
  const queue = yield* TickQueue.TickQueue
  const { instances } = yield* PersistenceService.PersistenceService
  const services = [...instances.values()]
  const balance = Balance.of([queue], services)
  const drain = Effect.gen(function* () {
    yield* queue.end
    for (const service of services) yield* service.resume
    yield* Exit.asVoidAll(yield* Service.awaitAll(services))
    return yield* balance
  })
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* Effect.timeoutOption(Effect.exit(drain), shutdownTimeout)
      // The services settle their ticks in flight when they are stopped: only then the rest is known.
      yield* Effect.forEach(services, (service) => service.stop, { concurrency: "unbounded", discard: true })
      const left = yield* balance
      if (Balance.isSettled(left)) return
      yield* Effect.logError("Pipeline ends with ticks that are not settled").pipe(Effect.annotateLogs({ ...left }))
    })
  )
  return Pipeline.of({ balance, drain })
})

type Parts =
  | TickQueue.TickQueue
  | Storage
  | Compression.Compression
  | RunLedger.RunLedger
  | IdempotencyTracker.IdempotencyTracker
  | DeadLetterQueue

/**
 * A pipeline with a queue, a storage, a compression, the ledger, a tracker and a dead-letter queue of your choice, with
 * `names` for its services.
 */
export const layerServices = (
  names: ReadonlyArray<string>,
  shutdownTimeout: Duration.Input,
  options: typeof PersistenceService.Options.Encoded = {}
): Layer.Layer<Pipeline | PersistenceService.PersistenceService, Schema.SchemaError, Parts> =>
  Layer.effect(Pipeline, make(shutdownTimeout)).pipe(Layer.provideMerge(PersistenceService.layer(options, names)))

/** Settings of the files and of their compression. The two share the name of the storage, and its variables. */
const FilesOptions = Schema.Struct({ ...FileStorage.Options.fields, ...Compression.Options.fields })

/** The options of a pipeline and of its parts. */
type AllOptions = typeof Options.Encoded & PartOptions

/** Options with which the pipeline replays dead letters. */
type WithRecovery = AllOptions & Required<Pick<PartOptions, "recovery">>

/** Decodes the options of a component. */
type Decode<E> = <S extends OptionConfig.OptionsSchema>(
  schema: S,
  component: string,
  options: S["Encoded"],
  aliases?: OptionForm.Aliases
) => Effect.Effect<S["Type"], E>

/** The names of the parts. */
interface Names {
  readonly storage: string
  readonly deadLetters: string
  readonly tracker: (options: typeof IdempotencyTracker.Options.Type) => string
}

const serviceNames = (instances: number) => Array.from({ length: instances }, (_, index) => `persistence-${index + 1}`)

const Own = Schema.Struct({ shutdownTimeout: Options.fields.shutdownTimeout })

const named = <A>(name: string, decoded: A): readonly [name: string, decoded: A] => [name, decoded]

/** The decoded options of all parts, with the names of the parts. */
const decodeAll = Effect.fnUntraced(function* <E>(options: AllOptions, names: Names, decode: Decode<E>) {
  const { deadLetters, idempotency = {}, persistence = {}, queue = {}, recovery, ...given } = options
  const own = yield* Schema.decodeEffect(Options, { errors: "all" })({ storageName: names.storage, ...given })
  const { directory, instances, shutdownTimeout, storageName, ...files } = own
  const storage = yield* decode(FilesOptions, storageName, { rootDirectory: directory, ...files })
  // The folder and the durability of letters, unless they have their own.
  const letters = {
    directory: (yield* Path.Path).join(storage.rootDirectory, ".dead-letters"),
    durability: storage.durability,
    ...deadLetters
  }
  const tracker = yield* decode(
    IdempotencyTracker.Options,
    "persistence-idempotency",
    idempotency,
    IdempotencyTracker.aliases
  )
  return {
    ...(yield* decode(Own, "", { shutdownTimeout })),
    queue: named("raw-tick-data", yield* decode(TickQueue.Options, "raw-tick-data", queue)),
    storage: named(storageName, storage),
    deadLetters: named(names.deadLetters, yield* decode(FileDeadLetterQueue.Options, names.deadLetters, letters)),
    tracker: named(names.tracker(tracker), tracker),
    persistence: yield* Effect.forEach(serviceNames(instances), (name) =>
      Effect.map(decode(PersistenceService.Options, name, persistence), (each) => named(name, each))
    ),
    recovery:
      recovery === undefined
        ? undefined
        : named("recovery", yield* decode(RecoveryService.Options, "recovery", recovery))
  }
})

type Decoded = Effect.Success<ReturnType<typeof decodeAll>>

/** The pipeline of decoded options. */
const layerOf = (decoded: Decoded) => {
  const { deadLetters, queue, recovery, storage, tracker } = decoded
  const services = Layer.effect(Pipeline, make(decoded.shutdownTimeout)).pipe(
    Layer.provideMerge(PersistenceService.layerWith(decoded.persistence))
  )
  const replaying = recovery === undefined ? Layer.empty : RecoveryService.layerWith(...recovery)
  const stored = Layer.provideMerge(
    Layer.merge(RunLedger.layer, Layer.effect(IdempotencyTracker.IdempotencyTracker, Recall.makeTracker(...tracker))),
    Layer.effect(Storage, FileStorage.makeWith(...storage))
  )
  return Layer.merge(services, replaying).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        Layer.effect(TickQueue.TickQueue, TickQueue.makeWith(...queue)),
        stored,
        Compression.layerWith(storage[1]),
        Layer.effect(DeadLetterQueue, FileDeadLetterQueue.makeWith(...deadLetters))
      )
    )
  )
}

/** The services that the layers provide. */
type Provided = Pipeline | PersistenceService.PersistenceService | Parts

type Platform = FileSystem.FileSystem | Path.Path

/**
 * The durable pipeline: files and the ledgers of their runs, a folder of dead letters, and de-duplication that knows the
 * ticks in the files. With `recovery` it also provides a running `RecoveryService`, which replays dead letters. Fails when
 * an option is bad or a folder can't be used.
 */
export function layer(
  options: WithRecovery
): Layer.Layer<Provided | RecoveryService.RecoveryService, Schema.SchemaError | StorageError, Platform>
export function layer(options?: AllOptions): Layer.Layer<Provided, Schema.SchemaError | StorageError, Platform>
export function layer(options: AllOptions = {}): Layer.Layer<Provided, Schema.SchemaError | StorageError, Platform> {
  const names: Names = {
    storage: "files",
    deadLetters: "dead-letters",
    tracker: ({ memory }) => (memory === "keys" ? "memory" : "ranges")
  }
  const decoded = decodeAll(options, names, (schema, _, given) => Schema.decodeEffect(schema, { errors: "all" })(given))
  return Layer.unwrap(Effect.map(decoded, layerOf))
}

/**
 * Like `layer`, but environment variables override `options`. They are those that `tickvault run` reads without a file, for
 * parts with the same names. `TICKVAULT_STORAGE_MAIN_ROOT_DIRECTORY` is the folder of the runs,
 * `TICKVAULT_PERSISTENCE_1_MAX_BATCH_SIZE` an option of the first service, `TICKVAULT_RECOVERY_INTERVAL` one of the replays,
 * if there are any, and `TICKVAULT_SHUTDOWN_TIMEOUT` one of the pipeline. Fails with `ConfigError`, which names each wrong
 * variable of the first part that has one. It reads no other variables, so a misspelled one goes unnoticed.
 */
export function layerConfig(
  options: WithRecovery
): Layer.Layer<
  Provided | RecoveryService.RecoveryService,
  Config.ConfigError | Schema.SchemaError | StorageError,
  Platform
>
export function layerConfig(
  options?: AllOptions
): Layer.Layer<Provided, Config.ConfigError | Schema.SchemaError | StorageError, Platform>
export function layerConfig(
  options: AllOptions = {}
): Layer.Layer<Provided, Config.ConfigError | Schema.SchemaError | StorageError, Platform> {
  const names: Names = {
    storage: "storage-main",
    deadLetters: "persistence-dlq",
    tracker: () => "persistence-idempotency"
  }
  return Layer.unwrap(Effect.map(decodeAll(options, names, OptionConfig.of), layerOf))
}
