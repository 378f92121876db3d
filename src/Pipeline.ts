/**
 * The whole pipeline as one layer, for an app that makes its own ticks: offer them to `TickQueue`, and each is stored,
 * dead-lettered or named as a duplicate.
 *
 * Closing the layer's scope ends it in good order: the queue ends, the services settle what is in it, and only what is
 * left after `shutdownTimeout` is given up, with its count at ERROR.
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
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { DeadLetterQueue } from "./deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "./deadletter/FileDeadLetterQueue.ts"
import * as OptionSchema from "./domain/OptionSchema.ts"
import type * as IdempotencyTracker from "./idempotency/IdempotencyTracker.ts"
import * as RunLedger from "./ledger/RunLedger.ts"
import * as PersistenceService from "./persistence/PersistenceService.ts"
import * as Balance from "./pipeline/Balance.ts"
import * as TickQueue from "./queue/TickQueue.ts"
import * as Recall from "./recall/Recall.ts"
import * as Service from "./service/Service.ts"
import * as Compression from "./storage/Compression.ts"
import * as FileStorage from "./storage/FileStorage.ts"
import type { Storage } from "./storage/Storage.ts"
import type { StorageError } from "./storage/StorageError.ts"

/** Settings of a pipeline. */
export const Options = Schema.Struct({
  /** Folder of the runs; dead letters lie in its subfolder `.dead-letters`. Default "./data". */
  directory: Schema.NonEmptyString.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("./data"))),
  /** Persistence services that compete for the queue. Default 2. */
  instances: OptionSchema.wholeNumber(1, 2),
  ...Compression.fileFields,
  /** Time to settle what is in the queue when the scope closes. Default "20 seconds". */
  shutdownTimeout: OptionSchema.duration(Duration.seconds(20))
})

/** Settings of the parts, each with its own defaults. */
export interface PartOptions {
  readonly queue?: typeof TickQueue.Options.Encoded
  readonly persistence?: typeof PersistenceService.Options.Encoded
  readonly idempotency?: typeof IdempotencyTracker.Options.Encoded
}

export class Pipeline extends Context.Service<
  Pipeline,
  {
    /** What has become of every tick so far. */
    readonly balance: Effect.Effect<Balance.Balance>

    /**
     * Ends the queue and waits until everything in it is settled; succeeds with the balance then. Interrupted, the queue
     * has ended all the same. Dies with the cause when a persistence service has failed, after the others have ended; the
     * balance can still be read.
     */
    readonly drain: Effect.Effect<Balance.Balance>
  }
>()("tickvault/Pipeline") {}

/** A pipeline over a queue, a storage, its ledger, a tracker and a dead-letter queue of your choice, with `names` for its services. */
export const layerServices = (
  names: ReadonlyArray<string>,
  shutdownTimeout: Duration.Duration,
  options: typeof PersistenceService.Options.Encoded = {}
): Layer.Layer<
  Pipeline | PersistenceService.PersistenceService,
  Schema.SchemaError,
  TickQueue.TickQueue | Storage | RunLedger.RunLedger | IdempotencyTracker.IdempotencyTracker | DeadLetterQueue
> =>
  Layer.effect(
    Pipeline,
    Effect.gen(function* () {
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
          // What the services have in hand they settle when they are stopped: only then is it known what is left.
          yield* Effect.forEach(services, (service) => service.stop, { concurrency: "unbounded", discard: true })
          const left = yield* balance
          if (Balance.isSettled(left)) return
          yield* Effect.logError("Pipeline ends with ticks that are not settled").pipe(Effect.annotateLogs({ ...left }))
        })
      )
      return Pipeline.of({ balance, drain })
    })
  ).pipe(Layer.provideMerge(PersistenceService.layer(options, names)))

/**
 * The durable pipeline: files and the ledgers of their runs, a folder of dead letters, and de-duplication that knows what
 * the files have. Fails when an option is bad or a folder can't be used.
 */
export const layer = (
  options: typeof Options.Encoded & PartOptions = {}
): Layer.Layer<
  | Pipeline
  | PersistenceService.PersistenceService
  | TickQueue.TickQueue
  | Storage
  | RunLedger.RunLedger
  | DeadLetterQueue,
  Schema.SchemaError | StorageError,
  FileSystem.FileSystem | Path.Path
> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { idempotency, persistence, queue, ...own } = options
      const { compression, compressionLevel, directory, instances, shutdownTimeout } =
        yield* Schema.decodeEffect(Options)(own)
      const path = yield* Path.Path
      const names = Array.from({ length: instances }, (_, index) => `persistence-${index + 1}`)
      return layerServices(names, shutdownTimeout, persistence).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            TickQueue.layer("raw-tick-data", queue),
            Layer.provideMerge(
              Layer.merge(RunLedger.layer, Recall.layer(idempotency)),
              FileStorage.layer({ rootDirectory: directory, compression, compressionLevel })
            ),
            FileDeadLetterQueue.layer({ directory: path.join(directory, ".dead-letters") })
          )
        )
      )
    })
  )
