import { assert } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Tick from "../../src/domain/Tick.ts"
import type { BatchPolicy, TakenBatch } from "../../src/queue/BatchPolicy.ts"
import type * as TickQueue from "../../src/queue/TickQueue.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

type Queue = TickQueue.TickQueue["Service"]

export const policy = (limits: Partial<BatchPolicy> = {}): BatchPolicy => ({
  maxTicks: 1000,
  maxBytes: 1_000_000,
  timeout: Duration.seconds(5),
  ...limits
})

export const take = (queue: Queue, limits: Partial<BatchPolicy> = {}) =>
  Effect.gen(function* () {
    const taken: Array<TakenBatch> = []
    yield* queue.take(policy(limits), (batch) => taken.push(batch))
    assert.strictEqual(taken.length, 1)
    return taken[0]!
  })

export const run = (ticks: ReadonlyArray<Tick.Tick>) => ticks.map(({ tickNumber }) => Number(tickNumber))
export const summary = (batch: TakenBatch) => ({ ticks: run(batch.ticks), reason: batch.reason })
export const isDone = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.pollUnsafe() !== undefined

/** A tick whose payload has exactly `bytes` bytes. */
export const sized = (tickNumber: number, bytes: number) => {
  const stuffing = bytes - TestTick.make("run", tickNumber, 1).payload.length + 1
  const tick = TestTick.make("run", tickNumber, stuffing)
  assert.strictEqual(tick.payload.length, bytes)
  return tick
}
