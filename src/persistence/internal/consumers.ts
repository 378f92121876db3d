/**
 * The loops in which a service takes batches and processes them.
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
import type { Processing } from "./processing.ts"

/** Shared by the loops of a service. */
interface Parts {
  readonly inFlight: InFlight
  readonly degradation: Degradation
  readonly processing: Processing
  readonly metrics: PersistenceMetrics
}

/** A batch that was just taken, and its portions. */
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
 * Takes the next batch and processes it. `false` when the queue has ended. Returns without a batch when the service is
 * paused or becomes degraded meanwhile. An interruption loses nothing: what has left the queue is in flight.
 */
const takeOne = Effect.fn("PersistenceService.batch")(function* (
  parts: Parts,
  queue: TickQueue["Service"],
  { mixedRuns, policy }: Taking,
  pausing: Service.PauseGate
) {
  const { degradation, inFlight, metrics, processing } = parts
  const clock = yield* Clock.Clock
  const span = yield* Effect.orDie(Effect.currentParentSpan) // the span of this function
  /** At most one. */
  const received: Array<Received> = []
  const receive = (batch: TakenBatch) => {
    const nowMs = Math.floor(clock.currentTimeMillisUnsafe())
    received.push({ batch, portions: inFlight.receive(batch, mixedRuns, nowMs, span) })
  }
  // Several of these may be ready at once. What forbids taking comes first.
  const mayGoOn = yield* Effect.raceAllFirst([
    pausing.closed,
    degradation.gate.closed,
    queue.take(policy, receive)
  ]).pipe(
    Effect.match({ onSuccess: () => true, onFailure: () => false }),
    Effect.ensuring(Effect.suspend(() => Effect.forEach(received, (one) => noteTaken(parts, one), { discard: true })))
  )
  for (const { portions } of received) yield* processing.process(portions)
  yield* metrics.inFlight(inFlight.ticks)
  return mayGoOn
})

/**
 * Makes the work of a service: one loop for each batch that it may have in flight, so that the next batch is prepared
 * while one is being written. The loops end when the queue has ended. While the service is paused or degraded they take
 * nothing.
 */
export const make = Effect.fnUntraced(function* (taking: Taking, parts: Parts) {
  const queue = yield* TickQueue
  const { degradation, inFlight, metrics, processing } = parts
  return (pausing: Service.PauseGate): Effect.Effect<void> => {
    const loop = degradation.gate.opened.pipe(
      Effect.andThen(pausing.open),
      Effect.andThen(takeOne(parts, queue, taking, pausing)),
      Effect.repeat({ while: (mayGoOn) => mayGoOn })
    )
    const rest = Effect.andThen(
      processing.windUp,
      Effect.suspend(() => metrics.inFlight(inFlight.ticks))
    )
    return Effect.all(
      Array.from({ length: maxBatches }, () => loop),
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.ensuring(rest))
  }
})
