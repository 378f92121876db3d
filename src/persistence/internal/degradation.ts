/**
 * How a service says that storage and dead-letter queue both refuse: in its status and in the log, once when that begins,
 * once when it ends, and a reminder a minute in between, however many batches are in hand. A stop ends it silently:
 * nothing accepts batches again by that.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { facts } from "./Context.ts"
import type { Hand } from "./Hand.ts"
import type { Portion } from "./Portion.ts"

const reminderInterval = Duration.minutes(1)

const time = (ms: number) => DateTime.formatIso(DateTime.makeUnsafe(ms))

/** What keeps how `hand` is degraded and logs its changes. */
export const make = (hand: Hand) => {
  /** Both have refused `portion`, the dead-letter queue with `error`. */
  const refused = Effect.fnUntraced(function* (portion: Portion, error: Error) {
    const storageError = portion.failure?.error.message ?? ""
    const sinceMs = hand.degradedOf(portion)?.sinceMs ?? Math.floor(yield* Clock.currentTimeMillis)
    const entered = hand.degraded === undefined
    hand.degrade(portion, { sinceMs, cause: `${storageError}; ${error.message}`, nextTryMs: undefined })
    if (!entered) return
    yield* Effect.logError("Storage and dead-letter queue both refuse, keeping the batch and trying again").pipe(
      Effect.annotateLogs({ ...facts(portion), storageError, deadLetterError: error.message })
    )
  }, Effect.uninterruptible)

  /** The next try of `portion` is after `pause`; `undefined`: it is now. */
  const next = (portion: Portion, pause: Duration.Duration | undefined) =>
    Effect.map(Clock.currentTimeMillis, (nowMs) => {
      const nextTryMs = pause === undefined ? undefined : Math.floor(nowMs + Duration.toMillis(pause))
      const degraded = hand.degradedOf(portion)
      if (degraded !== undefined) hand.degrade(portion, { ...degraded, nextTryMs })
    })

  /** One of the two has taken `portion`. */
  const accepted = (portion: Portion) =>
    Effect.suspend(() => {
      const { degraded } = hand
      if (degraded === undefined) return Effect.void
      hand.degrade(portion, undefined)
      if (hand.degraded !== undefined) return Effect.void
      return Effect.logInfo("Storage or dead-letter queue accepts batches again").pipe(
        Effect.annotateLogs({ since: time(degraded.sinceMs) })
      )
    })

  /** Reminds for as long as it runs, unless another portion does. */
  const remind = (portion: Portion) =>
    Effect.suspend(() => {
      if (hand.degraded === undefined || hand.firstRefused !== portion) return Effect.void
      const { cause, nextTryMs, sinceMs } = hand.degraded
      return Effect.logWarning("Storage and dead-letter queue still refuse, the batch is kept").pipe(
        Effect.annotateLogs({
          ...facts(portion),
          since: time(sinceMs),
          cause,
          nextTry: nextTryMs === undefined ? "now" : time(nextTryMs)
        })
      )
    }).pipe(Effect.delay(reminderInterval), Effect.forever)

  return { refused, next, accepted, remind }
}
