/** The kind of the bounded queue in memory. */
import * as Layer from "effect/Layer"
import type { ConfiguredQueue } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as TickQueue from "../queue/TickQueue.ts"

export const kind = Kind.resource({
  name: "TickQueue",
  otherNames: ["InMemoryBlockingQueue"],
  role: "queue",
  lasts: false,
  options: Kind.options(TickQueue.Options),
  configure: (self): ConfiguredQueue<typeof TickQueue.Options.Type> => ({
    ...self,
    role: "queue",
    layer: Layer.effect(TickQueue.TickQueue, TickQueue.makeWith(self.name, self.options))
  })
})
