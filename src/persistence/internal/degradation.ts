/**
 * The degradation of a service: the portions that the storage and the dead-letter queue both refuse.
 *
 * It is in the status of the service. The log shows its begin and its end, with a reminder each minute in
 * between, once for all batches in flight. When the service is stopped and the batches go back to the queue, it ends without
 * a log line.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Gate from "../../service/Gate.ts"
import type { Degraded } from "../Degraded.ts"
import * as Portion from "../Portion.ts"

const reminderInterval = Duration.minutes(1)

const time = (ms: number) => DateTime.formatIso(DateTime.makeUnsafe(ms))

/** Why the storage and the dead-letter queue refuse a portion. */
export interface Refusals {
  /** The error of the storage, or the rule that the portion breaks. */
  readonly storage: Error
  readonly letters: Error
}

/** The portions that both refuse, the oldest first. */
export class Degradation {
  private readonly refused = new Map<Portion.Portion, Degraded>()

  /** Open while there are no such portions. */
  readonly gate = Gate.make()

  /** The start and the cause of the first one, and the next try of any. `undefined` while there are none. */
  get status(): Degraded | undefined {
    const all = [...this.refused.values()]
    const [first] = all
    if (first === undefined) return undefined
    const tries = all.flatMap(({ nextTryMs }) => nextTryMs ?? [])
    // One of them is being tried now.
    if (tries.length < all.length) return { ...first, nextTryMs: undefined }
    return { ...first, nextTryMs: Math.min(...tries) }
  }

  private set(portion: Portion.Portion, degraded: Degraded): void {
    this.refused.set(portion, degraded)
    this.gate.close()
  }

  /** Removes a portion that goes back to the queue. */
  forget(portion: Portion.Portion): void {
    this.refused.delete(portion)
    if (this.refused.size === 0) this.gate.open()
  }

  /** Both have refused `portion`. */
  readonly refuse = (portion: Portion.Portion, refusals: Refusals): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
      const [storageError, deadLetterError] = [refusals.storage.message, refusals.letters.message]
      const sinceMs = this.refused.get(portion)?.sinceMs ?? Math.floor(nowMs)
      const begins = this.refused.size === 0
      this.set(portion, { sinceMs, cause: `${storageError}; ${deadLetterError}`, nextTryMs: undefined })
      if (!begins) return Effect.void
      return Effect.logError("Storage and dead-letter queue both refuse, keeping the batch and trying again").pipe(
        Effect.annotateLogs({ ...Portion.facts(portion), storageError, deadLetterError })
      )
    }).pipe(Effect.uninterruptible)

  /** Sets the next try of `portion` after `pause`. `undefined` means now. */
  readonly next = (portion: Portion.Portion, pause: Duration.Duration | undefined): Effect.Effect<void> =>
    Effect.map(Clock.currentTimeMillis, (nowMs) => {
      const nextTryMs = pause === undefined ? undefined : Math.floor(nowMs + Duration.toMillis(pause))
      const degraded = this.refused.get(portion)
      if (degraded !== undefined) this.set(portion, { ...degraded, nextTryMs })
    })

  /** Some of `portion` is settled. Once all of it is, one of the two has accepted it. */
  readonly accept = (portion: Portion.Portion): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { status } = this
      if (status === undefined || !portion.settled) return Effect.void
      this.forget(portion)
      if (this.refused.size > 0) return Effect.void
      return Effect.logInfo("Storage or dead-letter queue accepts batches again").pipe(
        Effect.annotateLogs({ since: time(status.sinceMs) })
      )
    })

  /** Logs a reminder each minute while `portion` is the first that is refused. Never ends. */
  readonly remind = (portion: Portion.Portion): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { status } = this
      const [first] = this.refused.keys()
      if (status === undefined || first !== portion) return Effect.void
      return Effect.logWarning("Storage and dead-letter queue still refuse, the batch is kept").pipe(
        Effect.annotateLogs({
          ...Portion.facts(portion),
          since: time(status.sinceMs),
          cause: status.cause,
          nextTry: status.nextTryMs === undefined ? "now" : time(status.nextTryMs)
        })
      )
    }).pipe(Effect.delay(reminderInterval), Effect.forever)
}
