/**
 * A dead-letter queue whose faults are scripted: which call of which operation fails, how, and when.
 *
 * Wraps any queue. Every operation suspends at least once. Faults wait in line for each operation, and each is used by
 * one call; when none is left, calls pass.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { QueueFull } from "tickvault/deadletter/DeadLetterQueue"
 * import * as Fault from "tickvault/testing/Fault"
 * import * as FaultyDeadLetterQueue from "tickvault/testing/FaultyDeadLetterQueue"
 *
 * // The queue is full until `heal`.
 * export const program = Effect.gen(function* () {
 *   const faults = yield* FaultyDeadLetterQueue.FaultyDeadLetterQueue
 *   yield* faults.always("offer", Fault.fail(new QueueFull({ capacity: 100 })))
 * }).pipe(Effect.provide(FaultyDeadLetterQueue.layer))
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as DeadLetterQueue from "../deadletter/DeadLetterQueue.ts"
import type { Script } from "./Fault.ts"
import * as ScriptMaking from "./internal/script.ts"

export type Operation = "offer" | "size" | "ids" | "get" | "update" | "remove"

/** What each operation can fail with. */
export type Reasons = Readonly<
  Record<Exclude<Operation, "size">, DeadLetterQueue.DeadLetterError["reason"]> & Record<"size", never>
>

export class FaultyDeadLetterQueue extends Context.Service<
  FaultyDeadLetterQueue,
  Script<Reasons> & {
    /** The queue underneath, without faults: to look into what it really holds. */
    readonly underneath: DeadLetterQueue.DeadLetterQueue["Service"]
  }
>()("tickvault/testing/FaultyDeadLetterQueue") {}

/** Wraps `underneath`: gives the queue with faults and the handle to script them. */
export const make = (underneath: DeadLetterQueue.DeadLetterQueue["Service"]) => {
  const { meet: meetFault, script } = ScriptMaking.make<Reasons>()

  const meet = <A, E>(operation: Operation, key: string, call: Effect.Effect<A, E>) =>
    meetFault(operation, key, call, (reason) => new DeadLetterQueue.DeadLetterError({ queue: underneath.name, reason }))

  const get = (id: string) => meet("get", id, underneath.get(id))
  const ids = Stream.unwrap(meet("ids", "", Effect.succeed(underneath.ids)))
  const queue = DeadLetterQueue.DeadLetterQueue.of({
    ...underneath,
    offer: (letter) => meet("offer", letter.id, underneath.offer(letter)),
    size: Effect.orDie(meet("size", "", underneath.size)),
    ids,
    get,
    update: (letter) => meet("update", letter.id, underneath.update(letter)),
    remove: (id) => meet("remove", id, underneath.remove(id)),
    letters: DeadLetterQueue.lettersOf({ name: underneath.name, ids, get })
  })

  const faults = FaultyDeadLetterQueue.of({ ...script, underneath })
  return { queue, faults }
}

/** Puts faults between a queue and those that use it. */
export const layerOver = <E, R>(
  underneath: Layer.Layer<DeadLetterQueue.DeadLetterQueue, E, R>
): Layer.Layer<DeadLetterQueue.DeadLetterQueue | FaultyDeadLetterQueue, E, R> =>
  Layer.effectContext(
    DeadLetterQueue.DeadLetterQueue.useSync((real) => {
      const { faults, queue } = make(real)
      return Context.make(DeadLetterQueue.DeadLetterQueue, queue).pipe(Context.add(FaultyDeadLetterQueue, faults))
    })
  ).pipe(Layer.provide(underneath))

/** A faulty queue in memory, with its handle. */
export const layer: Layer.Layer<DeadLetterQueue.DeadLetterQueue | FaultyDeadLetterQueue> = layerOver(
  Layer.orDie(DeadLetterQueue.layerMemory())
)
