/** The kind of the dead-letter queue in memory. */
import * as Layer from "effect/Layer"
import type { ConfiguredDeadLetterQueue } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as DeadLetterQueue from "../deadletter/DeadLetterQueue.ts"

export const kind = Kind.resource({
  name: "InMemoryDeadLetterQueue",
  role: "dead-letter queue",
  lasts: false,
  note: "letters are kept in memory: they are gone when the process ends",
  options: Kind.options(DeadLetterQueue.Options),
  configure: (self): ConfiguredDeadLetterQueue<typeof DeadLetterQueue.Options.Type> => ({
    ...self,
    role: "dead-letter queue",
    layer: Layer.effect(DeadLetterQueue.DeadLetterQueue, DeadLetterQueue.makeMemoryWith(self.name, self.options))
  })
})
