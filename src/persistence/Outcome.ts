/**
 * The possible outcomes of ticks that a service or a replay has taken.
 *
 * Outcomes are handled with `Match.valueTags`: a new outcome that is not handled somewhere does not compile.
 */
import * as Data from "effect/Data"
import type * as DeadLetter from "../deadletter/DeadLetter.ts"
import type * as RunId from "../domain/RunId.ts"
import type * as BatchFile from "../batch/BatchFile.ts"
import type * as StorageKey from "../storage/StorageKey.ts"

/** Written to the storage, by this attempt or by an earlier one of the same portion whose outcome was not known. */
export interface Stored {
  readonly _tag: "Stored"
  readonly runId: RunId.RunId
  readonly written: BatchFile.Written
  /** The number of attempts, including the one that stored it. */
  readonly attempts: number
  /** Duration of that attempt. */
  readonly tookMs: number
  readonly committedAtMs: number
}

/**
 * Known already. `foundBy` says which step found that out:
 * - "recall": an earlier process has stored them.
 * - "claim": the tracker knows them, as stored or as in flight elsewhere.
 * - "write": the storage has them under `key`, and no attempt of this portion can have put them there.
 */
export interface Duplicate {
  readonly _tag: "Duplicate"
  readonly runId: RunId.RunId
  readonly found:
    | { readonly foundBy: "recall" }
    | { readonly foundBy: "claim" }
    | { readonly foundBy: "write"; readonly key: StorageKey.StorageKey }
}

/** The dead-letter queue keeps them, in `letter`. */
export interface DeadLettered {
  readonly _tag: "DeadLettered"
  readonly letter: DeadLetter.DeadLetter
}

/** Lost, because no dead-letter queue is configured. */
export interface Lost {
  readonly _tag: "Lost"
  readonly reason: DeadLetter.Reason
}

/** Neither stored nor given up: they go back to the tick queue, or stay in the dead letter that is being replayed. */
export interface Returned {
  readonly _tag: "Returned"
}

/** A replay could not store them: they stay in their dead letter. */
export interface Remaining {
  readonly _tag: "Remaining"
  readonly failure: DeadLetter.Failure
}

export type Outcome = Stored | Duplicate | DeadLettered | Lost | Returned | Remaining

/** The outcomes of ticks that a service took from the queue. */
export type OfService = Stored | Duplicate | DeadLettered | Lost | Returned

/** The outcomes of ticks that a replay took from a dead letter. */
export type OfReplay = Stored | Duplicate | Remaining | Returned

export const { DeadLettered, Duplicate, Lost, Remaining, Returned, Stored } = Data.taggedEnum<Outcome>()
