/**
 * Settles ticks that come from a dead letter just as a live batch is settled, and says what has become of each.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import type * as DeadLetter from "../../deadletter/DeadLetter.ts"
import type * as Tick from "../../domain/Tick.ts"
import type { IdempotencyTracker } from "../../idempotency/IdempotencyTracker.ts"
import type { RunLedger } from "../../ledger/RunLedger.ts"
import { Hand } from "../../persistence/internal/Hand.ts"
import * as Settler from "../../persistence/internal/Settler.ts"
import * as PersistenceMetrics from "../../persistence/PersistenceMetrics.ts"
import type * as PersistenceService from "../../persistence/PersistenceService.ts"
import type { Outcome } from "../../queue/TickQueue.ts"
import * as Attempts from "../../service/Attempts.ts"
import type { Storage } from "../../storage/Storage.ts"

/** What a redelivery works with. */
export interface Parts {
  /** Who replays, in log lines and ledgers. */
  readonly service: string
  /** The dead-letter queue's name. */
  readonly deadLetterQueue: string
  readonly options: typeof PersistenceService.Options.Type
  readonly storage: Storage["Service"]
  readonly ledger: RunLedger["Service"]
  readonly tracker: IdempotencyTracker["Service"]
}

/** What has become of the ticks; each is in one of the three. */
export interface Redelivered {
  readonly stored: ReadonlyArray<Tick.Tick>
  readonly duplicate: ReadonlyArray<Tick.Tick>
  readonly failed: ReadonlyArray<{ readonly ticks: Tick.Batch; readonly failure: DeadLetter.Failure }>
}

/** Settles `ticks`. Interrupted, it releases what it has claimed; what is stored by then stays stored. */
export const redeliver = Effect.fnUntraced(
  function* (parts: Parts, ticks: Tick.Batch) {
    const { deadLetterQueue, ledger, options, service, storage, tracker } = parts
    const nowMs = Math.floor(yield* Clock.currentTimeMillis)
    const hand = new Hand()
    const settled = new Map<Tick.Tick, Outcome>()
    const portions = hand.receive({ ticks, reason: "replay", enqueuedAtMs: nowMs, returned: false }, "split", nowMs)
    const scope = yield* Scope.make()
    const settler = Settler.make({
      service,
      retry: {
        maxRetries: options.maxRetries,
        backoff: Duration.millis(options.retryBackoffMs),
        maxBackoff: options.maxRetryBackoff,
        jitter: options.retryJitter
      },
      shutdownTimeout: options.shutdownTimeout,
      queue: {
        name: deadLetterQueue,
        settle: (these, outcome) => Effect.sync(() => these.forEach((tick) => settled.set(tick, outcome)))
      },
      storage,
      // What is stored already of a letter was found by whoever redelivers it.
      tracker: { ...tracker, recall: () => Effect.succeed([]) },
      // What fails stays in the letter that it comes from, and that has its entry in the ledger already.
      deadLetters: { name: deadLetterQueue, offer: () => Effect.succeed("kept" as const) },
      ledger: {
        record: (runId, entry, checks) => (entry._tag === "Letter" ? Effect.void : ledger.record(runId, entry, checks)),
        attend: ledger.attend
      },
      letterSentence: "Ticks stay in their dead letter",
      metrics: yield* PersistenceMetrics.make(service, storage, deadLetterQueue, nowMs),
      hand,
      writes: Attempts.make(options.writeTimeout, scope),
      offers: Attempts.make(options.writeTimeout, scope)
    })
    const release = Effect.forEach(
      hand.portions.slice(),
      ({ claimed, runId, ticks: held }) =>
        claimed && runId !== undefined ? tracker.release(runId, held) : Effect.void,
      { discard: true }
    )
    yield* Effect.onInterrupt(settler.settleAll(portions), () => Effect.suspend(() => release))
    const redelivered: Redelivered = {
      stored: ticks.filter((tick) => settled.get(tick) === "stored"),
      duplicate: ticks.filter((tick) => settled.get(tick) === "duplicate"),
      failed: portions.flatMap(({ failure, ticks: of }) =>
        failure !== undefined && settled.get(of[0]) === "dead-lettered" ? [{ ticks: of, failure }] : []
      )
    }
    return redelivered
  },
  // Replays count apart: what the settling counts goes into a registry that nobody reads.
  (effect) => Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))
)
