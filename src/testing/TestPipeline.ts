/**
 * The whole way of a tick in memory: queue, persistence services, a storage with scripted faults, idempotency tracker
 * and dead letters, with handles on all of them.
 *
 * Nothing in it waits for anything but Effect's clock: drive it with `TestClock`. It logs what the services log, and
 * counts into a metric registry of its own. Closing its scope stops the services as an app does.
 *
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as TestPipeline from "tickvault/testing/TestPipeline"
 * import * as TestTick from "tickvault/testing/TestTick"
 *
 * it.effect("stores what it is offered", () =>
 *   Effect.gen(function* () {
 *     const { drain, queue, stored } = yield* TestPipeline.TestPipeline
 *     yield* queue.offerAll(TestTick.range("run-1", 1, 10))
 *     yield* drain
 *     assert.lengthOf(yield* stored("run-1"), 10)
 *   }).pipe(Effect.provide(TestPipeline.layer()))
 * )
 * ```
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as BatchFile from "../batch/BatchFile.ts"
import * as Compression from "../batch/Compression.ts"
import type { DeadLetter } from "../deadletter/DeadLetter.ts"
import * as DeadLetterQueue from "../deadletter/DeadLetterQueue.ts"
import type * as Tick from "../domain/Tick.ts"
import * as IdempotencyTracker from "../idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../ledger/RunLedger.ts"
import * as PersistenceService from "../persistence/PersistenceService.ts"
import * as TickQueue from "../queue/TickQueue.ts"
import * as Service from "../service/Service.ts"
import { Storage } from "../storage/Storage.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import * as FaultyStorage from "./FaultyStorage.ts"

/** What a pipeline is made of. What is left out has its defaults. */
export interface Options {
  readonly queue?: typeof TickQueue.Options.Encoded
  readonly persistence?: typeof PersistenceService.Options.Encoded
  /** How many services compete for the queue: "persistence-1", "persistence-2", ... Default 1. */
  readonly instances?: number
  /** "discard" for none. */
  readonly deadLetters?: typeof DeadLetterQueue.Options.Encoded | "discard"
  /** "discard" for none. */
  readonly tracker?: typeof IdempotencyTracker.Options.Encoded | "discard"
}

export class TestPipeline extends Context.Service<
  TestPipeline,
  {
    readonly queue: TickQueue.TickQueue["Service"]

    /** Scripts the faults of the storage. */
    readonly faults: FaultyStorage.FaultyStorage["Service"]

    readonly deadLetters: DeadLetterQueue.DeadLetterQueue["Service"]

    /** The services by name. */
    readonly services: ReadonlyMap<string, PersistenceService.Instance>

    /** Notes what becomes of the ticks of each run, in the storage. */
    readonly ledger: RunLedger.RunLedger["Service"]

    /** The keys that hold batches or metadata, in ascending order, past all faults. */
    readonly keys: Effect.Effect<ReadonlyArray<string>>

    /** The ticks stored under `key`, past all faults. Dies when there is nothing, or something else than ticks. */
    readonly storedUnder: (key: string) => Effect.Effect<ReadonlyArray<Tick.Tick>>

    /** All stored ticks of `runId` in the order of their keys, past all faults. */
    readonly stored: (runId: string) => Effect.Effect<ReadonlyArray<Tick.Tick>>

    /** The dead letters, oldest first. */
    readonly letters: Effect.Effect<ReadonlyArray<DeadLetter["message"]>>

    /** Ends the queue and waits until the services have settled what is in it. Dies with the cause when one has failed. */
    readonly drain: Effect.Effect<void>
  }
>()("tickvault/testing/TestPipeline") {}

type Parts =
  | TickQueue.TickQueue
  | Storage
  | FaultyStorage.FaultyStorage
  | Compression.Compression
  | IdempotencyTracker.IdempotencyTracker
  | DeadLetterQueue.DeadLetterQueue
  | RunLedger.RunLedger
  | PersistenceService.PersistenceService

const make = Effect.gen(function* () {
  const queue = yield* TickQueue.TickQueue
  const faults = yield* FaultyStorage.FaultyStorage
  const deadLetters = yield* DeadLetterQueue.DeadLetterQueue
  const ledger = yield* RunLedger.RunLedger
  const { instances } = yield* PersistenceService.PersistenceService
  const keys = faults.underneath.list("").pipe(
    Stream.filter((key) => !key.includes("/ledger/")),
    Stream.runCollect,
    Effect.orDie // memory lists without fail
  )
  const read = (key: StorageKey.StorageKey) =>
    BatchFile.read(key).pipe(Stream.provideService(Storage, faults.underneath), Stream.runCollect, Effect.orDie)
  return TestPipeline.of({
    queue,
    faults,
    deadLetters,
    ledger,
    services: instances,
    keys,
    storedUnder: (key) => Effect.flatMap(Effect.orDie(StorageKey.parse(key)), read),
    stored: Effect.fnUntraced(function* (runId) {
      const batches = (yield* keys).filter((key) => key.startsWith(`${runId}/batch_`))
      return Arr.flatten(yield* Effect.forEach(batches, read))
    }),
    letters: Effect.orDie(Stream.runCollect(deadLetters.letters)), // letters in memory are never damaged
    drain: Effect.andThen(queue.end, Effect.flatMap(Service.awaitAll(instances.values()), Exit.asVoidAll))
  })
})

/** A running pipeline, and each of its parts as the service that it is. Fails with `SchemaError` on a bad option. */
export const layer = (options: Options = {}): Layer.Layer<TestPipeline | Parts, Schema.SchemaError> => {
  const { deadLetters, instances = 1, persistence, queue, tracker } = options
  const names = Array.from({ length: instances }, (_, index) => `persistence-${index + 1}`)
  const parts = Layer.mergeAll(
    TickQueue.layer("raw-tick-data", queue),
    Layer.fresh(FaultyStorage.layer),
    Compression.layerNone,
    tracker === "discard" ? IdempotencyTracker.layerDiscard : IdempotencyTracker.layerMemory(tracker),
    deadLetters === "discard" ? DeadLetterQueue.layerDiscard : DeadLetterQueue.layerMemory(deadLetters)
  )
  return Layer.effect(TestPipeline, make).pipe(
    Layer.provideMerge(PersistenceService.layer(persistence, names)),
    Layer.provideMerge(RunLedger.layer),
    Layer.provideMerge(parts),
    Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))
  )
}
