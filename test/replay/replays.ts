/** A dead-letter queue, a storage with faults and a replay between them, with short ways to look at what came out. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import * as Compression from "../../src/batch/Compression.ts"
import * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as Tick from "../../src/domain/Tick.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import type * as PersistenceService from "../../src/persistence/PersistenceService.ts"
import * as Replay from "../../src/replay/Replay.ts"
import * as BatchFile from "../support/batchFiles.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { IoFailure } from "../../src/storage/StorageError.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as InStorage from "../support/InStorage.ts"

/** What replays that go wrong may say. */
export const complaints: ReadonlyArray<LogWatch.Allowed> = [
  { level: "Info", message: /^Dead letter replayed/u },
  { level: "Debug", message: /./u },
  { level: "Warn", message: "Failed to write batch, retrying" },
  { level: "Error", message: "Failed to write batch, giving up" },
  { level: "Error", message: "Batch consistency violation" },
  { level: "Info", message: "Ticks stay in their dead letter" },
  { level: "Info", message: "Ledger entries made from stored batches" }
]

/** A letter about `ticks` that the storage has refused. */
export const letterOf = (ticks: ReadonlyArray<Tick.Tick>, reason: DeadLetter.Reason = "storage") =>
  Effect.suspend(() => {
    if (!Tick.isBatch(ticks)) return Effect.die(new Error("a letter has ticks"))
    const error = new IoFailure({ code: "EIO" })
    const failure = { reason, error, retries: 3, firstFailureMs: 1000, lastFailureMs: 8000 }
    return DeadLetter.make(ticks, failure, { service: "persistence-1", queue: "raw-tick-data" })
  })

export const makeReplays = Effect.fnUntraced(function* (options: typeof PersistenceService.Options.Encoded = {}) {
  const { faults, storage } = FaultyStorage.make(yield* Storage.makeMemory("memory"))
  const deadLetters = yield* DeadLetterQueue.makeMemory("letters", { capacity: 10_000 })
  const ledger = yield* Effect.provideService(RunLedger.make, Storage.Storage, storage)
  const tracker = yield* IdempotencyTracker.makeMemory("memory")
  const context = Context.make(Storage.Storage, storage).pipe(
    Context.add(DeadLetterQueue.DeadLetterQueue, deadLetters),
    Context.add(Compression.Compression, Compression.none),
    Context.add(RunLedger.RunLedger, ledger),
    Context.add(IdempotencyTracker.IdempotencyTracker, tracker)
  )
  const replays = yield* Effect.provideContext(Replay.make("replay", options), context)
  const { underneath } = faults
  return {
    faults,
    deadLetters,
    ledger,
    tracker,
    /** What a replay is made in. */
    context,
    replays,
    /** Puts a letter about `ticks` into the queue; gives its id. */
    give: Effect.fnUntraced(function* (ticks: ReadonlyArray<Tick.Tick>, reason?: DeadLetter.Reason) {
      const letter = yield* letterOf(ticks, reason)
      yield* deadLetters.offer(letter)
      return letter.id
    }),
    ids: Stream.runCollect(deadLetters.ids),
    /** What is stored by key, past all faults. */
    files: Effect.gen(function* () {
      const keys = (yield* Stream.runCollect(underneath.list(""))).filter((key) => !key.includes("/ledger/"))
      const files: Record<string, ReadonlyArray<Tick.Tick>> = {}
      for (const key of keys) files[key] = yield* Stream.runCollect(BatchFile.read(underneath, key))
      return files
    }),
    /** The entries of the ledger of `run`, headers left out. */
    entries: (run: string) =>
      InStorage.ledger(underneath, RunId.make(run)).pipe(
        Stream.runCollect,
        Effect.map((items) =>
          items.flatMap((item) => (item._tag === "Line" && item.entry._tag !== "Header" ? [item.entry] : []))
        )
      )
  }
})

export type Replays = Effect.Success<ReturnType<typeof makeReplays>>

/** `effect` with a metric registry of its own, watched: what it logs beyond `complaints` fails the test. */
export const watched = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.scoped,
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.provide(LogWatch.layer({ allow: complaints }))
  )
