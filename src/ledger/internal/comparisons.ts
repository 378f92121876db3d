/**
 * Compares runs with their ledgers in the background, and records the missing entries of stored batches.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as RunId from "../../domain/RunId.ts"
import { Storage } from "../../storage/Storage.ts"
import * as UnknownBatches from "../UnknownBatches.ts"
import * as Writer from "./writer.ts"

/** The shortest time between two comparisons of a run. */
const shortestPause = Duration.minutes(1)

/** The number of runs that are compared at the same time. */
const concurrency = 2

/** Retries after pauses of 1, 2, 4, 8 and 16 seconds. Stops when `closing` is open. */
const retries = (closing: Latch.Latch) =>
  Schedule.upTo(Schedule.exponential(Duration.seconds(1)), { times: 5 }).pipe(
    Schedule.while(({ duration }) => Effect.map(Effect.timeoutOption(closing.await, duration), Option.isNone)),
    Schedule.modifyDelay(() => Effect.succeed(Duration.zero))
  )

/** The entry for `batch`. `undefined` when it is gone, or when it is damaged, which is logged at WARN. */
const entryOf = Effect.fnUntraced(
  function* (batch: UnknownBatches.UnknownBatch) {
    const made = yield* UnknownBatches.entryOf(batch)
    if (made === undefined) {
      yield* Effect.logWarning("A stored batch that the ledger does not know is damaged: verify the run").pipe(
        Effect.annotateLogs({ key: batch.key })
      )
    }
    return made
  },
  // The batch was set aside or removed since it was listed.
  Effect.catchReason("StorageError", "ObjectMissing", () => Effect.undefined)
)

/** Records entries for the batches of the run without one. */
const compare = Effect.fnUntraced(function* (runId: RunId.RunId, { add, flush }: Recorder) {
  let entries = 0
  for (const batch of yield* UnknownBatches.find(runId, flush)) {
    const made = yield* entryOf(batch)
    if (made === undefined) continue
    yield* add(runId, made)
    entries++
  }
  if (entries === 0) return
  yield* Effect.logInfo("Ledger entries made from stored batches").pipe(Effect.annotateLogs({ run: runId, entries }))
})

/** Compares with retries. Logs the last failure at WARN. */
const compareRetrying = (runId: RunId.RunId, recorder: Recorder, closing: Latch.Latch) =>
  compare(runId, recorder).pipe(
    Effect.catchDefect((defect) => Effect.fail(Writer.unexpected(defect))),
    Effect.retry(retries(closing)),
    Effect.catch((error) =>
      Effect.logWarning("Ledger could not be compared with what is stored").pipe(
        Effect.annotateLogs({ error: error.message })
      )
    )
  )

/** Interrupts the comparisons that are left, without waiting for them, and logs their number at WARN. */
const abandon = Effect.fnUntraced(function* (fibers: FiberSet.FiberSet<void, never>) {
  const left = yield* FiberSet.size(fibers)
  if (left > 0) {
    yield* Effect.logWarning("Runs could not be compared with their ledgers in time: verify them").pipe(
      Effect.annotateLogs({ runs: left })
    )
  }
  for (const fiber of fibers) fiber.interruptUnsafe()
})

/** How a comparison records entries. */
interface Recorder {
  readonly add: (runId: RunId.RunId, made: UnknownBatches.NewEntry) => Effect.Effect<void>
  readonly flush: Writer.Writer["flush"]
}

export interface Comparisons {
  /**
   * Begins a comparison of the run: at once the first time, later a minute after this call. Does nothing while one is about
   * to begin.
   */
  readonly begin: (runId: RunId.RunId) => Effect.Effect<void>

  /** Begins the first comparison of the run, unless it has begun. */
  readonly beginFirst: (runId: RunId.RunId) => Effect.Effect<void>

  /** Starts waiting comparisons at once, waits for all for at most `limit`, and interrupts the rest without waiting. */
  readonly end: (limit: Duration.Duration, vanished: Writer.Writer["vanished"]) => Effect.Effect<void>
}

/** Makes the comparisons of the storage of the context. They run in `background`, which nobody waits for. */
export const make = Effect.fnUntraced(function* (
  background: Scope.Scope,
  recorder: Recorder
): Effect.fn.Return<Comparisons, never, Storage> {
  const storage = yield* Storage
  const fibers = yield* FiberSet.make<void, never>().pipe(Scope.provide(background))
  const fewAtATime = Semaphore.withPermit(yield* Semaphore.make(concurrency))
  const closing = Latch.makeUnsafe(false)
  /** Runs with a comparison that has begun or is about to. */
  const known = new Set<RunId.RunId>()
  /** Runs with a comparison that is about to begin. */
  const due = new Set<RunId.RunId>()

  const comparison = Effect.fnUntraced(
    function* (runId: RunId.RunId) {
      due.delete(runId)
      yield* compareRetrying(runId, recorder, closing)
    },
    fewAtATime,
    Effect.provideService(Storage, storage)
  )

  const begin: Comparisons["begin"] = (runId) =>
    Effect.suspend(() => {
      if (due.has(runId)) return Effect.void
      const pause = known.has(runId) ? shortestPause : Duration.zero
      known.add(runId)
      due.add(runId)
      const delayed = Effect.andThen(Effect.timeoutOption(closing.await, pause), comparison(runId))
      return Effect.asVoid(FiberSet.run(fibers, delayed, { startImmediately: false }))
    })

  const end: Comparisons["end"] = Effect.fnUntraced(function* (limit, vanished) {
    closing.openUnsafe()
    yield* Effect.orElseSucceed(vanished, () => []).pipe(
      Effect.flatMap((runIds) => Effect.forEach(runIds, begin, { discard: true })),
      Effect.andThen(FiberSet.awaitEmpty(fibers)),
      Effect.timeoutOption(limit)
    )
    yield* abandon(fibers)
  })

  return { begin, beginFirst: (runId) => Effect.suspend(() => (known.has(runId) ? Effect.void : begin(runId))), end }
})
