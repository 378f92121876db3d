/**
 * The one place where it changes what is known of a tick, for a live batch as for a replay.
 *
 * Whatever has become of ticks is said here, once, and everything that keeps count of them moves in the same
 * uninterruptible step: the tracker of duplicates, what is left of their portion, the books of whoever had them, the
 * ledger of their run, and the log.
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

/** Most duplicates of a batch that are logged each for itself. */
const loggedDuplicates = 10

/** What whoever has the portions keeps of them. */
export interface Books<in O extends Outcome> {
  /** `ticks` have left `portion`: counts them in the very same step. */
  readonly count: (portion: Portion.Portion, ticks: ReadonlyArray<Tick.Tick>, outcome: O) => void

  /** Tells others of it: the queue, metrics. */
  readonly report: (portion: Portion.Portion, ticks: ReadonlyArray<Tick.Tick>, outcome: O) => Effect.Effect<void>
}

/**
 * Settles `ticks` of `portion`, all of them or a part; without any it does nothing. Not interrupted. Called once for each
 * tick: `portion.settled` says that no ticks are left.
 */
export type Settle<in O extends Outcome> = (
  portion: Portion.Portion,
  ticks: ReadonlyArray<Tick.Tick>,
  outcome: O
) => Effect.Effect<void>

/** What all settling shares. */
interface Parts {
  /** Who settles, in the ledgers. */
  readonly service: string
  readonly tracker: IdempotencyTracker.IdempotencyTracker["Service"]
  readonly ledger: RunLedger["Service"]
  readonly deadLetterQueue: string
}

/** What is stored is remembered; what is not can be claimed again. */
const tellTracker = (
  { tracker }: Parts,
  portion: Portion.Portion,
  ticks: ReadonlyArray<Tick.Tick>,
  outcome: Outcome
): Effect.Effect<void> => {
  const release =
    portion._tag === "Storable" && Portion.isClaimed(portion.write)
      ? tracker.release(portion.runId, ticks)
      : Effect.void
  return Match.valueTags(outcome, {
    Stored: ({ runId }) => tracker.commit(runId, ticks),
    // Only those that the write has found were claimed.
    Duplicate: ({ found, runId }) => (found.foundBy === "write" ? tracker.commit(runId, ticks) : Effect.void),
    DeadLettered: () => release,
    Lost: () => release,
    Returned: () => release,
    Remaining: () => release
  })
}

/** What may be stored without an entry is looked for by the ledger. */
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
      ledger.record(stored.runId, LedgerEntries.commit(service, portion, ticks, stored), stored.written.checks),
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
    // The dead-letter queue that discards has named them at ERROR.
    Lost: () => Effect.void,
    // Whoever gives back says why.
    Returned: () => Effect.void
  })

/** Makes what settles for whoever keeps `books`; `service` is their name in the ledgers. */
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

/** What makes `settle` for books. */
export type Settler = Effect.Success<ReturnType<typeof make>>
