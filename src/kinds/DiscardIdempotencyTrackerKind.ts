/** The kind of the idempotency tracker that remembers nothing, on purpose. */
import type { ConfiguredTracker } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as IdempotencyTracker from "../idempotency/IdempotencyTracker.ts"

export const kind = Kind.resource({
  name: "DiscardIdempotencyTracker",
  role: "idempotency tracker",
  lasts: false,
  options: Kind.noOptions,
  configure: (self): ConfiguredTracker => ({
    ...self,
    role: "idempotency tracker",
    layer: () => IdempotencyTracker.layerDiscard,
    recalls: false
  })
})
