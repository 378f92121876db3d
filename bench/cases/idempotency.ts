/**
 * The cost of de-duplication for a batch: claim and commit in a tracker of ranges, compared with a tracker of keys.
 */
import * as Effect from "effect/Effect"
import { inOrder, type Case, type Side } from "../Case.ts"
import type { Measured } from "../Measured.ts"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

const runId = RunId.make("run")
const batch = 1000
const batches = 200

/** The number of the tick at a place in the run. */
type Order = (place: number) => number

const consecutive: Order = (place) => place
const sampled: Order = (place) => place * 10
/** Every tenth tick is missing. */
const gaps: Order = (place) => place + Math.floor(place / 9)
/** The ticks of a batch are shuffled. */
const mixed: Order = (place) => place - (place % batch) + ((place * 617) % batch)

const claimed = Effect.fnUntraced(function* (tracker: IdempotencyTracker.IdempotencyTracker["Service"], order: Order) {
  const commitMs: Array<number> = []
  let lost = 0
  for (let from = 0; from < batches * batch; from += batch) {
    const ticks = Array.from({ length: batch }, (_, index) => TestTick.make("run", order(from + index)))
    const began = performance.now()
    const { fresh } = yield* tracker.claim(new RunBatch(runId, ticks))
    yield* tracker.commit(new RunBatch(runId, fresh))
    commitMs.push(performance.now() - began)
    lost += batch - fresh.length
  }
  const seconds = commitMs.reduce((sum, ms) => sum + ms, 0) / 1000
  const measured: Measured = { seconds, ticks: batches * batch, bytes: 0, commitMs, lost }
  return measured
})

const both = (order: Order, first: Side) => {
  const sides = {
    peer: Effect.flatMap(IdempotencyTracker.makeMemory("keys"), (tracker) => claimed(tracker, order)),
    ours: Effect.flatMap(IdempotencyTracker.makeRanges("ranges"), (tracker) => claimed(tracker, order))
  }
  // The first pass is the warm-up, the second is measured.
  return Effect.andThen(inOrder(first, sides), inOrder(first, sides)).pipe(Effect.orDie)
}

const of = (name: string, order: Order, atLeast: number): Case => ({
  name: `idempotency ${name}`,
  settings: { batch },
  peer: "a HashSet of keys",
  ours: "ranges",
  goal: { of: "speed", atLeast },
  turns: { in: "one process", both: (_, first) => both(order, first) }
})

export const cases: ReadonlyArray<Case> = [
  of("consecutive", consecutive, 10),
  of("sampled", sampled, 10),
  of("gaps", gaps, 1),
  of("mixed", mixed, 1)
]
