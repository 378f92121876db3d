/**
 * How long a recovery service waits for a look at the letters and for a replay.
 *
 * A replay is begun once at a time per letter: while one that was abandoned is still out, the next is refused at once. When
 * its caller is interrupted a replay is waited for, as long as for a write, so that the step it is in ends in good order.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Attempts from "../../service/Attempts.ts"

/** A replay consists of reading, writing, noting and removing, and each may take as long as a write. */
const steps = 4

export interface Patience {
  /** Fails with `Overdue` after the time limit of a write. */
  readonly look: Attempts.Attempts["run"]
  /** Fails with `Overdue` after four times the time limit of a write, or when an earlier one of the letter is out. */
  readonly replay: <A, E>(letter: string, replay: Effect.Effect<A, E>) => Effect.Effect<A, E | Attempts.Overdue>
}

/** Nobody waits at the end for what was abandoned. */
export const make = Effect.fnUntraced(function* (writeTimeout: Duration.Duration) {
  const scope = yield* Scope.make() // never closed
  const limit = Duration.times(writeTimeout, steps)
  const looks = Attempts.make(writeTimeout, scope)
  const replays = Attempts.make(limit, scope)
  const out = new Map<string, Deferred.Deferred<void>>()

  const tracked = <A, E>(letter: string, ended: Deferred.Deferred<void>, effect: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => out.set(letter, ended)),
      () => effect,
      () =>
        Effect.suspend(() => {
          out.delete(letter)
          return Deferred.succeed(ended, undefined)
        })
    )

  const patience: Patience = {
    look: looks.run,
    replay: Effect.fnUntraced(function* (letter, effect) {
      if (out.has(letter)) return yield* new Attempts.Overdue({ begun: false })
      const ended = yield* Deferred.make<void>()
      return yield* Effect.onInterrupt(replays.run(tracked(letter, ended, effect)), () =>
        out.get(letter) === ended ? Effect.timeoutOption(Deferred.await(ended), writeTimeout) : Effect.void
      )
    })
  }
  return patience
})
