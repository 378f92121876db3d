/**
 * The time limits of a recovery service for a look at the letters and for a replay.
 *
 * Each letter has one replay at a time: while an abandoned one has not ended, the next is refused at once. When the caller
 * is interrupted, it waits for the replay as long as for a write, so that the replay can finish its present step.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Attempts from "../../service/Attempts.ts"

/** A replay reads, writes, records and removes. Each step may take as long as a write. */
const steps = 4

export interface TimeLimits {
  /** Fails with `Overdue` after the time limit of a write. */
  readonly look: Attempts.Attempts["run"]
  /** Fails with `Overdue` after four times the time limit of a write, or when an earlier replay of the letter hangs. */
  readonly replay: <A, E>(letter: string, replay: Effect.Effect<A, E>) => Effect.Effect<A, E | Attempts.Overdue>
}

/** Makes the time limits from that of a write. */
export const make = Effect.fnUntraced(function* (writeTimeout: Duration.Duration) {
  const abandoned = yield* Scope.make() // never closed: nobody waits for abandoned calls
  const looks = Attempts.make(writeTimeout, abandoned)
  const replays = Attempts.make(Duration.times(writeTimeout, steps), abandoned)
  /** Completes when the running replay of a letter ends, by letter. */
  const ends = new Map<string, Deferred.Deferred<void>>()

  const tracked = <A, E>(letter: string, end: Deferred.Deferred<void>, replay: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => ends.set(letter, end)),
      () => replay,
      () =>
        Effect.suspend(() => {
          ends.delete(letter)
          return Deferred.succeed(end, undefined)
        })
    )

  const limits: TimeLimits = {
    look: looks.run,
    replay: Effect.fnUntraced(function* (letter, replay) {
      if (ends.has(letter)) return yield* new Attempts.Overdue({ begun: false })
      const end = yield* Deferred.make<void>()
      return yield* Effect.onInterrupt(replays.run(tracked(letter, end, replay)), () =>
        ends.get(letter) === end ? Effect.timeoutOption(Deferred.await(end), writeTimeout) : Effect.void
      )
    })
  }
  return limits
})
