/**
 * The books of a service: its counters, the account of its queue, its metrics, and its degradation.
 */
import * as Effect from "effect/Effect"
import * as Match from "effect/Match"
import type { Reason } from "../../deadletter/DeadLetter.ts"
import * as TickQueue from "../../queue/TickQueue.ts"
import type * as Outcome from "../Outcome.ts"
import type { PersistenceMetrics } from "../PersistenceMetrics.ts"
import type { Portion } from "../Portion.ts"
import type { Books } from "../Settler.ts"
import type { Degradation } from "./degradation.ts"
import type { InFlight } from "./InFlight.ts"

/** The outcomes in the terms of the queue. */
const queueOutcomes = {
  Stored: "stored",
  Duplicate: "duplicate",
  DeadLettered: "dead-lettered",
  Lost: "lost",
  Returned: "returned"
} as const satisfies Record<Outcome.OfService["_tag"], TickQueue.Outcome>

const stored = Effect.fnUntraced(function* (
  metrics: PersistenceMetrics,
  { enqueuedAtMs }: Portion,
  ticks: number,
  { committedAtMs, written }: Outcome.Stored
) {
  yield* metrics.batchesWritten(1)
  yield* metrics.ticksWritten(ticks)
  yield* metrics.writtenBytes(written.bytes)
  yield* metrics.storedBytes(written.storedBytes)
  yield* metrics.batchTicks(ticks)
  yield* metrics.latency(Math.max(0, committedAtMs - enqueuedAtMs) / 1000)
  yield* metrics.lastCommit(committedAtMs / 1000)
})

const failed = Effect.fnUntraced(function* (metrics: PersistenceMetrics, portion: Portion, reason: Reason) {
  yield* metrics.failedBatch(reason, 1)
  if (portion._tag === "Refused") yield* metrics.invalid(portion.rule, portion.ticks.length)
})

const measure = (
  metrics: PersistenceMetrics,
  portion: Portion,
  ticks: number,
  outcome: Outcome.OfService
): Effect.Effect<void> =>
  Match.valueTags(outcome, {
    Stored: (one) => stored(metrics, portion, ticks, one),
    Duplicate: ({ found }) => metrics.duplicates(found.foundBy === "claim" ? "tracker" : "storage", ticks),
    DeadLettered: ({ letter }) =>
      Effect.andThen(failed(metrics, portion, letter.reason), metrics.failedTicks(letter.reason, ticks)),
    Lost: ({ reason }) => Effect.andThen(failed(metrics, portion, reason), metrics.lost(reason, ticks)),
    Returned: () => metrics.returned("shutdown", ticks)
  })

/** Makes the books of a service on the queue of the context. */
export const make = Effect.fnUntraced(function* (
  inFlight: InFlight,
  degradation: Degradation,
  metrics: PersistenceMetrics
) {
  const queue = yield* TickQueue.TickQueue
  const books: Books<Outcome.OfService> = {
    count: (portion, ticks, outcome) => inFlight.settled(portion, ticks.length, outcome),
    report: Effect.fnUntraced(function* (portion, ticks, outcome) {
      yield* queue.settle(ticks, queueOutcomes[outcome._tag])
      yield* measure(metrics, portion, ticks.length, outcome)
      if (outcome._tag === "Returned") degradation.forget(portion)
      else yield* degradation.accept(portion)
    })
  }
  return books
})
