/**
 * What a service does with each portion: it settles those that it takes, and what a stop has left of them.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as DeadLetter from "../../deadletter/DeadLetter.ts"
import { IdempotencyTracker } from "../../idempotency/IdempotencyTracker.ts"
import * as BatchWriter from "../BatchWriter.ts"
import * as Outcome from "../Outcome.ts"
import * as Portion from "../Portion.ts"
import type { Settle } from "../Settler.ts"
import type { DeadLetters } from "./deadLettering.ts"
import { type InFlight, maxBatches } from "./InFlight.ts"

/** One portion that hangs doesn't take all the time of the others. */
const fewAtATime = { concurrency: maxBatches, discard: true } as const

/** What the steps of a service share. */
interface Parts {
  readonly tracker: IdempotencyTracker["Service"]
  readonly inFlight: InFlight
  readonly writer: BatchWriter.BatchWriter
  readonly deadLetter: DeadLetters
  readonly settle: Settle<Outcome.OfService>
  readonly shutdownTimeout: Duration.Duration
}

/**
 * Settles as duplicate what an earlier process has stored of a portion. What an attempt of this process may have stored is
 * left to the next attempt to find.
 */
const recall = Effect.fnUntraced(function* ({ settle, tracker }: Parts, portion: Portion.Storable) {
  const { runId, ticks, write } = portion
  if (Portion.isClaimed(write) || write.mayBeStored) return
  const found = yield* tracker.recall(runId, ticks)
  yield* settle(portion, found, Outcome.Duplicate({ runId, found: { foundBy: "recall" } }))
})

const giveUp = ({ deadLetter }: Parts, portion: Portion.Portion, failure: DeadLetter.Failure) =>
  portion._tag === "Refused"
    ? Effect.andThen(Portion.logRefused(portion), deadLetter(portion, failure))
    : deadLetter(portion, failure)

/** Settles one portion, however long that takes. */
const settleOne = Effect.fn("PersistenceService.portion")(function* (parts: Parts, portion: Portion.Portion) {
  yield* Effect.annotateCurrentSpan(Portion.facts(portion))
  if (portion._tag === "Refused") return yield* giveUp(parts, portion, portion.failure)
  yield* recall(parts, portion)
  if (portion.settled) return
  yield* Effect.catch(parts.writer.store(portion), (failure) => giveUp(parts, portion, failure))
})

/**
 * The last attempt of a portion that an interruption left in flight. None when its letter may be kept already: offering
 * that again settles the portion, and storing it too would have it in both.
 */
const storeLast = Effect.fnUntraced(function* (parts: Parts, portion: Portion.Portion) {
  if (portion._tag === "Refused" || portion.letter._tag === "LetterOffered") return
  // What a slow storage has to say of earlier processes must not take the time of the attempt.
  yield* Effect.timeoutOption(recall(parts, portion), Duration.times(parts.shutdownTimeout, 0.1))
  if (portion.settled) return
  yield* Effect.catch(parts.writer.storeOnce(portion), (failure) => BatchWriter.logGivenUp(portion, failure))
})

const deadLetterLast = Effect.fnUntraced(function* (parts: Parts, portion: Portion.Portion) {
  const failure =
    portion._tag === "Refused" ? portion.failure : yield* parts.writer.failureOf(portion, "shutdownTimeout")
  yield* giveUp(parts, portion, failure)
})

const giveBack = Effect.fnUntraced(function* ({ settle }: Parts, portion: Portion.Portion) {
  yield* Effect.logError("Batch could not be settled in time, returned to the queue").pipe(
    Effect.annotateLogs(Portion.facts(portion))
  )
  yield* settle(portion, portion.ticks, Outcome.Returned())
})

/**
 * Settles what an interruption left in flight, within the shutdown timeout: half of it is for the storage, the rest for the
 * dead-letter queue. What neither has taken by then goes back to the queue.
 */
const settleRest = Effect.fnUntraced(
  function* (parts: Parts) {
    const { inFlight, shutdownTimeout } = parts
    const each = (step: (parts: Parts, portion: Portion.Portion) => Effect.Effect<void>) =>
      Effect.suspend(() => Effect.forEach(inFlight.portions, (portion) => step(parts, portion), fewAtATime))
    if (inFlight.ticks === 0) return
    yield* Effect.logInfo("Shutdown requested, writing partial batch").pipe(
      Effect.annotateLogs({ ticks: inFlight.ticks })
    )
    const half = Duration.times(shutdownTimeout, 0.5)
    yield* Effect.timeoutOption(each(storeLast), half)
    yield* Effect.timeoutOption(each(deadLetterLast), half)
  },
  (effect, parts) =>
    Effect.ensuring(
      effect,
      Effect.suspend(() =>
        Effect.forEach(parts.inFlight.portions, (portion) => giveBack(parts, portion), { discard: true })
      )
    )
)

/** What settles the portions of a service. */
export interface Settling {
  /** Settles `portions`, one after the other, however long the storage takes. */
  readonly settleAll: (portions: ReadonlyArray<Portion.Portion>) => Effect.Effect<void>
  /** Settles what an interruption left in flight, within the shutdown timeout. */
  readonly settleRest: Effect.Effect<void>
}

/** Makes it, with the tracker of the context. */
export const make = Effect.fnUntraced(function* (given: Omit<Parts, "tracker">) {
  const parts: Parts = { ...given, tracker: yield* IdempotencyTracker }
  const settling: Settling = {
    settleAll: (portions) => Effect.forEach(portions, (portion) => settleOne(parts, portion), { discard: true }),
    settleRest: settleRest(parts)
  }
  return settling
})
