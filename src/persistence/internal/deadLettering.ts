/**
 * Dead-letters portions that could not be stored. Keeps a portion and retries while the dead-letter queue refuses it.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Compression } from "../../batch/Compression.ts"
import * as DeadLetter from "../../deadletter/DeadLetter.ts"
import { DeadLetterError, DeadLetterQueue, LetterTimedOut } from "../../deadletter/DeadLetterQueue.ts"
import { TickQueue } from "../../queue/TickQueue.ts"
import * as Attempts from "../../service/Attempts.ts"
import type { Codec } from "../../storage/StorageKey.ts"
import type { BatchWriter } from "../BatchWriter.ts"
import * as Outcome from "../Outcome.ts"
import type { Portion } from "../Portion.ts"
import * as RetryPolicy from "../RetryPolicy.ts"
import type { Settle } from "../Settler.ts"
import { UnexpectedFailure } from "../UnexpectedFailure.ts"
import * as WriteOptions from "../WriteOptions.ts"
import type { Degradation, Refusals } from "./degradation.ts"
import { maxBatches } from "./InFlight.ts"

/** The shortest pause between two attempts while both refuse the batch. */
const degradedBackoff = Duration.seconds(1)

/** How an offer of a letter fails. */
type LetterError = DeadLetterError | UnexpectedFailure

/** The source in a letter. */
interface Source {
  readonly service: string
  readonly queue: string
  readonly codec: Codec
}

/** What the steps share. */
interface Parts {
  readonly source: Source
  readonly retry: RetryPolicy.RetryPolicy
  readonly deadLetters: DeadLetterQueue["Service"]
  readonly offers: Attempts.Attempts
  readonly writer: BatchWriter
  readonly settle: Settle<Outcome.DeadLettered | Outcome.Lost>
  readonly degradation: Degradation
}

const unexpected = (cause: unknown) => Effect.fail(new UnexpectedFailure({ operation: "dead-letter", cause }))

/** The letter of a portion. Makes it when there is none. */
const letterOf = ({ source }: Parts, { letter, ticks }: Portion, failure: DeadLetter.Failure) =>
  letter._tag === "NoLetter"
    ? Effect.catchDefect(DeadLetter.make(ticks, failure, source), unexpected)
    : Effect.succeed(letter.letter)

/**
 * Waits for the answer to an offer of `letter`. An offer without an answer may still be kept later, so a refusal of a later
 * offer doesn't mean that the letter isn't kept. Only the answer "kept" is certain. See `tryBoth`.
 */
const answered = (
  { deadLetters }: Parts,
  portion: Portion,
  letter: DeadLetter.DeadLetter,
  offered: Effect.Effect<"kept" | "discarded", DeadLetterError | Attempts.Overdue>
) => {
  const mayBeKept = portion.letter._tag === "LetterOffered"
  const note = (error: LetterError | Attempts.Overdue) => {
    const isAnswer = error._tag !== "Overdue" || !error.begun
    if (isAnswer && !mayBeKept) portion.letter = { _tag: "LetterRefused", letter }
  }
  portion.letter = { _tag: "LetterOffered", letter }
  return offered.pipe(
    Effect.catchDefect(unexpected),
    Effect.tapError((error) => Effect.sync(() => note(error))),
    Effect.catchTag("Overdue", ({ code }) =>
      Effect.fail(new DeadLetterError({ queue: deadLetters.name, reason: new LetterTimedOut({ code }) }))
    )
  )
}

/** One attempt to dead-letter a portion. */
const offer = Effect.fn("DeadLettering.offer")(function* (parts: Parts, portion: Portion, failure: DeadLetter.Failure) {
  const { deadLetters, offers, settle } = parts
  yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const letter = yield* letterOf(parts, portion, failure)
      yield* Effect.annotateCurrentSpan({ letter: letter.id })
      const answer = yield* answered(parts, portion, letter, restore(offers.run(deadLetters.offer(letter))))
      const outcome = answer === "kept" ? Outcome.DeadLettered({ letter }) : Outcome.Lost({ reason: letter.reason })
      yield* settle(portion, portion.ticks, outcome)
    })
  )
})

/**
 * Tries the storage once more, if that makes sense, and the dead-letter queue. When the letter may be kept already, the
 * queue comes first, so that its ticks are not stored as well. If then only the storage takes them, they may be in both: a
 * replay finds that out. They are always in at least one of the two.
 */
const tryBoth = (parts: Parts, portion: Portion, failure: DeadLetter.Failure): Effect.Effect<void, Refusals> => {
  const give = offer(parts, portion, failure)
  if (portion._tag === "Refused" || failure.reason === "key_conflict") {
    return Effect.mapError(give, (letters) => ({ storage: failure.error, letters }))
  }
  const store = parts.writer.storeOnce(portion)
  return portion.letter._tag === "LetterOffered"
    ? Effect.catch(give, (letters) => Effect.mapError(store, ({ error }) => ({ storage: error, letters })))
    : Effect.catch(store, ({ error }) => Effect.mapError(give, (letters) => ({ storage: error, letters })))
}

/** The storage and the dead-letter queue both refuse the portion: keeps it and tries both until one takes it. */
const keepTrying = Effect.fnUntraced(function* (
  parts: Parts,
  portion: Portion,
  failure: DeadLetter.Failure,
  refusal: LetterError
) {
  const { degradation, retry } = parts
  const first = Duration.min(Duration.max(retry.backoff, degradedBackoff), retry.maxBackoff)
  const pauses = RetryPolicy.backoff({ ...retry, backoff: first }).pipe(
    Schedule.tap(({ duration }) => degradation.next(portion, duration))
  )
  const tried = degradation.next(portion, undefined).pipe(
    Effect.andThen(Effect.suspend(() => tryBoth(parts, portion, failure))),
    Effect.tapError((refusals) => degradation.refuse(portion, refusals))
  )
  yield* degradation.refuse(portion, { storage: failure.error, letters: refusal })
  yield* degradation.next(portion, first)
  yield* Effect.acquireUseRelease(
    Effect.forkChild(degradation.remind(portion)),
    () => tried.pipe(Effect.retry(pauses), Effect.orDie, Effect.delay(first)), // the schedule never ends
    Fiber.interrupt
  )
})

/** Makes the function that dead-letters portions of `service`, without a time limit. */
export const make = Effect.fnUntraced(function* (
  service: string,
  options: typeof WriteOptions.Options.Type,
  has: Pick<Parts, "degradation" | "settle" | "writer">
) {
  const deadLetters = yield* DeadLetterQueue
  const abandoned = yield* Scope.make() // never closed: nobody waits for an offer that was abandoned
  const parts: Parts = {
    ...has,
    retry: WriteOptions.retryPolicy(options),
    deadLetters,
    source: { service, queue: (yield* TickQueue).name, codec: (yield* Compression).codec },
    offers: Attempts.make(options.writeTimeout, abandoned, maxBatches)
  }
  return Effect.fnUntraced(function* (portion: Portion, failure: DeadLetter.Failure) {
    yield* Effect.catch(offer(parts, portion, failure), (refusal) => keepTrying(parts, portion, failure, refusal))
  })
})

/** Dead-letters a portion. */
export type DeadLetters = Effect.Success<ReturnType<typeof make>>
