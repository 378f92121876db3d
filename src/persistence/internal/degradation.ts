/**
 * How a service is degraded: which portions both the storage and the dead-letter queue refuse.
 *
 * It shows in the status and in the log, which says so once when it begins, once when it ends, and with a reminder each
 * minute in between, however many batches are in flight. A stop ends it silently: no batches are accepted again by that.
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

/** What the storage and the dead-letter queue have refused a portion with. */
export interface Refusals {
  /** Of the storage, or the rule that the portion breaks. */
  readonly storage: Error
  readonly letters: Error
}

/** The portions that both refuse, in the order in which that began. */
export class Degradation {
  private readonly refused = new Map<Portion.Portion, Degraded>()

  /** Open while there are none. */
  readonly gate = Gate.make()

  /** How it is with the first of them; the next try is the earliest. `undefined` while there are none. */
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

  /** The portion is given back: nobody is asked any more. */
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

  /** The next try of `portion` is after `pause`; `undefined`: it is now. */
  readonly next = (portion: Portion.Portion, pause: Duration.Duration | undefined): Effect.Effect<void> =>
    Effect.map(Clock.currentTimeMillis, (nowMs) => {
      const nextTryMs = pause === undefined ? undefined : Math.floor(nowMs + Duration.toMillis(pause))
      const degraded = this.refused.get(portion)
      if (degraded !== undefined) this.set(portion, { ...degraded, nextTryMs })
    })

  /** Ticks of `portion` are settled: one of the two has taken them. */
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

  /** Reminds for as long as it runs, unless that is for another portion to do. */
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
