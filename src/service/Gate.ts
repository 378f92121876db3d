/**
 * A gate that is open or closed. Fibers can wait for both.
 */
import type * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

export interface Gate {
  /** Completes while the gate is open. */
  readonly opened: Effect.Effect<void>

  /** Completes while the gate is closed. */
  readonly closed: Effect.Effect<void>

  /** Opens it, synchronously. Does nothing when it is open. */
  readonly open: () => void

  /** Closes it, synchronously. Does nothing when it is closed. */
  readonly close: () => void
}

/** Makes a gate, open. */
export const make = (): Gate => {
  const opened = Latch.makeUnsafe(true)
  const closed = Latch.makeUnsafe(false)
  return {
    opened: opened.await,
    closed: closed.await,
    open: () => {
      closed.closeUnsafe()
      opened.openUnsafe()
    },
    close: () => {
      opened.closeUnsafe()
      closed.openUnsafe()
    }
  }
}
