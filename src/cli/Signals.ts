/**
 * SIGINT and SIGTERM beyond the first. The first one interrupts the main fiber, which ends the pipeline in good order;
 * the second one ends it at once.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

const signals = ["SIGINT", "SIGTERM"] as const

/** Counts signals while the scope is open. `second` completes at the second one. */
export const watch = Effect.gen(function* () {
  const latch = yield* Latch.make(false)
  let count = 0
  const onSignal = () => {
    if (++count >= 2) latch.openUnsafe()
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => signals.forEach((signal) => process.on(signal, onSignal))),
    () => Effect.sync(() => signals.forEach((signal) => process.removeListener(signal, onSignal)))
  )
  return { second: latch.await }
})
