/**
 * Folds the entries of a ledger: a reader gives a handler for each kind of entry.
 *
 * A new kind of entry doesn't compile until every reader says what it does with it. Entries come log by log: their order
 * means nothing, and the same fact may come twice. Damaged lines are skipped unless the reader has a handler for them.
 *
 * ```ts
 * import * as RunId from "tickvault/domain/RunId"
 * import * as LedgerFold from "tickvault/ledger/LedgerFold"
 *
 * // The number of batches in the ledger of a run.
 * export const batches = LedgerFold.run(RunId.make("run-1"), () => 0, {
 *   Header: LedgerFold.skip,
 *   Commit: (count) => count + 1,
 *   Letter: LedgerFold.skip,
 *   Replay: LedgerFold.skip,
 *   Drop: LedgerFold.skip,
 *   SetAside: LedgerFold.skip
 * })
 * ```
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as RunId from "../domain/RunId.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as Ledger from "./Ledger.ts"
import type { Commit, Entry } from "./LedgerEntry.ts"
import type { BriefCommit, Line } from "./LedgerLine.ts"

type Other = Exclude<Entry, Commit>

type OtherHandlers<State> = {
  readonly [Tag in Other["_tag"]]: (state: State, entry: Extract<Other, { readonly _tag: Tag }>) => State
}

/** A handler for each kind of entry: takes the state so far, returns the new state. */
export type Handlers<State> = OtherHandlers<State> & {
  /** `checks` decodes the running checksums of the batch's ticks. */
  readonly Commit: (state: State, entry: Commit, checks: Line["checks"]) => State
  /** Optional: without it damaged lines are skipped. */
  readonly Damage?: (state: State, damage: Ledger.Damage) => State
}

/** The handlers of a reader that needs only the keys and times of stored batches. */
export type BriefHandlers<State> = OtherHandlers<State> & {
  readonly Commit: (state: State, entry: BriefCommit) => State
}

/** For kinds of entries that a reader doesn't need. */
export const skip = <State>(state: State): State => state

/** A handler that changes the state in place. */
export const mutate =
  <State, Arguments extends ReadonlyArray<unknown>>(change: (state: State, ...about: Arguments) => void) =>
  (state: State, ...about: Arguments): State => {
    change(state, ...about)
    return state
  }

const handleOther = <State>(handlers: OtherHandlers<State>, state: State, entry: Other): State => {
  switch (entry._tag) {
    case "Header":
      return handlers.Header(state, entry)
    case "Letter":
      return handlers.Letter(state, entry)
    case "Replay":
      return handlers.Replay(state, entry)
    case "Drop":
      return handlers.Drop(state, entry)
    case "SetAside":
      return handlers.SetAside(state, entry)
  }
}

/** The handlers as one function, for readers that stop early or read a single log. */
export const reducer =
  <State>(handlers: Handlers<State>) =>
  (state: State, item: Ledger.Item): State => {
    if (item._tag === "Damage") return handlers.Damage === undefined ? state : handlers.Damage(state, item)
    const { checks, entry } = item
    return entry._tag === "Commit" ? handlers.Commit(state, entry, checks) : handleOther(handlers, state, entry)
  }

/** Folds the whole ledger of the run. Memory: one line, and what the handlers keep. */
export const run = <State>(
  runId: RunId.RunId,
  initial: () => State,
  handlers: Handlers<State>
): Effect.Effect<State, StorageError, Storage> => Stream.runFold(Ledger.read(runId), initial, reducer(handlers))

/**
 * Folds the whole ledger of the run, several times as fast as `run`, because only the keys and times of stored batches are
 * decoded. Lets other fibers work after every few hundred entries.
 */
export const runBriefly = <State>(
  runId: RunId.RunId,
  initial: () => State,
  handlers: BriefHandlers<State>
): Effect.Effect<State, StorageError, Storage> =>
  Effect.suspend(() => {
    let state = initial()
    return Stream.runForEach(Ledger.readBriefly(runId), (entries) => {
      for (const entry of entries) {
        state = entry._tag === "Commit" ? handlers.Commit(state, entry) : handleOther(handlers, state, entry)
      }
      return Effect.yieldNow
    }).pipe(Effect.map(() => state))
  })
