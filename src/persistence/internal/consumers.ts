/**
 * The loops in which a service takes batches and has them settled.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { BatchPolicy, TakenBatch } from "../../queue/BatchPolicy.ts"
import { TickQueue } from "../../queue/TickQueue.ts"
import type * as Service from "../../service/Service.ts"
import type { PersistenceMetrics } from "../PersistenceMetrics.ts"
import type { Portion } from "../Portion.ts"
import type { Degradation } from "./degradation.ts"
import { type InFlight, maxBatches } from "./InFlight.ts"
import type { Settling } from "./settling.ts"

/** What the loops of a service share. */
interface Parts {
  readonly inFlight: InFlight
  readonly degradation: Degradation
  readonly settling: Settling
  readonly metrics: PersistenceMetrics
}

/** A batch that has just been taken, in its portions. */
interface Received {
  readonly batch: TakenBatch
  readonly portions: ReadonlyArray<Portion>
}

const noteTaken = Effect.fnUntraced(function* ({ inFlight, metrics }: Parts, { batch, portions }: Received) {
  yield* Effect.annotateCurrentSpan({ ticks: batch.ticks.length, reason: batch.reason })
  const split = portions.filter(({ reason }) => reason === "run_change").length
  yield* metrics.received(batch.ticks.length)
  yield* metrics.flush(batch.reason, 1)
  if (split > 0) {
    yield* metrics.flush("run_change", split)
    yield* metrics.mixedSplit(1)
  }
  yield* metrics.inFlight(inFlight.ticks)
  yield* Effect.logDebug("Drained ticks from queue").pipe(
    Effect.annotateLogs({ ticks: batch.ticks.length, reason: batch.reason })
  )
})

/** Which batches a service takes, and how it divides them. */
interface Taking {
  readonly policy: BatchPolicy
  readonly mixedRuns: "dead-letter" | "split"
}

/**
 * Takes the next batch and has it settled; `false` when the queue has ended. Comes back without one when the service is
 * paused or degraded meanwhile. Whatever has left the queue is noted, interrupted or not.
 */
const takeOne = Effect.fn("PersistenceService.batch")(function* (
  parts: Parts,
  queue: TickQueue["Service"],
  { mixedRuns, policy }: Taking,
  pausing: Service.Gate
) {
  const { degradation, inFlight, metrics, settling } = parts
  const clock = yield* Clock.Clock
  /** One at most. */
  const received: Array<Received> = []
  const receive = (batch: TakenBatch) => {
    const nowMs = Math.floor(clock.currentTimeMillisUnsafe())
    received.push({ batch, portions: inFlight.receive(batch, mixedRuns, nowMs) })
  }
  // First what forbids to take: of those that were waited for, several may have come at once.
  const mayGoOn = yield* Effect.raceAllFirst([
    pausing.closed,
    degradation.gate.closed,
    queue.take(policy, receive)
  ]).pipe(
    Effect.match({ onSuccess: () => true, onFailure: () => false }),
    Effect.ensuring(Effect.suspend(() => Effect.forEach(received, (one) => noteTaken(parts, one), { discard: true })))
  )
  for (const { portions } of received) yield* settling.settleAll(portions)
  yield* metrics.inFlight(inFlight.ticks)
  return mayGoOn
})

/**
 * Makes the work of a service: a loop for each batch that it may have in flight, so that the next batch is made ready while
 * one is being written. They end with the queue. None takes anything while the service is paused or degraded.
 */
export const make = Effect.fnUntraced(function* (taking: Taking, parts: Parts) {
  const queue = yield* TickQueue
  const { degradation, inFlight, metrics, settling } = parts
  return (pausing: Service.Gate): Effect.Effect<void> => {
    const loop = degradation.gate.opened.pipe(
      Effect.andThen(pausing.open),
      Effect.andThen(takeOne(parts, queue, taking, pausing)),
      Effect.repeat({ while: (mayGoOn) => mayGoOn })
    )
    const rest = Effect.andThen(
      settling.settleRest,
      Effect.suspend(() => metrics.inFlight(inFlight.ticks))
    )
    return Effect.all(
      Array.from({ length: maxBatches }, () => loop),
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.ensuring(rest))
  }
})
