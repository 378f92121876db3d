/** The kind of the dead-letter queue that keeps nothing, on purpose. */
import * as Layer from "effect/Layer"
import type { ConfiguredDeadLetterQueue } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as DeadLetterQueue from "../deadletter/DeadLetterQueue.ts"

export const kind = Kind.resource({
  name: "DiscardDeadLetterQueue",
  role: "dead-letter queue",
  lasts: false,
  note: "letters are discarded: A BATCH THAT CAN'T BE STORED IS LOST",
  options: Kind.noOptions,
  configure: (self): ConfiguredDeadLetterQueue => ({
    ...self,
    role: "dead-letter queue",
    layer: Layer.effect(DeadLetterQueue.DeadLetterQueue, DeadLetterQueue.makeDiscard(self.name))
  })
})
