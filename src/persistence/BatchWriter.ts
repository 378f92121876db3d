/**
 * Stores a portion of a batch: claims its ticks, writes them with a time limit and retries, and settles them as stored or
 * as duplicates. Live services and replays of dead letters both store through it.
 *
 * A portion that can't be stored is not settled: the caller gets the failure and still has the portion.
 *
 * Everything can be interrupted. Each step changes `portion.write` and settles in one uninterruptible region. So after an
 * interruption the portion is either settled, or `portion.write` tells how far it has come.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type * as DeadLetter from "../deadletter/DeadLetter.ts"
import { IdempotencyTracker } from "../idempotency/IdempotencyTracker.ts"
import * as Attempts from "../service/Attempts.ts"
import * as BatchFile from "../batch/BatchFile.ts"
import { Compression } from "../batch/Compression.ts"
import { WriteBuffers } from "../batch/WriteBuffers.ts"
import { Storage } from "../storage/Storage.ts"
import { StorageError, TimedOut } from "../storage/StorageError.ts"
import type * as StorageKey from "../storage/StorageKey.ts"
import type * as Outcome from "./Outcome.ts"
import * as Portion from "./Portion.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import type { Settle } from "./Settler.ts"
import { UnexpectedFailure } from "./UnexpectedFailure.ts"
import * as WriteOptions from "./WriteOptions.ts"

/** How an attempt to store a portion fails. */
export type WriteError = StorageError | UnexpectedFailure

/** Why a portion is not stored, with the history of its attempts. */
export interface WriteFailure extends DeadLetter.Failure {
  readonly error: WriteError
  /** Whether another attempt may succeed. */
  readonly isRetryable: boolean
}

/** Called at the steps of a write, for metrics. */
export interface Observer {
  /** A claim took `seconds`. */
  readonly claimed: (seconds: number) => Effect.Effect<void>
  readonly attempted: (outcome: "success" | "failure", seconds: number) => Effect.Effect<void>
  /** The next attempt follows after `pause`. */
  readonly retrying: (error: WriteError, pause: Duration.Duration) => Effect.Effect<void>
}

/** An observer that does nothing. */
export const unobserved: Observer = {
  claimed: () => Effect.void,
  attempted: () => Effect.void,
  retrying: () => Effect.void
}

export interface BatchWriter {
  /**
   * Stores `portion` with retries. Succeeds when all of it is settled, as stored or as duplicate. Otherwise logs the last
   * failure at ERROR and fails with it.
   */
  readonly store: (portion: Portion.Storable) => Effect.Effect<void, WriteFailure>

  /** Stores `portion` with a single attempt. A failure is not logged. */
  readonly storeOnce: (portion: Portion.Storable) => Effect.Effect<void, WriteFailure>

  /**
   * Why a portion is given up: the failure of its last attempt, or a timeout with `code` when that attempt was cut off or
   * none has begun.
   */
  readonly failureOf: (portion: Portion.Storable, code: string) => Effect.Effect<DeadLetter.Failure>
}

/** What the steps share. */
interface Parts {
  readonly storage: Storage["Service"]
  readonly compression: Compression["Service"]
  readonly tracker: IdempotencyTracker["Service"]
  readonly retry: RetryPolicy.RetryPolicy
  readonly attempts: Attempts.Attempts
  readonly memory: WriteBuffers
  readonly settle: Settle<Outcome.Stored | Outcome.Duplicate>
  readonly observer: Observer
}

/** An attempt that has begun. */
interface Attempt {
  readonly key: StorageKey.StorageKey
  /** The state of the write before it. */
  readonly before: Exclude<Portion.Write, Portion.Unclaimed>
  readonly number: number
  readonly startNs: bigint
}

const keyOf = ({ compression }: Pick<Parts, "compression">, { batch }: Portion.Storable) =>
  Effect.provideService(BatchFile.keyOf(batch), Compression, compression)

const secondsSince = (startNs: bigint) =>
  Effect.map(Clock.currentTimeNanos, (nowNs) => Number(nowNs - startNs) / 1_000_000_000)

const timedOut = (key: StorageKey.StorageKey, code: string) =>
  new StorageError({ operation: "write", key, reason: new TimedOut({ code }) })

/** The attempts so far, and the last failure of one. */
const historyOf = (write: Portion.Write) => {
  switch (write._tag) {
    case "Unclaimed":
    case "Claimed":
      return { attempts: 0, earlier: undefined }
    case "Writing":
      return { attempts: write.attempt, earlier: write.earlier }
    case "WriteFailed":
      return { attempts: write.failure.retries + 1, earlier: write.failure }
  }
}

const reasonOf = (error: WriteError): DeadLetter.Reason => {
  if (error._tag === "UnexpectedFailure") return "internal"
  return error.reason._tag === "KeyConflict" ? "key_conflict" : "storage"
}

/** The failure of the last of `attempts`, at this moment. */
const failureNow = (error: WriteError, attempts: number, earlier: DeadLetter.Failure | undefined) =>
  Effect.map(Clock.currentTimeMillis, (now): WriteFailure => {
    const nowMs = Math.floor(now) // a test clock has fractions
    return {
      reason: reasonOf(error),
      error,
      isRetryable: error.isRetryable,
      retries: Math.max(0, attempts - 1),
      firstFailureMs: earlier?.firstFailureMs ?? nowMs,
      lastFailureMs: nowMs
    }
  })

/** An attempt that failed before its commit has stored nothing. One that was abandoned may still commit. */
const mayHaveStored = (error: WriteError | Attempts.Overdue): boolean => {
  switch (error._tag) {
    case "Overdue":
      return error.begun
    case "StorageError":
      return error.operation === "commit"
    case "UnexpectedFailure":
      return true
  }
}

/** Claims the ticks of a portion, unless they are claimed already. Settles as duplicates all that are not fresh. */
const claim = Effect.fnUntraced(function* ({ observer, settle, tracker }: Parts, portion: Portion.Storable) {
  const { runId, write } = portion
  if (Portion.isClaimed(write)) return write
  const startNs = yield* Clock.currentTimeNanos
  const { fresh } = yield* tracker.claim(portion.batch)
  const next: Portion.Claimed = { _tag: "Claimed", mayBeStored: write.mayBeStored }
  portion.write = next
  yield* observer.claimed(yield* secondsSince(startNs))
  if (fresh.length === portion.ticks.length) return next
  const { rest } = Portion.partition(portion.ticks, fresh, () => true)
  yield* settle(portion, rest, { _tag: "Duplicate", runId, found: { foundBy: "claim" } })
  return next
}, Effect.uninterruptible)

/** The storage has the portion. When no attempt of this portion can have put it there, it is a duplicate. */
const succeeded = Effect.fnUntraced(function* (
  { observer, settle }: Parts,
  portion: Portion.Storable,
  { before, key, number, startNs }: Attempt,
  written: BatchFile.Written
) {
  const { runId, ticks } = portion
  const seconds = yield* secondsSince(startNs)
  yield* observer.attempted("success", seconds)
  // An attempt of this portion would have used this key, which says how it is compressed.
  const isOwn = written.outcome === "created" || (before.mayBeStored && written.key === key)
  yield* isOwn
    ? settle(portion, ticks, {
        _tag: "Stored",
        runId,
        written,
        attempts: number,
        tookMs: seconds * 1000,
        committedAtMs: yield* Clock.currentTimeMillis
      })
    : settle(portion, ticks, { _tag: "Duplicate", runId, found: { foundBy: "write", key: written.key } })
})

const failed = Effect.fnUntraced(function* (
  { observer }: Parts,
  portion: Portion.Storable,
  { before, key, number, startNs }: Attempt,
  cause: WriteError | Attempts.Overdue
) {
  const error = cause._tag === "Overdue" ? timedOut(key, cause.code) : cause
  const failure = yield* failureNow(error, number, historyOf(before).earlier)
  portion.write = { _tag: "WriteFailed", failure, mayBeStored: before.mayBeStored || mayHaveStored(cause) }
  yield* observer.attempted("failure", yield* secondsSince(startNs))
  return yield* Effect.fail(failure)
})

/** One attempt to write what is left of a claimed portion. */
const write = Effect.fn("BatchWriter.write")(function* (
  parts: Parts,
  portion: Portion.Storable,
  before: Attempt["before"]
) {
  const { attempts, compression, memory, storage } = parts
  const key = yield* keyOf(parts, portion)
  const { attempts: earlierAttempts, earlier } = historyOf(before)
  const attempt: Attempt = { key, before, number: earlierAttempts + 1, startNs: yield* Clock.currentTimeNanos }
  yield* Effect.annotateCurrentSpan({ key, attempt: attempt.number })
  yield* Effect.uninterruptibleMask((restore) => {
    portion.write = { _tag: "Writing", mayBeStored: true, attempt: attempt.number, earlier }
    return restore(
      attempts.run(
        BatchFile.write(key, portion.ticks, memory).pipe(
          Effect.provideService(Storage, storage),
          Effect.provideService(Compression, compression)
        )
      )
    ).pipe(
      Effect.catchDefect((cause) => Effect.fail(new UnexpectedFailure({ operation: "write", cause }))),
      Effect.matchEffect({
        onFailure: (error) => failed(parts, portion, attempt, error),
        onSuccess: (written) => succeeded(parts, portion, attempt, written)
      })
    )
  })
})

const storeOnce = Effect.fnUntraced(function* (parts: Parts, portion: Portion.Storable) {
  const before = yield* claim(parts, portion)
  if (!portion.settled) yield* write(parts, portion, before)
})

const retries = (parts: Parts, portion: Portion.Storable) => {
  const { observer, retry } = parts
  return RetryPolicy.schedule<WriteFailure>(retry, ({ attempt, error: { error }, pause }) =>
    Effect.flatMap(keyOf(parts, portion), (key) =>
      Effect.logWarning("Failed to write batch, retrying").pipe(
        Effect.annotateLogs({
          key,
          attempt,
          maxRetries: retry.maxRetries,
          backoffMs: Duration.toMillis(pause),
          error: error.message
        })
      )
    ).pipe(Effect.andThen(observer.retrying(error, pause)), Effect.uninterruptible)
  )
}

/** Logs that a portion is not tried again. */
export const logGivenUp = (portion: Portion.Storable, { error, retries }: DeadLetter.Failure) =>
  Effect.logError("Failed to write batch, giving up").pipe(
    Effect.annotateLogs({ ...Portion.facts(portion), attempts: retries + 1, error: error.message })
  )

const failureOf = Effect.fnUntraced(function* (parts: Parts, portion: Portion.Storable, code: string) {
  const { write } = portion
  if (write._tag === "WriteFailed") return write.failure
  const { attempts, earlier } = historyOf(write)
  return yield* failureNow(timedOut(yield* keyOf(parts, portion), code), attempts, earlier)
})

/**
 * Gives what makes a writer for a caller, on the storage, the compression and the tracker of the context. The caller
 * stores at most `atATime` portions at a time. Its `settle` is called for all that is stored or found to be a
 * duplicate.
 */
export const make = Effect.fnUntraced(function* (options: typeof WriteOptions.Options.Type, atATime: number) {
  const retry = WriteOptions.retryPolicy(options)
  const storage = yield* Storage
  const compression = yield* Compression
  const tracker = yield* IdempotencyTracker
  const abandoned = yield* Scope.make() // never closed: nobody waits for an attempt that was abandoned
  return (settle: Parts["settle"], observer: Observer): BatchWriter => {
    const attempts = Attempts.make(options.writeTimeout, abandoned, atATime)
    const parts = {
      storage,
      compression,
      tracker,
      retry,
      attempts,
      memory: new WriteBuffers(atATime),
      settle,
      observer
    }
    return {
      store: Effect.fn("BatchWriter.store")(function* (portion) {
        yield* Effect.annotateCurrentSpan(Portion.facts(portion))
        yield* storeOnce(parts, portion).pipe(
          Effect.retry(retries(parts, portion)),
          Effect.tapError((failure) => logGivenUp(portion, failure))
        )
      }),
      storeOnce: Effect.fn("BatchWriter.storeOnce")((portion) => storeOnce(parts, portion)),
      failureOf: (portion, code) => failureOf(parts, portion, code)
    }
  }
})
