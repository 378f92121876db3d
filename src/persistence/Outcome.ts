/**
 * What can become of ticks that a service or a replay has taken. Nothing else can.
 *
 * Whoever handles outcomes handles each of them: `Match.valueTags` doesn't compile until a new one is handled too.
 */
import * as Data from "effect/Data"
import type * as DeadLetter from "../deadletter/DeadLetter.ts"
import type * as RunId from "../domain/RunId.ts"
import type * as BatchFile from "../storage/BatchFile.ts"
import type * as StorageKey from "../storage/StorageKey.ts"

/** Written to the storage, or found there after an attempt of this very portion that nobody has heard from. */
export interface Stored {
  readonly _tag: "Stored"
  readonly runId: RunId.RunId
  readonly written: BatchFile.Written
  /** How many attempts it took, the one that stored it included. */
  readonly attempts: number
  /** How long that attempt took. */
  readonly tookMs: number
  readonly committedAtMs: number
}

/**
 * Known already. `foundBy` says which step found it: "recall", before the claim, in what an earlier process has stored;
 * "claim", in the tracker, stored or in flight elsewhere; "write", in the storage under `key`, though no attempt of this
 * portion can have put it there.
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

/** Given up where no dead-letter queue is configured. */
export interface Lost {
  readonly _tag: "Lost"
  readonly reason: DeadLetter.Reason
}

/** Not settled: they go back to where they came from, the tick queue or the dead letter that is being replayed. */
export interface Returned {
  readonly _tag: "Returned"
}

/** Tried again and not stored: they stay in the dead letter that they came from. */
export interface Remaining {
  readonly _tag: "Remaining"
  readonly failure: DeadLetter.Failure
}

export type Outcome = Stored | Duplicate | DeadLettered | Lost | Returned | Remaining

/** What can become of ticks that a service took from the queue. */
export type OfService = Stored | Duplicate | DeadLettered | Lost | Returned

/** What can become of ticks that a replay took from a dead letter. */
export type OfReplay = Stored | Duplicate | Remaining | Returned

export const { DeadLettered, Duplicate, Lost, Remaining, Returned, Stored } = Data.taggedEnum<Outcome>()
