/**
 * Dead-letters the portions that could not be stored, and holds on to them while even that is refused.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as DeadLetter from "../../deadletter/DeadLetter.ts"
import type { DeadLetterError } from "../../deadletter/DeadLetterQueue.ts"
import type * as RunId from "../../domain/RunId.ts"
import type { Outcome } from "../../queue/TickQueue.ts"
import * as RetryPolicy from "../RetryPolicy.ts"
import { abandonable } from "./abandonable.ts"
import { type Context, facts, UnexpectedFailure, type WriteError } from "./Context.ts"
import * as ledgerEntries from "./ledgerEntries.ts"
import type { Portion } from "./Portion.ts"

/** Shortest pause between two attempts while nothing takes the batch. */
const degradedBackoff = Duration.seconds(1)

/** Makes the step. `attempt` is one attempt to store a portion, which settles it when it succeeds. */
export const make = (
  context: Context,
  attempt: (portion: Portion, runId: RunId.RunId) => Effect.Effect<void, WriteError>
) => {
  const { attempts, deadLetters, hand, ledger, metrics, queue, retry, service, tracker } = context

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
    yield* Effect.logInfo("Sent failed batch to dead-letter queue").pipe(
      Effect.annotateLogs({ ...facts(portion), deadLetterQueue: deadLetters.name, reason: failure.reason })
    )
  })

  /** One attempt to dead-letter a portion. */
  const offer = (portion: Portion, failure: DeadLetter.Failure) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const offered = Effect.gen(function* () {
          portion.letter ??= yield* DeadLetter.make(portion.ticks, failure, { service, queue: queue.name })
          portion.letterUnanswered = true
          return yield* restore(abandonable(deadLetters.offer(portion.letter), attempts))
        })
        const answer = yield* offered.pipe(
          Effect.catchDefect((cause) => Effect.fail(new UnexpectedFailure({ operation: "dead-letter", cause }))),
          Effect.tapError(() => Effect.sync(() => void (portion.letterUnanswered = false)))
        )
        yield* delivered(portion, failure, answer === "kept")
      })
    )

  /** Storage once more where that makes sense, then the dead-letter queue. */
  const either = (portion: Portion, failure: DeadLetter.Failure) =>
    portion.runId === undefined || failure.reason === "key_conflict"
      ? offer(portion, failure)
      : Effect.catch(attempt(portion, portion.runId), () => offer(portion, failure))

  /** Neither the storage nor the dead-letter queue takes the portion: keeps it and tries both until one does. */
  const degraded = Effect.fnUntraced(function* (
    portion: Portion,
    failure: DeadLetter.Failure,
    error: DeadLetterError | UnexpectedFailure
  ) {
    hand.degradedSinceMs ??= yield* Clock.currentTimeMillis
    yield* Effect.logError("Storage and dead-letter queue both refuse, keeping the batch and trying again").pipe(
      Effect.annotateLogs({ ...facts(portion), storageError: failure.error.message, deadLetterError: error.message })
    )
    const first = Duration.min(Duration.max(retry.backoff, degradedBackoff), retry.maxBackoff)
    yield* Effect.suspend(() => either(portion, failure)).pipe(
      Effect.retry(RetryPolicy.backoff({ ...retry, backoff: first })),
      Effect.orDie, // the schedule has no end
      Effect.delay(first)
    )
    hand.degradedSinceMs = undefined
    yield* Effect.logInfo("Storage or dead-letter queue accepts batches again")
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
