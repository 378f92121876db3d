/** The kind of the idempotency tracker: ranges of ticks, or their keys one by one. */
import * as Layer from "effect/Layer"
import type { ConfiguredTracker } from "../config/Configured.ts"
import * as Kind from "../config/Kind.ts"
import * as IdempotencyTracker from "../idempotency/IdempotencyTracker.ts"

type Options = typeof IdempotencyTracker.Options.Type

const cleanup = "has no effect: expired keys are dropped with every batch"

export const kind = Kind.resource({
  name: "IdempotencyTracker",
  otherNames: ["InMemoryIdempotencyTracker"],
  role: "idempotency tracker",
  lasts: false,
  options: Kind.options(IdempotencyTracker.Options),
  aliases: IdempotencyTracker.aliases,
  ignored: { cleanupThresholdMessages: cleanup, cleanupIntervalSeconds: cleanup },
  configure: (self): ConfiguredTracker<Options> => {
    const { name, options } = self
    return {
      ...self,
      role: "idempotency tracker",
      layer: (onForgotten) =>
        Layer.effect(IdempotencyTracker.IdempotencyTracker, IdempotencyTracker.makeWith(name, options, onForgotten)),
      recalls: options.memory === "ranges"
    }
  }
})
