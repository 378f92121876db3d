/** Short ways to call a tracker, and one whose log and metrics are its own. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Schema from "effect/Schema"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

type Tracker = Layer.Layer<IdempotencyTracker.IdempotencyTracker, Schema.SchemaError>

export const runId = RunId.make("run")
export const otherRun = RunId.make("other")

export const numbers = (ticks: ReadonlyArray<Tick.Tick>) => ticks.map(({ tickNumber }) => Number(tickNumber))

/** A tracker with metrics of its own, whose log lines must be expected. */
export const watched = (tracker: Tracker) =>
  Layer.provideMerge(
    tracker.pipe(Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))),
    LogWatch.layer()
  )

/** Claims, as lists of tick numbers. */
export const claim = Effect.fnUntraced(function* (ticks: ReadonlyArray<Tick.Tick>, run = runId) {
  const tracker = yield* IdempotencyTracker.IdempotencyTracker
  const { claimed, fresh, stored } = yield* tracker.claim(new RunBatch(run, ticks))
  return { fresh: numbers(fresh), stored: numbers(stored), claimed: numbers(claimed) }
})

export const commit = (ticks: ReadonlyArray<Tick.Tick>, run = runId) =>
  IdempotencyTracker.IdempotencyTracker.use((tracker) => tracker.commit(new RunBatch(run, ticks)))

export const release = (ticks: ReadonlyArray<Tick.Tick>, run = runId) =>
  IdempotencyTracker.IdempotencyTracker.use((tracker) => tracker.release(new RunBatch(run, ticks)))

export const range = (first: number, last: number) => TestTick.range("run", first, last)

/** Ticks of these numbers. */
export const ticksOf = (all: Iterable<number>) => Array.from(all, (number) => TestTick.make("run", number))

/** Values of the tracker's metrics by name and reason. */
export const metrics = Effect.map(Metric.snapshot, (snapshot) =>
  Object.fromEntries(
    snapshot.map(({ attributes, id, state }) => [
      `${id} ${attributes?.["reason"] ?? ""}`.trim().replace("persistence_idempotency_", ""),
      "count" in state ? state.count : "value" in state ? state.value : undefined
    ])
  )
)
