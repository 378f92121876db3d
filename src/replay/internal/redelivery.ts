/**
 * Stores ticks from a dead letter like those of a live batch, and reports the outcome of each.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Match from "effect/Match"
import type * as DeadLetter from "../../deadletter/DeadLetter.ts"
import type * as Tick from "../../domain/Tick.ts"
import * as BatchWriter from "../../persistence/BatchWriter.ts"
import * as Outcome from "../../persistence/Outcome.ts"
import * as Portion from "../../persistence/Portion.ts"
import type { Books } from "../../persistence/Settler.ts"
import type { Parts } from "./Parts.ts"

/** The outcomes of the ticks. Each tick is in one of the three arrays. */
export interface Redelivered {
  readonly stored: ReadonlyArray<Tick.Tick>
  readonly duplicate: ReadonlyArray<Tick.Tick>
  readonly failed: ReadonlyArray<{ readonly ticks: ReadonlyArray<Tick.Tick>; readonly failure: DeadLetter.Failure }>
}

/** The books of one replay. They update no metrics: replays are counted separately from live batches. */
const makeBooks = () => {
  const stored: Array<Tick.Tick> = []
  const duplicate: Array<Tick.Tick> = []
  const failed: Array<Redelivered["failed"][number]> = []
  const redelivered: Redelivered = { stored, duplicate, failed }
  const books: Books<Outcome.OfReplay> = {
    count: (_portion, ticks, outcome) =>
      Match.valueTags(outcome, {
        Stored: () => void stored.push(...ticks),
        Duplicate: () => void duplicate.push(...ticks),
        Remaining: ({ failure }) => void failed.push({ ticks, failure }),
        Returned: () => undefined
      }),
    report: () => Effect.void
  }
  return { books, redelivered }
}

/** Stores `ticks`. When interrupted, it releases the ticks that it has claimed but not stored. */
export const redeliver = Effect.fn("Replay.redeliver")(function* ({ settler, writers }: Parts, ticks: Tick.Batch) {
  const nowMs = Math.floor(yield* Clock.currentTimeMillis)
  const portions = Portion.divide({ ticks, reason: "replay", enqueuedAtMs: nowMs, returned: false }, "split", nowMs)
  const { books, redelivered } = makeBooks()
  const settle = settler(books)
  const writer = writers(settle, BatchWriter.unobserved)
  const remain = (portion: Portion.Portion, failure: DeadLetter.Failure) =>
    settle(portion, portion.ticks, Outcome.Remaining({ failure }))
  const store = (portion: Portion.Portion) =>
    portion._tag === "Refused"
      ? Effect.andThen(Portion.logRefused(portion), remain(portion, portion.failure))
      : Effect.catch(writer.store(portion), (failure) => remain(portion, failure))
  const giveBack = (portion: Portion.Portion) =>
    portion.settled ? Effect.void : settle(portion, portion.ticks, Outcome.Returned())
  yield* Effect.forEach(portions, store, { discard: true }).pipe(
    Effect.ensuring(Effect.forEach(portions, giveBack, { discard: true }))
  )
  return redelivered
})
