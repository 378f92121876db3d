/**
 * How a service says that storage and dead-letter queue both refuse: in its status and in the log, once when that begins,
 * once when it ends, and a reminder a minute in between. A stop ends it silently: nothing accepts batches again by that.
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

/** What keeps `hand.degraded` and logs its changes. */
export const make = (hand: Hand) => {
  /** Both have refused `portion`, the dead-letter queue with `error`. */
  const refused = Effect.fnUntraced(function* (portion: Portion, error: Error) {
    const storageError = portion.failure?.error.message ?? ""
    const sinceMs = hand.degraded?.sinceMs ?? Math.floor(yield* Clock.currentTimeMillis)
    const entered = hand.degraded === undefined
    hand.degraded = { sinceMs, cause: `${storageError}; ${error.message}`, nextTryMs: undefined }
    if (!entered) return
    yield* Effect.logError("Storage and dead-letter queue both refuse, keeping the batch and trying again").pipe(
      Effect.annotateLogs({ ...facts(portion), storageError, deadLetterError: error.message })
    )
  }, Effect.uninterruptible)

  /** The next try is after `pause`; `undefined`: it is now. */
  const next = (pause: Duration.Duration | undefined) =>
    Effect.map(Clock.currentTimeMillis, (nowMs) => {
      const nextTryMs = pause === undefined ? undefined : Math.floor(nowMs + Duration.toMillis(pause))
      if (hand.degraded !== undefined) hand.degraded = { ...hand.degraded, nextTryMs }
    })

  /** One of the two has taken something. */
  const accepted = Effect.suspend(() => {
    if (hand.degraded === undefined) return Effect.void
    const { sinceMs } = hand.degraded
    hand.degraded = undefined
    return Effect.logInfo("Storage or dead-letter queue accepts batches again").pipe(
      Effect.annotateLogs({ since: time(sinceMs) })
    )
  })

  /** Reminds for as long as it runs. */
  const remind = (portion: Portion) =>
    Effect.suspend(() => {
      if (hand.degraded === undefined) return Effect.void
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
