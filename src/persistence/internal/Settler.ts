/**
 * Settles what a persistence service has in hand: claim, write with retries, dead-letter.
 *
 * Everything here may be interrupted anywhere. What a step has done and what the books say of it change in one
 * uninterruptible region, so that an interruption leaves every portion either settled or in hand.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as RunId from "../../domain/RunId.ts"
import type * as Tick from "../../domain/Tick.ts"
import * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import * as BatchFile from "../../storage/BatchFile.ts"
import { PieceMemory } from "../../storage/PieceMemory.ts"
import { StorageError, TimedOut } from "../../storage/StorageError.ts"
import type * as StorageKey from "../../storage/StorageKey.ts"
import * as RetryPolicy from "../RetryPolicy.ts"
import type { Overdue } from "../../service/Attempts.ts"
import { type Context, facts, UnexpectedFailure, type WriteError } from "./Context.ts"
import * as Degradation from "./degradation.ts"
import * as ledgerEntries from "./ledgerEntries.ts"
import * as letters from "./letters.ts"
import { maxBatches } from "./Hand.ts"
import type { Portion } from "./Portion.ts"

/** Most duplicates of a batch that are logged each for itself. */
const loggedDuplicates = 10

/** One portion that hangs doesn't take all the time of the others. */
const fewAtATime = { concurrency: maxBatches, discard: true } as const

const noteFailure = (portion: Portion, error: WriteError) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const nowMs = Math.floor(now) // a test clock has fractions
    portion.firstFailureMs ??= nowMs
    const conflict = error._tag === "StorageError" && error.reason._tag === "KeyConflict"
    portion.failure = {
      reason: error._tag === "UnexpectedFailure" ? "internal" : conflict ? "key_conflict" : "storage",
      error,
      retries: Math.max(0, portion.attempts - 1),
      firstFailureMs: portion.firstFailureMs,
      lastFailureMs: nowMs
    }
  })

const giveUp = (portion: Portion, error: WriteError) =>
  Effect.logError("Failed to write batch, giving up").pipe(
    Effect.annotateLogs({ ...facts(portion), attempts: portion.attempts, error: error.message })
  )

/** Makes the settler of one service. */
export const make = (context: Context) => {
  const { hand, ledger, metrics, queue, retry, service, storage, tracker, writes } = context
  const degradation = Degradation.make(hand)
  const memory = new PieceMemory(maxBatches)
  const keyOf = (portion: Portion, runId: RunId.RunId) => BatchFile.keyOf(storage, runId, portion.ticks)

  const timedOut = (portion: Portion, runId: RunId.RunId, code: string) =>
    new StorageError({ operation: "write", key: keyOf(portion, runId), reason: new TimedOut({ code }) })

  const logDuplicates = Effect.fnUntraced(function* (
    runId: RunId.RunId,
    ticks: ReadonlyArray<Tick.Tick>,
    all: boolean
  ) {
    for (const tick of ticks.slice(0, loggedDuplicates)) {
      yield* Effect.logError("Duplicate tick detected").pipe(
        Effect.annotateLogs({ key: IdempotencyTracker.key(runId, tick) })
      )
    }
    if (ticks.length > loggedDuplicates) {
      yield* Effect.logError("Further duplicate ticks detected").pipe(
        Effect.annotateLogs({ run: runId, ticks: ticks.length - loggedDuplicates })
      )
    }
    if (all) yield* Effect.logWarning("Entire batch was duplicates, skipping").pipe(Effect.annotateLogs({ run: runId }))
  })

  /**
   * Settles as duplicate what an earlier process has stored of a portion. One that may be stored by an attempt of this
   * process is left to the next attempt to find.
   */
  const recall = Effect.fnUntraced(function* (portion: Portion, runId: RunId.RunId) {
    if (portion.claimed || portion.mayBeStored) return
    const found = yield* tracker.recall(runId, portion.ticks)
    if (found.length > 0) yield* settleFound(portion, runId, new Set(found))
  })

  const settleFound = Effect.fnUntraced(function* (
    portion: Portion,
    runId: RunId.RunId,
    found: ReadonlySet<Tick.Tick>
  ) {
    const [duplicates, rest] = [
      portion.ticks.filter((tick) => found.has(tick)),
      portion.ticks.filter((tick) => !found.has(tick))
    ]
    yield* queue.settle(duplicates, "duplicate")
    hand.keep(portion, rest, "duplicate")
    yield* ledger.attend(runId)
    yield* metrics.duplicates("storage", duplicates.length)
    yield* Effect.logInfo("Ticks are stored already").pipe(
      Effect.annotateLogs({ run: runId, ticks: duplicates.length, rest: rest.length })
    )
  }, Effect.uninterruptible)

  /** Claims what is fresh of a portion; the rest is settled as duplicate. */
  const claim = Effect.fnUntraced(function* (portion: Portion, runId: RunId.RunId) {
    if (portion.claimed) return
    const start = yield* Clock.currentTimeNanos
    const { claimed, fresh, stored } = yield* tracker.claim(runId, portion.ticks)
    portion.claimed = true
    yield* metrics.check(Number((yield* Clock.currentTimeNanos) - start) / 1_000_000_000)
    if (fresh.length === portion.ticks.length) return
    const duplicates = [...stored, ...claimed]
    yield* queue.settle(duplicates, "duplicate")
    hand.keep(portion, fresh, "duplicate")
    yield* metrics.duplicates("tracker", duplicates.length)
    yield* logDuplicates(runId, duplicates, fresh.length === 0)
  }, Effect.uninterruptible)

  /**
   * The portion is stored. Found there although no attempt can have stored it, it is a duplicate; after an attempt of
   * unknown outcome it has been written.
   */
  const stored = Effect.fnUntraced(function* (
    portion: Portion,
    runId: RunId.RunId,
    committed: BatchFile.Written,
    {
      key: wanted,
      mayBeOwn,
      tookMs
    }: { readonly key: StorageKey.StorageKey; readonly mayBeOwn: boolean; readonly tookMs: number }
  ) {
    const { ticks } = portion
    const { key } = committed
    // Compressed in another way it can't be of an attempt of its own.
    const isOwn = mayBeOwn && key === wanted
    const found = committed.outcome === "identical" && !isOwn
    yield* tracker.commit(runId, ticks)
    yield* queue.settle(ticks, found ? "duplicate" : "stored")
    hand.settle(portion, found ? "duplicate" : "written")
    if (found) {
      yield* ledger.attend(runId)
      yield* metrics.duplicates("storage", ticks.length)
      return yield* Effect.logInfo("Batch is stored already").pipe(Effect.annotateLogs({ key, ticks: ticks.length }))
    }
    hand.batchesWritten++
    hand.bytesWritten += committed.bytes
    hand.bytesStored += committed.storedBytes
    const nowMs = yield* Clock.currentTimeMillis
    const entry = ledgerEntries.commit(portion, committed, { service, committedAtMs: nowMs, tookMs })
    yield* ledger.record(runId, entry, committed.checks)
    yield* metrics.batchesWritten(1)
    yield* metrics.ticksWritten(ticks.length)
    yield* metrics.writtenBytes(committed.bytes)
    yield* metrics.storedBytes(committed.storedBytes)
    yield* metrics.batchTicks(ticks.length)
    yield* metrics.latency(Math.max(0, nowMs - portion.enqueuedAtMs) / 1000)
    yield* metrics.lastCommit(nowMs / 1000)
    yield* Effect.logDebug("Successfully wrote batch").pipe(
      Effect.annotateLogs({ key, ticks: ticks.length, bytes: committed.storedBytes })
    )
  })

  /** One attempt to store a portion. */
  const attempt = Effect.fnUntraced(function* (portion: Portion, runId: RunId.RunId) {
    const start = yield* Clock.currentTimeNanos
    const took = (outcome: "success" | "failure") =>
      Effect.gen(function* () {
        const tookMs = Number((yield* Clock.currentTimeNanos) - start) / 1_000_000
        yield* metrics.commit(outcome, tookMs / 1000)
        return tookMs
      })
    const key = keyOf(portion, runId)
    portion.attempts++
    const mayBeOwn = portion.mayBeStored
    portion.mayBeStored = true
    /** Nothing is stored by an attempt that failed before its commit. One that was abandoned may still get there. */
    const noteOutcome = (error: WriteError | Overdue) => {
      const known =
        error._tag === "Overdue" ? !error.begun : error._tag === "StorageError" && error.operation !== "commit"
      if (known) portion.mayBeStored = mayBeOwn
    }
    yield* Effect.uninterruptibleMask((restore) =>
      restore(writes.run(BatchFile.write(storage, key, portion.ticks, memory))).pipe(
        Effect.catchDefect((cause) => Effect.fail(new UnexpectedFailure({ operation: "write", cause }))),
        Effect.tapError((error) => Effect.sync(() => noteOutcome(error))),
        Effect.catchTag("Overdue", ({ code }) => Effect.fail(timedOut(portion, runId, code))),
        Effect.tapError((error) => Effect.andThen(noteFailure(portion, error), took("failure"))),
        Effect.flatMap((written) =>
          Effect.flatMap(took("success"), (tookMs) => stored(portion, runId, written, { key, mayBeOwn, tookMs }))
        ),
        Effect.andThen(degradation.accepted(portion))
      )
    )
  })

  const retrySchedule = (portion: Portion, runId: RunId.RunId) =>
    RetryPolicy.schedule<WriteError>(retry, ({ attempt: failedAttempt, error, pause }) =>
      Effect.suspend(() => {
        hand.writeRetries++
        return Effect.logWarning("Failed to write batch, retrying").pipe(
          Effect.annotateLogs({
            key: keyOf(portion, runId),
            attempt: failedAttempt,
            maxRetries: retry.maxRetries,
            backoffMs: Duration.toMillis(pause),
            error: error.message
          }),
          Effect.andThen(metrics.retries(error.reason.errorType, 1)),
          Effect.andThen(metrics.retryWait(Duration.toSeconds(pause)))
        )
      }).pipe(Effect.uninterruptible)
    )

  const deadLetter = letters.make(context, degradation, attempt)

  const isHeld = (portion: Portion) => hand.portions.includes(portion)

  const settle = Effect.fnUntraced(function* (portion: Portion) {
    const { runId } = portion
    if (runId !== undefined) {
      yield* recall(portion, runId)
      if (isHeld(portion)) yield* claim(portion, runId)
      if (!isHeld(portion)) return
      yield* attempt(portion, runId).pipe(
        Effect.retry(retrySchedule(portion, runId)),
        Effect.catch((error) => giveUp(portion, error))
      )
    }
    if (isHeld(portion)) yield* deadLetter(portion)
  })

  /**
   * The last attempt of a portion that an interruption left in hand. None when its letter may be kept already: offering
   * that again settles the portion, and storing it too would have it in both.
   */
  const writeOnce = Effect.fnUntraced(function* (portion: Portion) {
    const { runId } = portion
    if (runId === undefined || portion.letterUnanswered) return
    // What a slow storage has to say of earlier processes must not take the time of the attempt.
    yield* Effect.timeoutOption(recall(portion, runId), Duration.times(context.shutdownTimeout, 0.1))
    if (isHeld(portion)) yield* claim(portion, runId)
    if (isHeld(portion)) yield* Effect.catch(attempt(portion, runId), (error) => giveUp(portion, error))
  })

  const returnToQueue = Effect.fnUntraced(function* (portion: Portion) {
    const { runId, ticks } = portion
    yield* Effect.logError("Batch could not be settled in time, returned to the queue").pipe(
      Effect.annotateLogs(facts(portion))
    )
    if (runId !== undefined && portion.claimed) yield* tracker.release(runId, ticks)
    yield* queue.settle(ticks, "returned")
    hand.settle(portion, "returned")
    yield* metrics.returned("shutdown", ticks.length)
  })

  /** Settles `portions`, one after the other, however long the storage takes. */
  const settleAll = (portions: ReadonlyArray<Portion>) => Effect.forEach(portions, settle, { discard: true })

  /** What nobody has taken goes back, and nothing is degraded that is not held. */
  const giveBack = Effect.suspend(() => Effect.forEach(hand.portions.slice(), returnToQueue, { discard: true })).pipe(
    Effect.andThen(
      Effect.sync(() => {
        for (let left = hand.firstRefused; left !== undefined; left = hand.firstRefused) hand.degrade(left, undefined)
      })
    )
  )

  /**
   * Settles what an interruption left in hand, within the shutdown timeout: half of it is for the storage, the rest for
   * the dead-letter queue, and what neither has taken by then goes back to the queue.
   */
  const settleRest = Effect.gen(function* () {
    if (hand.portions.length === 0) return
    yield* Effect.logInfo("Shutdown requested, writing partial batch").pipe(Effect.annotateLogs({ ticks: hand.ticks }))
    const half = Duration.times(context.shutdownTimeout, 0.5)
    yield* Effect.timeoutOption(Effect.forEach(hand.portions.slice(), writeOnce, fewAtATime), half)
    for (const portion of hand.portions) {
      const cutOff = portion.failure === undefined || portion.failure.retries < portion.attempts - 1
      if (cutOff && portion.runId !== undefined)
        yield* noteFailure(portion, timedOut(portion, portion.runId, "shutdownTimeout"))
    }
    yield* Effect.timeoutOption(Effect.forEach(hand.portions.slice(), deadLetter, fewAtATime), half)
  }).pipe(Effect.ensuring(giveBack))

  return { settleAll, settleRest }
}
