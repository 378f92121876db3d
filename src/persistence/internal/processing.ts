/**
 * Processes each portion that a service has taken, and settles the rest when the service stops.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as DeadLetter from "../../deadletter/DeadLetter.ts"
import { IdempotencyTracker } from "../../idempotency/IdempotencyTracker.ts"
import * as BatchWriter from "../BatchWriter.ts"
import * as Outcome from "../Outcome.ts"
import * as Portion from "../Portion.ts"
import type { Settle } from "../Settler.ts"
import type { DeadLetters } from "./deadLettering.ts"
import { type InFlight, maxBatches } from "./InFlight.ts"

/** When the service stops, one hanging portion must not take all the time of the others. */
const fewAtATime = { concurrency: maxBatches, discard: true } as const

/** Shared by the steps of a service. */
interface Parts {
  readonly tracker: IdempotencyTracker["Service"]
  readonly inFlight: InFlight
  readonly writer: BatchWriter.BatchWriter
  readonly deadLetter: DeadLetters
  readonly settle: Settle<Outcome.OfService>
  readonly shutdownTimeout: Duration.Duration
}

/**
 * Settles the ticks that an earlier process has stored as duplicates. A portion that this process may have stored is left
 * alone: the next attempt finds that out.
 */
const recall = Effect.fnUntraced(function* ({ settle, tracker }: Parts, portion: Portion.Storable) {
  const { runId, write } = portion
  if (Portion.isClaimed(write) || write.mayBeStored) return
  const found = yield* tracker.recall(portion.batch)
  const { named } = Portion.partition(portion.ticks, found, (tick, name) => Equal.equals(tick.payload, name.payload))
  yield* settle(portion, named, Outcome.Duplicate({ runId, found: { foundBy: "recall" } }))
})

/** The portion can't be stored: it becomes a dead letter. */
const giveUp = ({ deadLetter }: Parts, portion: Portion.Portion, failure: DeadLetter.Failure) =>
  portion._tag === "Refused"
    ? Effect.andThen(Portion.logRefused(portion), deadLetter(portion, failure))
    : deadLetter(portion, failure)

/** Stores or dead-letters one portion, without a time limit. */
const processOne = Effect.fn("PersistenceService.portion")(function* (parts: Parts, portion: Portion.Portion) {
  yield* Effect.annotateCurrentSpan(Portion.facts(portion))
  if (portion._tag === "Refused") return yield* giveUp(parts, portion, portion.failure)
  yield* recall(parts, portion)
  if (portion.settled) return
  yield* Effect.catch(parts.writer.store(portion), (failure) => giveUp(parts, portion, failure))
})

/** Runs a step of the stop for `portion` in a span of its own, which is linked to the span of the batch that was taken. */
const traced = (name: string, { inFlight }: Parts, portion: Portion.Portion) => {
  const batch = inFlight.spanOf(portion)
  return Effect.withSpan(`PersistenceService.${name}`, {
    attributes: Portion.facts(portion),
    links: batch === undefined ? [] : [{ span: batch, attributes: {} }]
  })
}

/**
 * The last attempt to store a portion that an interruption left in flight. A portion whose letter may be kept already is
 * not stored as well: the letter is offered again instead.
 */
const storeLast = (parts: Parts, portion: Portion.Portion) =>
  portion._tag === "Refused" || portion.letter._tag === "LetterOffered"
    ? Effect.void
    : traced("storeLast", parts, portion)(storeNow(parts, portion))

const storeNow = Effect.fnUntraced(function* (parts: Parts, portion: Portion.Storable) {
  // A slow recall must not take the time of the attempt.
  yield* Effect.timeoutOption(recall(parts, portion), Duration.times(parts.shutdownTimeout, 0.1))
  if (portion.settled) return
  yield* Effect.catch(parts.writer.storeOnce(portion), (failure) => BatchWriter.logGivenUp(portion, failure))
})

/** The last offer of a portion that could not be stored in time. */
const deadLetterLast = Effect.fnUntraced(
  function* (parts: Parts, portion: Portion.Portion) {
    const failure =
      portion._tag === "Refused" ? portion.failure : yield* parts.writer.failureOf(portion, "shutdownTimeout")
    yield* giveUp(parts, portion, failure)
  },
  (effect, parts, portion) => traced("deadLetterLast", parts, portion)(effect)
)

const giveBack = Effect.fnUntraced(
  function* ({ settle }: Parts, portion: Portion.Portion) {
    yield* Effect.logError("Batch could not be settled in time, returned to the queue").pipe(
      Effect.annotateLogs(Portion.facts(portion))
    )
    yield* settle(portion, portion.ticks, Outcome.Returned())
  },
  (effect, parts, portion) => traced("giveBack", parts, portion)(effect)
)

/**
 * Settles the ticks that an interruption left in flight, within the shutdown timeout. The storage has the first half of it,
 * the dead-letter queue the second. The remaining ticks go back to the queue.
 */
const windUp = Effect.fn("PersistenceService.windUp")(
  function* (parts: Parts) {
    const { inFlight, shutdownTimeout } = parts
    const each = (step: (parts: Parts, portion: Portion.Portion) => Effect.Effect<void>) =>
      Effect.suspend(() => Effect.forEach(inFlight.portions, (portion) => step(parts, portion), fewAtATime))
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

/** Processes the portions of a service. */
export interface Processing {
  /** Stores or dead-letters `portions` one after the other, without a time limit. An interruption leaves some in flight. */
  readonly process: (portions: ReadonlyArray<Portion.Portion>) => Effect.Effect<void>

  /** Settles what is left in flight, within the shutdown timeout and a short time more. */
  readonly windUp: Effect.Effect<void>
}

/** Makes the processing, with the tracker of the context. */
export const make = Effect.fnUntraced(function* (given: Omit<Parts, "tracker">) {
  const parts: Parts = { ...given, tracker: yield* IdempotencyTracker }
  const processing: Processing = {
    process: (portions) => Effect.forEach(portions, (portion) => processOne(parts, portion), { discard: true }),
    windUp: Effect.suspend(() => (parts.inFlight.ticks === 0 ? Effect.void : windUp(parts)))
  }
  return processing
})
