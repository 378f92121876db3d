/**
 * The balance of a pipeline: the received ticks and their outcomes.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Pipeline } from "tickvault/Pipeline"
 * import * as Balance from "tickvault/pipeline/Balance"
 *
 * export const isSettled = Effect.gen(function* () {
 *   const pipeline = yield* Pipeline
 *   return Balance.isSettled(yield* pipeline.balance)
 * })
 * ```
 */
import type * as PersistenceService from "../persistence/PersistenceService.ts"
import type * as TickQueue from "../queue/TickQueue.ts"
import * as Effect from "effect/Effect"

/** At all times `received = written + duplicate + deadLettered + returned + lost + inFlight`, in ticks. */
export interface Balance {
  /** Accepted by the queues. */
  readonly received: number
  readonly written: number
  readonly duplicate: number
  readonly deadLettered: number
  /** Returned to a queue and not taken again. */
  readonly returned: number
  readonly lost: number
  /** Waiting in a queue, or in flight in a service. */
  readonly inFlight: number
  /** Files written. */
  readonly batches: number
  /** Bytes of the ticks in them, including the length of each. */
  readonly writtenBytes: number
  /** Bytes of the files written, after compression. */
  readonly storedBytes: number
}

/** The balance of `queues` and the services that take from them. */
export const of = Effect.fnUntraced(function* (
  queues: ReadonlyArray<TickQueue.TickQueue["Service"]>,
  services: ReadonlyArray<PersistenceService.Instance>
) {
  const total = { received: 0, written: 0, duplicate: 0, deadLettered: 0, returned: 0, lost: 0, inFlight: 0 }
  for (const queue of queues) {
    const account = yield* queue.account
    total.received += account.accepted
    total.written += account.stored
    total.duplicate += account.duplicate
    total.deadLettered += account.deadLettered
    total.returned += account.returned
    total.lost += account.lost
    total.inFlight += account.waiting + account.inHand
  }
  let batches = 0
  let writtenBytes = 0
  let storedBytes = 0
  for (const service of services) {
    const metrics = yield* service.metrics
    batches += metrics.batches_written
    writtenBytes += metrics.bytes_written
    storedBytes += metrics.bytes_stored
  }
  const balance: Balance = { ...total, batches, writtenBytes, storedBytes }
  return balance
})

/** Whether every tick is settled: none in flight, returned or lost. */
export const isSettled = ({ inFlight, lost, returned }: Balance): boolean => inFlight + lost + returned === 0
