/**
 * The one place that settles ticks, for live batches and for replays.
 *
 * `settle` is called once for each tick. In one uninterruptible step it updates everything that keeps count of ticks: the
 * tracker of duplicates, the portion, the caller's books, the ledger of the run, and the log.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Match from "effect/Match"
import { DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import type * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import * as IdempotencyTracker from "../idempotency/IdempotencyTracker.ts"
import { RunLedger } from "../ledger/RunLedger.ts"
import * as LedgerEntries from "./internal/ledgerEntries.ts"
import type { Duplicate, Outcome } from "./Outcome.ts"
import * as Portion from "./Portion.ts"

/** The largest number of duplicates of a batch that are logged one by one. */
const loggedDuplicates = 10

/** The caller's own counts of its ticks. */
export interface Books<in O extends Outcome> {
  /** Counts `ticks`, synchronously, as they leave `portion`. */
  readonly count: (portion: Portion.Portion, ticks: ReadonlyArray<Tick.Tick>, outcome: O) => void

  /** Updates the queue and the metrics of the caller. */
  readonly report: (portion: Portion.Portion, ticks: ReadonlyArray<Tick.Tick>, outcome: O) => Effect.Effect<void>
}

/**
 * Settles `ticks`, all of `portion` or a part of it. Afterwards `portion.settled` tells whether all are. Does nothing
 * without ticks. Uninterruptible.
 */
export type Settle<in O extends Outcome> = (
  portion: Portion.Portion,
  ticks: ReadonlyArray<Tick.Tick>,
  outcome: O
) => Effect.Effect<void>

/** What the steps share. */
interface Parts {
  /** The name of the caller in the ledgers. */
  readonly service: string
  readonly tracker: IdempotencyTracker.IdempotencyTracker["Service"]
  readonly ledger: RunLedger["Service"]
  readonly deadLetterQueue: string
}

/** The tracker remembers what is stored. What is not stored can be claimed again. */
const tellTracker = (
  { tracker }: Parts,
  portion: Portion.Portion,
  ticks: ReadonlyArray<Tick.Tick>,
  outcome: Outcome
): Effect.Effect<void> => {
  const release =
    portion._tag === "Storable" && Portion.isClaimed(portion.write)
      ? tracker.release(Portion.batchOf(portion, portion.runId, ticks))
      : Effect.void
  return Match.valueTags(outcome, {
    Stored: ({ runId }) => tracker.commit(Portion.batchOf(portion, runId, ticks)),
    // Duplicates that were found before the write are not claimed.
    Duplicate: ({ found, runId }) =>
      found.foundBy === "write" ? tracker.commit(Portion.batchOf(portion, runId, ticks)) : Effect.void,
    DeadLettered: () => release,
    Lost: () => release,
    Returned: () => release,
    Remaining: () => release
  })
}

/** Records stored and dead-lettered ticks. Asks the ledger to compare the run when ticks may be stored without an entry. */
const tellLedger = (
  { ledger, service }: Parts,
  portion: Portion.Portion,
  ticks: ReadonlyArray<Tick.Tick>,
  outcome: Outcome
): Effect.Effect<void> => {
  const attendUnheard =
    portion._tag === "Storable" && portion.write.mayBeStored ? ledger.attend(portion.runId) : Effect.void
  return Match.valueTags(outcome, {
    Stored: (stored) =>
      ledger.record(
        stored.runId,
        LedgerEntries.commit(service, portion, Portion.batchOf(portion, stored.runId, ticks), stored),
        stored.written.checks
      ),
    Duplicate: ({ found, runId }) => (found.foundBy === "claim" ? Effect.void : ledger.attend(runId)),
    DeadLettered: ({ letter }) =>
      Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
        Effect.forEach(
          LedgerEntries.letters(service, ticks, letter, Math.floor(nowMs)),
          ([runId, entry]) => ledger.record(runId, entry),
          { discard: true }
        )
      ).pipe(Effect.andThen(attendUnheard)),
    Remaining: () => attendUnheard,
    Lost: () => Effect.void,
    Returned: () => Effect.void
  })
}

const logClaimedBefore = Effect.fnUntraced(function* (
  portion: Portion.Portion,
  runId: RunId.RunId,
  ticks: ReadonlyArray<Tick.Tick>
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
  if (!portion.settled) return
  yield* Effect.logWarning("Entire batch was duplicates, skipping").pipe(Effect.annotateLogs({ run: runId }))
})

const logDuplicate = (portion: Portion.Portion, ticks: ReadonlyArray<Tick.Tick>, { found, runId }: Duplicate) => {
  switch (found.foundBy) {
    case "claim":
      return logClaimedBefore(portion, runId, ticks)
    case "recall":
      return Effect.logInfo("Ticks are stored already").pipe(
        Effect.annotateLogs({ run: runId, ticks: ticks.length, rest: portion.settled ? 0 : portion.ticks.length })
      )
    case "write":
      return Effect.logInfo("Batch is stored already").pipe(
        Effect.annotateLogs({ key: found.key, ticks: ticks.length })
      )
  }
}

const log = (
  { deadLetterQueue }: Parts,
  portion: Portion.Portion,
  ticks: ReadonlyArray<Tick.Tick>,
  outcome: Outcome
): Effect.Effect<void> =>
  Match.valueTags(outcome, {
    Stored: ({ written }) =>
      Effect.logDebug("Successfully wrote batch").pipe(
        Effect.annotateLogs({ key: written.key, ticks: ticks.length, bytes: written.storedBytes })
      ),
    Duplicate: (duplicate) => logDuplicate(portion, ticks, duplicate),
    DeadLettered: ({ letter }) =>
      Effect.logInfo("Sent failed batch to dead-letter queue").pipe(
        Effect.annotateLogs({ ...Portion.facts(portion), deadLetterQueue, reason: letter.reason })
      ),
    Remaining: ({ failure }) =>
      Effect.logInfo("Ticks stay in their dead letter").pipe(
        Effect.annotateLogs({ ...Portion.facts(portion), deadLetterQueue, reason: failure.reason })
      ),
    // The dead-letter queue has logged them at ERROR.
    Lost: () => Effect.void,
    // The caller logs why.
    Returned: () => Effect.void
  })

/** Makes a factory of `settle` functions, one for the books of each caller. `service` is its name in the ledgers. */
export const make = Effect.fnUntraced(function* (service: string) {
  const parts: Parts = {
    service,
    tracker: yield* IdempotencyTracker.IdempotencyTracker,
    ledger: yield* RunLedger,
    deadLetterQueue: (yield* DeadLetterQueue).name
  }
  return <O extends Outcome>(books: Books<O>): Settle<O> =>
    Effect.fnUntraced(function* (portion, ticks, outcome) {
      if (ticks.length === 0) return
      yield* tellTracker(parts, portion, ticks, outcome)
      Portion.remove(portion, ticks)
      books.count(portion, ticks, outcome)
      yield* books.report(portion, ticks, outcome)
      yield* tellLedger(parts, portion, ticks, outcome)
      yield* log(parts, portion, ticks, outcome)
    }, Effect.uninterruptible)
})
