/**
 * Short ways to call a queue.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Tick from "../../domain/Tick.ts"
import type { BatchPolicy, TakenBatch } from "../../queue/BatchPolicy.ts"
import type { TickQueue } from "../../queue/TickQueue.ts"
import { ContractViolation } from "../Contract.ts"
import * as TestTick from "../TestTick.ts"
import { same } from "./expect.ts"

type Queue = TickQueue["Service"]

/** Five seconds, and more than enough of the rest. */
export const policy = (limits: Partial<BatchPolicy> = {}): BatchPolicy => ({
  maxTicks: 1000,
  maxBytes: 1_000_000,
  timeout: Duration.seconds(5),
  ...limits
})

/** The next batch. Its receiver must be called once. */
export const take = Effect.fnUntraced(function* (queue: Queue, limits: Partial<BatchPolicy> = {}) {
  const taken: Array<TakenBatch> = []
  yield* queue.take(policy(limits), (batch) => taken.push(batch))
  const [batch] = taken
  if (batch !== undefined && taken.length === 1) return batch
  const problem = "the receiver of a batch is called once"
  return yield* Effect.die(new ContractViolation({ problem, actual: taken.length, expected: 1 }))
})

export const numbers = (ticks: ReadonlyArray<Tick.Tick>) => ticks.map(({ tickNumber }) => Number(tickNumber))

export const isDone = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.pollUnsafe() !== undefined

/** A tick whose payload has exactly `bytes` bytes. */
export const sized = (tickNumber: number, bytes: number): Tick.Tick =>
  TestTick.make("run", tickNumber, bytes - TestTick.make("run", tickNumber, 1).payload.length + 1)

/** That the books of the queue are balanced at this moment. */
export const balanced = Effect.fnUntraced(function* (queue: Queue) {
  const { accepted, ...parts } = yield* queue.account
  const sum = Object.values(parts).reduce((total, part) => total + part, 0)
  same(sum, accepted, `the books are not balanced: ${Object.entries(parts).join(" ")}`)
})
