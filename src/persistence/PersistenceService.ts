/**
 * Moves ticks from the `TickQueue` into the `Storage`: drains batches, validates, claims, writes with retries, and
 * dead-letters what can't be stored.
 *
 * Each service is one scoped fiber; several compete for one queue. Each has three batches in hand at most: while one is
 * synced, the next is written and the one after that taken and made ready. Which of them is stored first is not promised.
 * Waiting for ticks can be interrupted and loses nothing. What has left the queue is in hand until it is settled: stored,
 * named as a duplicate, dead-lettered, or, when there is no dead-letter queue, counted as lost. An interruption runs a
 * finalizer that settles what is in hand within `shutdownTimeout`; what is left then goes back to the queue. A failure of
 * the storage never ends the service, and when the dead-letter queue refuses too, it keeps the batch and goes on trying:
 * it is degraded. What hangs is given up after `writeTimeout` and counts as failed.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import { IdempotencyTracker } from "../idempotency/IdempotencyTracker.ts"
import { RunLedger } from "../ledger/RunLedger.ts"
import type { BatchPolicy, TakenBatch } from "../queue/BatchPolicy.ts"
import { TickQueue } from "../queue/TickQueue.ts"
import * as Service from "../service/Service.ts"
import { Storage } from "../storage/Storage.ts"
import type { Degraded } from "./Degraded.ts"
import * as Attempts from "../service/Attempts.ts"
import { Hand, maxBatches } from "./internal/Hand.ts"
import type { Portion } from "./internal/Portion.ts"
import * as Settler from "./internal/Settler.ts"
import * as PersistenceMetrics from "./PersistenceMetrics.ts"

/** Settings of one persistence service. */
export const Options = Schema.Struct({
  /** Most ticks in a batch. Default 1000. Too low: many small files. Too high: larger letters, longer waits. */
  maxBatchSize: OptionSchema.wholeNumber(1, 1000),
  /**
   * Bytes of payload at which a batch closes. Default 67,108,864 (64 MiB). A batch is larger only when a single tick is.
   */
  maxBatchBytes: OptionSchema.wholeNumber(1, 64 * 1024 * 1024),
  /** Seconds after which a batch closes, counted from the arrival of its first tick. Default 5. */
  batchTimeoutSeconds: OptionSchema.positiveNumber(5),
  /** Attempts after the first one before a batch is dead-lettered. Default 3. */
  maxRetries: OptionSchema.wholeNumber(0, 3),
  /** Milliseconds before the first retry; each further pause doubles. Default 1000: 1 s, 2 s, 4 s. */
  retryBackoffMs: OptionSchema.wholeNumber(0, 1000),
  /** Longest pause between two attempts. Default "30 seconds". */
  maxRetryBackoff: OptionSchema.duration(Duration.seconds(30)),
  /**
   * Time limit of one attempt to store a batch and of one offer of a letter. After it the attempt counts as failed and
   * is abandoned; should it succeed late, the same bytes are under the same key. Default "30 seconds".
   */
  writeTimeout: OptionSchema.duration(Duration.seconds(30)),
  /** Varies each pause by up to a fifth, so that instances don't retry in step. Default "none". */
  retryJitter: Schema.Literals(["none", "proportional"]).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed("none" as const))
  ),
  /**
   * What becomes of a batch whose ticks are of several runs: one dead letter, or one file a run. Default "dead-letter".
   */
  mixedRuns: Schema.Literals(["dead-letter", "split"]).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed("dead-letter" as const))
  ),
  /**
   * Time in which an interrupted service settles the batches in hand: half of it for the storage, then the dead-letter
   * queue. Default "20 seconds"; keep it below the time after which a supervisor kills (Kubernetes: 30 s).
   */
  shutdownTimeout: OptionSchema.duration(Duration.seconds(20))
})

/**
 * What a service has counted since it was made, restarts included, under the specification's names. At every moment
 * `ticks_received = ticks_written + duplicate_ticks_detected + ticks_dead_lettered + ticks_returned + ticks_lost +
 * ticks_in_flight`.
 */
export interface Metrics {
  readonly batches_written: number
  readonly ticks_written: number
  /** Bytes of the ticks written, length prefixes included, before compression. */
  readonly bytes_written: number
  /** Bytes of the files written, as they lie in the storage. */
  readonly bytes_stored: number
  /** Batches given up: dead-lettered or lost. */
  readonly batches_failed: number
  readonly duplicate_ticks_detected: number
  /** Ticks of the batches in hand, of which there are three at most; 0 when idle. */
  readonly current_batch_size: number
  readonly ticks_received: number
  readonly ticks_dead_lettered: number
  readonly ticks_returned: number
  readonly ticks_lost: number
  readonly ticks_in_flight: number
  readonly write_retries: number
}

/** A running or stopped service with what it has counted. */
export interface Instance extends Service.Service {
  readonly metrics: Effect.Effect<Metrics & Readonly<Record<string, number>>>

  /** How it is with the batches that storage and dead-letter queue both refuse; `undefined` while there are none. */
  readonly degraded: Effect.Effect<Degraded | undefined>
}

const metricsOf = (hand: Hand): Metrics & Readonly<Record<string, number>> => ({
  batches_written: hand.batchesWritten,
  ticks_written: hand.counts.written,
  bytes_written: hand.bytesWritten,
  bytes_stored: hand.bytesStored,
  batches_failed: hand.batchesFailed,
  duplicate_ticks_detected: hand.counts.duplicate,
  current_batch_size: hand.ticks,
  ticks_received: hand.counts.received,
  ticks_dead_lettered: hand.counts.deadLettered,
  ticks_returned: hand.counts.returned,
  ticks_lost: hand.counts.lost,
  ticks_in_flight: hand.ticks,
  write_retries: hand.writeRetries
})

/** A batch that has just been taken, in its portions. */
interface Received {
  readonly batch: TakenBatch
  readonly portions: ReadonlyArray<Portion>
}

/**
 * The loops of one service, one for each batch that it may have in hand: each waits for a batch and settles it, until the
 * queue has ended. So the next batch is made ready while one is being written. None takes anything while there is a batch
 * that storage and dead-letter queue both refuse.
 */
const work = (
  queue: TickQueue["Service"],
  options: typeof Options.Type,
  hand: Hand,
  settler: ReturnType<typeof Settler.make>,
  metrics: PersistenceMetrics.PersistenceMetrics
) =>
  Effect.fnUntraced(function* (gate: Service.Gate) {
    const clock = yield* Clock.Clock
    const policy: BatchPolicy = {
      maxTicks: options.maxBatchSize,
      maxBytes: options.maxBatchBytes,
      timeout: Duration.seconds(options.batchTimeoutSeconds)
    }
    const inHand = Effect.suspend(() => metrics.inHand(hand.ticks))
    const loop = Effect.suspend(() => {
      let received: Received | undefined
      const receive = (batch: TakenBatch) => {
        const nowMs = Math.floor(clock.currentTimeMillisUnsafe())
        received = { batch, portions: hand.receive(batch, options.mixedRuns, nowMs) }
      }
      const report = Effect.suspend(() => {
        if (received === undefined) return Effect.succeed([])
        const { batch, portions } = received
        received = undefined
        return Effect.as(noteTaken(metrics, hand, batch, portions), portions)
      }).pipe(Effect.uninterruptible)
      const once = Effect.gen(function* () {
        yield* hand.accepting.await
        yield* gate.open
        // First what forbids to take: of the two that were waited for, one may have changed since.
        yield* Effect.raceAllFirst([gate.closed, hand.refusing.await, queue.take(policy, receive)])
        yield* settler.settleAll(yield* report)
        yield* inHand
      })
      return Effect.forever(once).pipe(
        Effect.catchTag("Done", () => Effect.void),
        Effect.ensuring(report)
      )
    })
    yield* Effect.all(
      Array.from({ length: maxBatches }, () => loop),
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.ensuring(Effect.andThen(settler.settleRest, inHand)))
  })

const noteTaken = Effect.fnUntraced(function* (
  metrics: PersistenceMetrics.PersistenceMetrics,
  hand: Hand,
  batch: TakenBatch,
  portions: ReadonlyArray<Portion>
) {
  const split = portions.filter(({ reason }) => reason === "run_change").length
  yield* metrics.received(batch.ticks.length)
  yield* metrics.flush(batch.reason, 1)
  if (split > 0) {
    yield* metrics.flush("run_change", split)
    yield* metrics.mixedSplit(1)
  }
  yield* metrics.inHand(hand.ticks)
  yield* Effect.logDebug("Drained ticks from queue").pipe(
    Effect.annotateLogs({ ticks: batch.ticks.length, reason: batch.reason })
  )
})

/**
 * Makes the service `name`, stopped, on the queue, storage, ledger, tracker and dead-letter queue of its context. Closing
 * the scope stops it like `stop` does. Fails with `SchemaError` on a bad option.
 */
export const make = Effect.fnUntraced(function* (name: string, options: typeof Options.Encoded = {}) {
  const decoded = yield* Schema.decodeEffect(Options, { errors: "all" })(options)
  const queue = yield* TickQueue
  const storage = yield* Storage
  const hand = new Hand()
  const metrics = yield* PersistenceMetrics.make(name, storage, queue.name, yield* Clock.currentTimeMillis)
  const attempts = yield* Scope.make() // never closed: nobody waits for an attempt that was abandoned
  const settler = Settler.make({
    service: name,
    retry: {
      maxRetries: decoded.maxRetries,
      backoff: Duration.millis(decoded.retryBackoffMs),
      maxBackoff: decoded.maxRetryBackoff,
      jitter: decoded.retryJitter
    },
    shutdownTimeout: decoded.shutdownTimeout,
    queue,
    storage,
    tracker: yield* IdempotencyTracker,
    deadLetters: yield* DeadLetterQueue,
    ledger: yield* RunLedger,
    letterSentence: "Sent failed batch to dead-letter queue",
    metrics,
    hand,
    writes: Attempts.make(decoded.writeTimeout, attempts, maxBatches),
    offers: Attempts.make(decoded.writeTimeout, attempts, maxBatches)
  })
  const service = yield* Service.make(name, {
    work: work(queue, decoded, hand, settler, metrics),
    metrics: Effect.sync(() => metricsOf(hand))
  })
  yield* Effect.logInfo("PersistenceService initialized").pipe(
    Effect.annotateLogs({
      service: name,
      maxBatchSize: decoded.maxBatchSize,
      batchTimeoutSeconds: decoded.batchTimeoutSeconds,
      maxRetries: decoded.maxRetries,
      retryBackoffMs: decoded.retryBackoffMs
    })
  )
  const instance: Instance = {
    ...service,
    metrics: Effect.sync(() => metricsOf(hand)),
    degraded: Effect.sync(() => hand.degraded)
  }
  return instance
})

/** The services of an app by name, each running while the layer lives. */
export class PersistenceService extends Context.Service<
  PersistenceService,
  {
    readonly instances: ReadonlyMap<string, Instance>
  }
>()("tickvault/persistence/PersistenceService") {}

type Dependencies = TickQueue | Storage | RunLedger | IdempotencyTracker | DeadLetterQueue

/**
 * Runs the services `names` (default one, "persistence-1") with the same options; they compete for one queue. Fails with
 * `SchemaError` on a bad option.
 */
export const layer = (
  options: typeof Options.Encoded = {},
  names: ReadonlyArray<string> = ["persistence-1"]
): Layer.Layer<PersistenceService, Schema.SchemaError, Dependencies> =>
  Layer.effect(
    PersistenceService,
    Effect.gen(function* () {
      const instances = new Map<string, Instance>()
      for (const name of names) {
        const instance = yield* make(name, options)
        instances.set(name, instance)
        yield* instance.start
      }
      return PersistenceService.of({ instances })
    })
  )
