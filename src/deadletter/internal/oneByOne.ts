/**
 * Turns by name: of the effects that have the same name one runs at a time, and nobody waits for those of other names.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** What gives the turns. Waiting for one may be interrupted. Memory: the names that are in use. */
export const make = () => {
  const turns = new Map<string, { readonly permit: Semaphore.Semaphore; users: number }>()
  return (name: string) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          const turn = turns.get(name) ?? { permit: Semaphore.makeUnsafe(1), users: 0 }
          turns.set(name, turn)
          turn.users++
          return turn
        }),
        ({ permit }) => permit.withPermits(1)(effect),
        (turn) =>
          Effect.sync(() => {
            turn.users--
            if (turn.users === 0) turns.delete(name)
          })
      )
}
