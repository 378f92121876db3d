/**
 * Keeps the ledgers of runs: notes what becomes of their ticks, beside their batches.
 *
 * Each process adds to logs of its own, so that competing processes need no lock that a crash could leave behind. Noting
 * never holds up what is noted: a fiber of the layer writes, all that waits in one piece, and goes on trying when the
 * storage fails. An entry that a crash takes away is made again from the object that it spoke of: the first note of a run
 * starts that in the background for the whole run.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as RunId from "../domain/RunId.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import { Pending } from "./internal/Pending.ts"
import * as Recover from "./internal/recover.ts"
import * as Writer from "./internal/writer.ts"
import type { Entry } from "./LedgerEntry.ts"

export class RunLedger extends Context.Service<
  RunLedger,
  {
    /**
     * Notes `entry` in the ledger of the run, with the running checksums of the ticks of a stored batch. Doesn't wait
     * until it is written, and doesn't fail: what can't be written is tried again.
     */
    readonly record: (runId: RunId.RunId, entry: Entry, checks?: ReadonlyArray<number>) => Effect.Effect<void>

    /**
     * Something of the run is stored that nobody may have noted: compares in the background what is stored with what the
     * ledger knows, at most once a minute and at the latest when the scope closes, and makes the entries that are missing.
     * The first note of a run does it too.
     */
    readonly attend: (runId: RunId.RunId) => Effect.Effect<void>

    /** Waits until all that was noted before survives a crash of the system. Fails when the next attempt to write does. */
    readonly flush: Effect.Effect<void, StorageError>
  }
>()("tickvault/ledger/RunLedger") {}

const shortestPause = Duration.seconds(1)

/** Shortest time between two comparisons of a run with its ledger. */
const comparisonPause = Duration.minutes(1)

/** Longest that the closing of the scope waits for the storage: half for comparisons, half for what is to be written. */
const closingTimeout = Duration.seconds(5)

const half = Duration.times(closingTimeout, 0.5)

/** Pauses of 1, 2, 4, 8 and 16 seconds, and none any more once `closing` is open. */
const recoveryRetries = (closing: Latch.Latch) =>
  Schedule.upTo(Schedule.exponential(shortestPause), { times: 5 }).pipe(
    Schedule.while(({ duration }) => Effect.map(Effect.timeoutOption(closing.await, duration), Option.isNone)),
    Schedule.modifyDelay(() => Effect.succeed(Duration.zero))
  )

/**
 * Makes the ledgers of the storage of the context. Closing the scope waits five seconds at most for comparisons under way
 * and for what is to be written; how many entries are left then is logged at WARN, and they can be made again from the
 * objects.
 */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const pending = new Pending()
  // A call that hangs in the storage can't be interrupted: nobody waits for the end of this scope.
  const background = yield* Scope.make()
  const writer = yield* Writer.make(storage, pending, background)
  const annotate = Effect.annotateLogs({ module: "tickvault/ledger/RunLedger", storage: storage.name })
  /** Runs that have been compared, or are about to be. */
  const begun = new Set<RunId.RunId>()
  /** Runs that are about to be. */
  const due = new Set<RunId.RunId>()
  const recoveries = new Set<Fiber.Fiber<unknown>>()
  const closing = Latch.makeUnsafe(false)
  let isClosed = false
  const fewAtATime = Semaphore.withPermit(yield* Semaphore.make(2))

  const record = (runId: RunId.RunId, entry: Entry, checks?: ReadonlyArray<number>): Effect.Effect<void> =>
    Effect.suspend(() => {
      pending.add(runId, entry, checks)
      writer.wake()
      return begun.has(runId) ? Effect.void : attend(runId)
    })

  const attend = (runId: RunId.RunId): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (due.has(runId)) return Effect.void
      const pause = begun.has(runId) ? comparisonPause : Duration.zero
      begun.add(runId)
      due.add(runId)
      const comparison = Effect.timeoutOption(closing.await, pause).pipe(
        Effect.andThen(
          fewAtATime(
            Effect.andThen(
              Effect.sync(() => due.delete(runId)),
              recover(runId)
            )
          )
        )
      )
      return Effect.map(Effect.forkIn(annotate(comparison), background), (fiber) => {
        recoveries.add(fiber)
        fiber.addObserver(() => void recoveries.delete(fiber))
      })
    })

  const recover = Effect.fnUntraced(
    function* (runId: RunId.RunId) {
      const batches = yield* Recover.unknown(storage, runId, writer.flush)
      let entries = 0
      for (const batch of batches) {
        const made = yield* Recover.entryOf(storage, batch).pipe(
          Effect.catchReason("StorageError", "ObjectMissing", () => Effect.succeed("gone" as const))
        )
        if (made === "gone") continue // set aside or taken away since it was listed
        if (made === undefined) {
          yield* Effect.logWarning("A stored batch that the ledger does not know is damaged: verify the run").pipe(
            Effect.annotateLogs({ key: batch.key })
          )
          continue
        }
        yield* record(runId, made.entry, made.checks)
        entries++
      }
      if (entries === 0) return
      yield* Effect.logInfo("Ledger entries made from stored batches").pipe(
        Effect.annotateLogs({ run: runId, entries })
      )
    },
    Effect.catchDefect((defect) => Effect.fail(Writer.unexpected(defect))),
    // A storage that fails is tried again a few times; the end of the scope doesn't wait for that.
    Effect.retry(recoveryRetries(closing)),
    Effect.catch((error) =>
      Effect.logWarning("Ledger could not be compared with what is stored").pipe(
        Effect.annotateLogs({ error: error.message })
      )
    )
  )

  const writing = yield* Effect.forkIn(annotate(Effect.forever(writer.turn)), background)

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      closing.openUnsafe()
      const recovered = Effect.suspend(() => Effect.forEach([...recoveries], Fiber.await, { discard: true }))
      const lost = Effect.flatMap(
        Effect.orElseSucceed(writer.vanished, () => []),
        (runIds) => Effect.forEach(runIds, attend, { discard: true })
      )
      yield* Effect.timeoutOption(Effect.andThen(lost, recovered), half)
      if (recoveries.size > 0) {
        yield* Effect.logWarning("Runs could not be compared with their ledgers in time: verify them").pipe(
          Effect.annotateLogs({ runs: recoveries.size })
        )
      }
      for (const fiber of recoveries) fiber.interruptUnsafe()
      const written = yield* Effect.timeoutOption(Effect.exit(writer.flush), half)
      writing.interruptUnsafe()
      isClosed = true
      if (Option.isSome(written)) yield* writer.close
      const left = pending.count + pending.left
      if (left === 0) return
      yield* Effect.logWarning(
        "Ledger entries could not be written: `tickvault verify --rebuild` makes them again"
      ).pipe(Effect.annotateLogs({ entries: left }))
    }).pipe(annotate)
  )
  const flush = Effect.suspend(() => (isClosed ? Effect.fail(Writer.closed) : writer.flush))
  return RunLedger.of({ record, attend, flush })
})

/** The ledgers of a storage, kept beside its batches. */
export const layer: Layer.Layer<RunLedger, never, Storage> = Layer.effect(RunLedger, make)

/** Without ledgers: nothing proves later that a run is whole. */
export const discard: RunLedger["Service"] = RunLedger.of({
  record: () => Effect.void,
  attend: () => Effect.void,
  flush: Effect.void
})

/** Keeps none, on purpose. */
export const layerDiscard: Layer.Layer<RunLedger> = Layer.succeed(RunLedger, discard)
