/**
 * Moves ticks from the `TickQueue` into the `Storage`. A service takes batches, validates them, claims their ticks, writes
 * them with retries, and dead-letters what can't be stored.
 *
 * Each service is one scoped fiber. Several services may compete for one queue. A service has at most three batches in
 * flight: one is synced, one written, one taken and made ready. They may be stored in any order.
 *
 * Waiting for ticks can be interrupted and loses nothing. A tick that has left the queue is in flight until it is settled:
 * stored, named as a duplicate, dead-lettered, or, without a dead-letter queue, counted as lost. When the service is
 * interrupted, it settles what is in flight within `shutdownTimeout`. What is left then goes back to the queue.
 *
 * A failure of the storage never ends the service. When the dead-letter queue refuses a batch too, the service is degraded:
 * it keeps the batch and tries both again. A call that hangs counts as failed after `writeTimeout`.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { PersistenceService } from "tickvault/persistence/PersistenceService"
 *
 * // The number of ticks that each service has written so far.
 * export const written = Effect.gen(function* () {
 *   const { instances } = yield* PersistenceService
 *   return yield* Effect.forEach(instances.values(), ({ metrics }) => Effect.map(metrics, (m) => m.ticks_written))
 * })
 * ```
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Compression } from "../batch/Compression.ts"
import type { DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import * as OptionConfig from "../domain/OptionConfig.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import type { IdempotencyTracker } from "../idempotency/IdempotencyTracker.ts"
import type { RunLedger } from "../ledger/RunLedger.ts"
import type { BatchPolicy } from "../queue/BatchPolicy.ts"
import type { TickQueue } from "../queue/TickQueue.ts"
import * as Service from "../service/Service.ts"
import type { Storage } from "../storage/Storage.ts"
import * as BatchWriter from "./BatchWriter.ts"
import type { Degraded } from "./Degraded.ts"
import * as Books from "./internal/books.ts"
import * as Consumers from "./internal/consumers.ts"
import * as DeadLettering from "./internal/deadLettering.ts"
import { Degradation } from "./internal/degradation.ts"
import { InFlight, maxBatches } from "./internal/InFlight.ts"
import * as Processing from "./internal/processing.ts"
import * as PersistenceMetrics from "./PersistenceMetrics.ts"
import * as Settler from "./Settler.ts"
import * as WriteOptions from "./WriteOptions.ts"

/** Settings of one persistence service. */
export const Options = Schema.Struct({
  /**
   * The largest number of ticks in a batch. Default 1000. Too low: many small files. Too high: larger letters, longer
   * waits.
   */
  maxBatchSize: OptionSchema.wholeNumber(1, 1000),
  /**
   * Bytes of payload at which a batch closes. Default 67,108,864 (64 MiB). A batch is larger only when a single tick is.
   */
  maxBatchBytes: OptionSchema.wholeNumber(1, 64 * 1024 * 1024),
  /** Seconds after which a batch closes, counted from the arrival of its first tick. Default 5. */
  batchTimeoutSeconds: OptionSchema.positiveNumber(5),
  ...WriteOptions.Options.fields,
  /**
   * How to treat a batch with ticks of several runs: one dead letter, or one file for each run. Default "dead-letter".
   */
  mixedRuns: Schema.Literals(["dead-letter", "split"]).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed("dead-letter" as const))
  ),
  /**
   * Time in which an interrupted service settles the batches in flight: half of it for the storage, then the dead-letter
   * queue. Default "20 seconds". Keep it below the time after which a supervisor kills (Kubernetes: 30 s).
   */
  shutdownTimeout: OptionSchema.duration(Duration.seconds(20))
})

/**
 * The counters of a service since it was made, restarts included, under the specification's names. At every moment
 * `ticks_received = ticks_written + duplicate_ticks_detected + ticks_dead_lettered + ticks_returned + ticks_lost +
 * ticks_in_flight`.
 */
export interface Metrics {
  readonly batches_written: number
  readonly ticks_written: number
  /** Bytes of the ticks written, length prefixes included, before compression. */
  readonly bytes_written: number
  /** Bytes of the files written, after compression. */
  readonly bytes_stored: number
  /** Batches that were dead-lettered or lost. */
  readonly batches_failed: number
  readonly duplicate_ticks_detected: number
  /** Ticks of the batches in flight, at most three batches; 0 when idle. */
  readonly current_batch_size: number
  readonly ticks_received: number
  readonly ticks_dead_lettered: number
  readonly ticks_returned: number
  readonly ticks_lost: number
  readonly ticks_in_flight: number
  readonly write_retries: number
}

/** A running or stopped service and its counters. */
export interface Instance extends Service.Service {
  readonly metrics: Effect.Effect<Metrics & Readonly<Record<string, number>>>

  /** Set while the storage and the dead-letter queue both refuse a batch. Otherwise `undefined`. */
  readonly degraded: Effect.Effect<Degraded | undefined>
}

const metricsOf = (inFlight: InFlight): Metrics & Readonly<Record<string, number>> => ({
  batches_written: inFlight.batchesWritten,
  ticks_written: inFlight.counts.written,
  bytes_written: inFlight.bytesWritten,
  bytes_stored: inFlight.bytesStored,
  batches_failed: inFlight.batchesFailed,
  duplicate_ticks_detected: inFlight.counts.duplicate,
  current_batch_size: inFlight.ticks,
  ticks_received: inFlight.counts.received,
  ticks_dead_lettered: inFlight.counts.deadLettered,
  ticks_returned: inFlight.counts.returned,
  ticks_lost: inFlight.counts.lost,
  ticks_in_flight: inFlight.ticks,
  write_retries: inFlight.writeRetries
})

/** Counts the steps of the writes of a service. */
const observer = (inFlight: InFlight, metrics: PersistenceMetrics.PersistenceMetrics): BatchWriter.Observer => ({
  claimed: metrics.check,
  attempted: metrics.commit,
  retrying: (error, pause) =>
    Effect.suspend(() => {
      inFlight.writeRetries++
      return Effect.andThen(metrics.retries(error.reason.errorType, 1), metrics.retryWait(Duration.toSeconds(pause)))
    })
})

/** Like `make`, with decoded options. */
export const makeWith = Effect.fnUntraced(function* (name: string, options: typeof Options.Type) {
  const metrics = yield* PersistenceMetrics.make(name)
  const inFlight = new InFlight()
  const degradation = new Degradation()
  const settler = yield* Settler.make(name)
  const settle = settler(yield* Books.make(inFlight, degradation, metrics))
  const writer = (yield* BatchWriter.make(options, maxBatches))(settle, observer(inFlight, metrics))
  const deadLetter = yield* DeadLettering.make(name, options, { writer, settle, degradation })
  const { shutdownTimeout } = options
  const processing = yield* Processing.make({ inFlight, writer, deadLetter, settle, shutdownTimeout })
  const policy: BatchPolicy = {
    maxTicks: options.maxBatchSize,
    maxBytes: options.maxBatchBytes,
    timeout: Duration.seconds(options.batchTimeoutSeconds)
  }
  const work = yield* Consumers.make(
    { policy, mixedRuns: options.mixedRuns },
    { inFlight, degradation, processing, metrics }
  )
  const counts = Effect.sync(() => metricsOf(inFlight))
  const service = yield* Service.make(name, { work, metrics: counts })
  yield* Effect.logInfo("PersistenceService initialized").pipe(
    Effect.annotateLogs({
      service: name,
      maxBatchSize: options.maxBatchSize,
      batchTimeoutSeconds: options.batchTimeoutSeconds,
      maxRetries: options.maxRetries,
      retryBackoffMs: options.retryBackoffMs
    })
  )
  const instance: Instance = { ...service, metrics: counts, degraded: Effect.sync(() => degradation.status) }
  return instance
})

/**
 * Makes the service `name`, stopped, on the queue, storage, compression, ledger, tracker and dead-letter queue of its
 * context. Closing the scope stops it like `stop` does. Fails with `SchemaError` on a bad option.
 */
export const make = (name: string, options: typeof Options.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) => makeWith(name, decoded))

/** The services of an app by name, each running while the layer lives. */
export class PersistenceService extends Context.Service<
  PersistenceService,
  {
    readonly instances: ReadonlyMap<string, Instance>
  }
>()("tickvault/persistence/PersistenceService") {}

type Dependencies = TickQueue | Storage | Compression | RunLedger | IdempotencyTracker | DeadLetterQueue

/** Runs a service for each name, with its decoded options. They compete for one queue. */
export const layerWith = (
  all: ReadonlyArray<readonly [name: string, options: typeof Options.Type]>
): Layer.Layer<PersistenceService, never, Dependencies> => Layer.effect(PersistenceService, startAll(all))

const startAll = Effect.fnUntraced(function* (all: ReadonlyArray<readonly [string, typeof Options.Type]>) {
  const instances = new Map<string, Instance>()
  for (const [name, options] of all) {
    const instance = yield* makeWith(name, options)
    instances.set(name, instance)
    yield* instance.start
  }
  return PersistenceService.of({ instances })
})

/**
 * Runs the services `names` (default one, "persistence-1") with the same options. They compete for one queue. Fails with
 * `SchemaError` on a bad option.
 */
export const layer = (
  options: typeof Options.Encoded = {},
  names: ReadonlyArray<string> = ["persistence-1"]
): Layer.Layer<PersistenceService, Schema.SchemaError, Dependencies> =>
  Layer.effect(
    PersistenceService,
    Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) =>
      startAll(names.map((name) => [name, decoded]))
    )
  )

/**
 * Like `layer`, but environment variables override `options` for each service. They contain the name of the service:
 * `TICKVAULT_PERSISTENCE_1_MAX_BATCH_SIZE` by default. Fails with `ConfigError`, which names each wrong variable.
 */
export const layerConfig = (
  names: ReadonlyArray<string> = ["persistence-1"],
  options: typeof Options.Encoded = {}
): Layer.Layer<PersistenceService, Config.ConfigError, Dependencies> =>
  Layer.effect(
    PersistenceService,
    Effect.flatMap(
      Effect.forEach(names, (name) =>
        Effect.map(OptionConfig.of(Options, name, options), (decoded) => [name, decoded] as const)
      ),
      startAll
    )
  )
