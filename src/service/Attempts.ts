/**
 * Attempts with a time limit, at something that may never answer.
 *
 * An attempt that has not answered by then is abandoned, not ended: a call that hangs in the file system can't be stopped.
 * While it is out it holds its batch, a file handle and a thread. So those that are out are counted: beyond a few, a
 * further one is begun only after a pause that doubles with each. An outage of a day leaves about a dozen, and a medium
 * that works again although old calls to it never end is still noticed: an answer makes a clean slate.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { abandonable } from "./abandonable.ts"

/** The attempt was abandoned, and what it comes to is not known; or it was not begun, since too many others are out. */
export class Overdue extends Schema.TaggedError<Overdue>()("Overdue", { begun: Schema.Boolean }) {
  /** In place of the code that the system would have returned. */
  get code() {
    return this.begun ? "writeTimeout" : "earlier attempts still hang"
  }
}

/**
 * How many of each that are under way at a time may be out without a pause before the next one: another file or connection
 * may work where one hangs.
 */
const freeOfEach = 2

export interface Attempts {
  /** Runs `effect` for as long as the time limit. Interrupted, it abandons it too. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | Overdue>
}

/**
 * Attempts of at most `limit`, of which `atATime` are under way at a time, in fibers of `scope`: close that without waiting
 * for it.
 */
export const make = (limit: Duration.Duration, scope: Scope.Scope, atATime: number = 1): Attempts => {
  const free = freeOfEach * atATime
  /** Those abandoned since the last answer that have not ended. */
  let out = { count: 0 }
  let nextMs = 0

  const pauseFrom = (beganMs: number, count: number) => {
    nextMs = Math.max(nextMs, beganMs + Duration.toMillis(limit) * 2 ** count)
  }

  /** Whether one more may begin; of several that wait for the end of a pause, the first. */
  const begins = (nowMs: number) => {
    if (out.count < free) return true
    if (nowMs < nextMs) return false
    pauseFrom(nowMs, out.count + 1)
    return true
  }

  const attempt = <A, E>(effect: Effect.Effect<A, E>, beganMs: number) => {
    let ended = false
    let among: typeof out | undefined
    const noted = Effect.onExit(effect, (exit) =>
      Effect.sync(() => {
        ended = true
        if (among !== undefined) among.count--
        if (Exit.hasInterrupts(exit)) return
        out = { count: 0 }
        nextMs = 0
      })
    )
    return Effect.onInterrupt(abandonable(noted, scope), () =>
      Effect.sync(() => {
        if (ended) return
        among = out
        out.count++
        pauseFrom(beganMs, out.count)
      })
    )
  }

  const run = Effect.fnUntraced(function* <A, E>(effect: Effect.Effect<A, E>) {
    const nowMs = yield* Clock.currentTimeMillis
    if (!begins(nowMs)) return yield* new Overdue({ begun: false })
    return yield* Effect.timeoutOrElse(attempt(effect, nowMs), {
      duration: limit,
      orElse: () => Effect.fail(new Overdue({ begun: true }))
    })
  })

  return { run }
}
