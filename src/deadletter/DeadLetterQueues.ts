/**
 * All dead-letter queues that may have ticks of a run.
 *
 * A service of a pipeline offers letters to one queue, its `DeadLetterQueue`. A reader of a whole run needs the queues of
 * all services that have stored ticks of it.
 *
 * ```ts
 * import * as DeadLetterQueue from "tickvault/deadletter/DeadLetterQueue"
 * import * as DeadLetterQueues from "tickvault/deadletter/DeadLetterQueues"
 * import * as Layer from "effect/Layer"
 *
 * export const layer = DeadLetterQueues.layer.pipe(Layer.provideMerge(DeadLetterQueue.layerMemory()))
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DeadLetterQueue } from "./DeadLetterQueue.ts"

export class DeadLetterQueues extends Context.Service<DeadLetterQueues, ReadonlyArray<DeadLetterQueue["Service"]>>()(
  "tickvault/deadletter/DeadLetterQueues"
) {}

/** The queue of the context is the only one. */
export const layer: Layer.Layer<DeadLetterQueues, never, DeadLetterQueue> = Layer.effect(
  DeadLetterQueues,
  Effect.map(DeadLetterQueue, (queue) => [queue])
)

/** There are no queues, and no letters. */
export const layerNone: Layer.Layer<DeadLetterQueues> = Layer.succeed(DeadLetterQueues, [])
