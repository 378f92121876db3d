/**
 * What the steps of settling share: what they work with, and what they say of a portion.
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type { DeadLetterQueue } from "../../deadletter/DeadLetterQueue.ts"
import type { IdempotencyTracker } from "../../idempotency/IdempotencyTracker.ts"
import type { RunLedger } from "../../ledger/RunLedger.ts"
import type { TickQueue } from "../../queue/TickQueue.ts"
import type { Storage } from "../../storage/Storage.ts"
import type { StorageError } from "../../storage/StorageError.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import type { PersistenceMetrics } from "../PersistenceMetrics.ts"
import type { RetryPolicy } from "../RetryPolicy.ts"
import type { Attempts } from "../../service/Attempts.ts"
import type { Hand } from "./Hand.ts"
import type { Portion } from "./Portion.ts"

/** A fault in an implementation, met while it had a batch. The batch is settled like after any other failure. */
export class UnexpectedFailure extends Schema.TaggedError<UnexpectedFailure>()("UnexpectedFailure", {
  operation: Schema.Literals(["write", "dead-letter"]),
  cause: Schema.Defect()
}) {
  readonly isRetryable = false
  readonly reason = { errorType: "other" } as const
  override get message() {
    return `unexpected failure of ${this.operation}, a fault of the implementation: ${String(this.cause)}`
  }
}

/** How an attempt to store a portion fails. */
export type WriteError = StorageError | UnexpectedFailure

/** What a settler works with. */
export interface Context {
  readonly service: string
  readonly retry: RetryPolicy
  readonly shutdownTimeout: Duration.Duration
  readonly queue: Pick<TickQueue["Service"], "name" | "settle">
  readonly storage: Storage["Service"]
  readonly tracker: IdempotencyTracker["Service"]
  readonly deadLetters: Pick<DeadLetterQueue["Service"], "name" | "offer">
  readonly ledger: Pick<RunLedger["Service"], "record" | "attend">
  /** What is logged when a batch has become a dead letter, or stays one. */
  readonly letterSentence: string
  readonly metrics: PersistenceMetrics
  readonly hand: Hand
  /** What runs the attempts at the storage. */
  readonly writes: Attempts
  /** What runs the offers of letters. */
  readonly offers: Attempts
}

/** What log lines say of a portion. */
export const facts = (portion: Portion) => {
  const { first, last } = StorageKey.range(portion.ticks)
  return {
    run: portion.ticks[0].simulationRunId,
    firstTick: first.toString(),
    lastTick: last.toString(),
    ticks: portion.ticks.length
  }
}
