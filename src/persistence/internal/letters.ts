/**
 * Dead-letters the portions that could not be stored, and holds on to them while even that is refused.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as DeadLetter from "../../deadletter/DeadLetter.ts"
import { DeadLetterError, LetterTimedOut } from "../../deadletter/DeadLetterQueue.ts"
import type * as RunId from "../../domain/RunId.ts"
import type { Outcome } from "../../queue/TickQueue.ts"
import * as RetryPolicy from "../RetryPolicy.ts"
import type { Overdue } from "../../service/Attempts.ts"
import { type Context, facts, UnexpectedFailure, type WriteError } from "./Context.ts"
import type * as Degradation from "./degradation.ts"
import * as ledgerEntries from "./ledgerEntries.ts"
import type { Portion } from "./Portion.ts"

/** Shortest pause between two attempts while nothing takes the batch. */
const degradedBackoff = Duration.seconds(1)

const overdue = (queue: string, code: string) => new DeadLetterError({ queue, reason: new LetterTimedOut({ code }) })

/** Makes the step. `attempt` is one attempt to store a portion, which settles it when it succeeds. */
export const make = (
  context: Context,
  degradation: ReturnType<typeof Degradation.make>,
  attempt: (portion: Portion, runId: RunId.RunId) => Effect.Effect<void, WriteError>
) => {
  const { deadLetters, hand, ledger, metrics, offers, queue, retry, service, tracker } = context

  const countFailed = Effect.fnUntraced(function* (portion: Portion, failure: DeadLetter.Failure) {
    hand.batchesFailed++
    yield* metrics.failedBatch(failure.reason, 1)
    if (portion.rule !== undefined) yield* metrics.invalid(portion.rule, portion.ticks.length)
  })

  /** The dead-letter queue has taken the letter, or discarded it in so many words. */
  const delivered = Effect.fnUntraced(function* (portion: Portion, failure: DeadLetter.Failure, kept: boolean) {
    const { runId, ticks } = portion
    const outcome: Outcome = kept ? "dead-lettered" : "lost"
    if (runId !== undefined && portion.claimed) yield* tracker.release(runId, ticks)
    yield* queue.settle(ticks, outcome)
    hand.settle(portion, kept ? "deadLettered" : "lost")
    yield* countFailed(portion, failure)
    yield* (kept ? metrics.failedTicks : metrics.lost)(failure.reason, ticks.length)
    if (!kept) return
    const atMs = Math.floor(yield* Clock.currentTimeMillis)
    const id = portion.letter?.id ?? ""
    for (const [run, entry] of ledgerEntries.letters(portion, id, { service, reason: failure.reason, atMs })) {
      yield* ledger.record(run, entry)
    }
    // An attempt that nobody has heard of may have stored it all the same: then the ledger is to know of that too.
    if (runId !== undefined && portion.mayBeStored) yield* ledger.attend(runId)
    yield* Effect.logInfo(context.letterSentence).pipe(
      Effect.annotateLogs({ ...facts(portion), deadLetterQueue: deadLetters.name, reason: failure.reason })
    )
  })

  /**
   * One attempt to dead-letter a portion. After one that was not answered in time the letter may be kept, now or later,
   * whatever later ones are answered: only "kept" settles that. See `either`.
   */
  const offer = (portion: Portion, failure: DeadLetter.Failure) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const unanswered = portion.letterUnanswered
        const offered = Effect.gen(function* () {
          portion.letter ??= yield* DeadLetter.make(portion.ticks, failure, {
            service,
            queue: queue.name,
            codec: context.storage.compression.codec
          })
          portion.letterUnanswered = true
          return yield* restore(offers.run(deadLetters.offer(portion.letter)))
        })
        const noteAnswer = (error: DeadLetterError | UnexpectedFailure | Overdue) => {
          if (error._tag !== "Overdue" || !error.begun) portion.letterUnanswered = unanswered
        }
        const answer = yield* offered.pipe(
          Effect.catchDefect((cause) => Effect.fail(new UnexpectedFailure({ operation: "dead-letter", cause }))),
          Effect.tapError((error) => Effect.sync(() => noteAnswer(error))),
          Effect.catchTag("Overdue", ({ code }) => Effect.fail(overdue(deadLetters.name, code)))
        )
        yield* delivered(portion, failure, answer === "kept")
        yield* degradation.accepted(portion)
      })
    )

  /**
   * Storage once more where that makes sense, and the dead-letter queue. The letter comes first when it may be kept
   * already: when the queue answers, its ticks are in it and not stored as well. When only the storage takes them, they
   * may be in both, which a replay finds: they are never in neither.
   */
  const either = (portion: Portion, failure: DeadLetter.Failure) => {
    if (portion.runId === undefined || failure.reason === "key_conflict") return offer(portion, failure)
    const write = attempt(portion, portion.runId)
    return portion.letterUnanswered
      ? Effect.catch(offer(portion, failure), (error) => Effect.mapError(write, () => error))
      : Effect.catch(write, () => offer(portion, failure))
  }

  /** Neither the storage nor the dead-letter queue takes the portion: keeps it and tries both until one does. */
  const degraded = Effect.fnUntraced(function* (
    portion: Portion,
    failure: DeadLetter.Failure,
    error: DeadLetterError | UnexpectedFailure
  ) {
    const first = Duration.min(Duration.max(retry.backoff, degradedBackoff), retry.maxBackoff)
    const pauses = RetryPolicy.backoff({ ...retry, backoff: first }).pipe(
      Schedule.tap(({ duration }) => degradation.next(portion, duration))
    )
    const tried = Effect.andThen(
      degradation.next(portion, undefined),
      Effect.suspend(() => either(portion, failure))
    ).pipe(Effect.tapError((refusal) => degradation.refused(portion, refusal)))
    yield* degradation.refused(portion, error)
    yield* degradation.next(portion, first)
    yield* Effect.acquireUseRelease(
      Effect.forkChild(degradation.remind(portion)),
      () => tried.pipe(Effect.retry(pauses), Effect.orDie, Effect.delay(first)), // the schedule has no end
      Fiber.interrupt
    )
  })

  const deadLetter = Effect.fnUntraced(function* (portion: Portion) {
    const { failure } = portion
    if (failure === undefined) return
    if (portion.rule !== undefined) {
      yield* Effect.logError("Batch consistency violation").pipe(
        Effect.annotateLogs({ ...facts(portion), error: failure.error.message })
      )
    }
    yield* Effect.catch(offer(portion, failure), (error) => degraded(portion, failure, error))
  })

  return deadLetter
}
