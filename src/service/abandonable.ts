/**
 * Waits interruptibly for work that can't be interrupted.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/**
 * Runs `effect` in a fiber of `scope` and waits for it. An interruption interrupts that fiber too, but does not wait
 * until it ends: a call that hangs in the file system never ends. The outcome of `effect` is then not known. Don't wait
 * for `scope` to close.
 */
export const abandonable = <A, E>(effect: Effect.Effect<A, E>, scope: Scope.Scope): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkIn(effect, scope, { startImmediately: true }), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )
