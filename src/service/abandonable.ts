/**
 * Waiting that can be given up when the work itself can't.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/**
 * Runs `effect` in a fiber of `scope` and waits for it. Interrupted, it tells that fiber to stop and doesn't wait until it
 * does: a call that hangs in the file system can't be interrupted, and nobody who has a time limit may wait for it. What
 * `effect` comes to then is not known; close `scope` without waiting for it.
 */
export const abandonable = <A, E>(effect: Effect.Effect<A, E>, scope: Scope.Scope): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkIn(effect, scope, { startImmediately: true }), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )
