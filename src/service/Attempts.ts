/**
 * Attempts with a time limit, for an operation that may never return.
 *
 * An attempt that has not answered in time is abandoned, not ended: a call that hangs in the file system can't be
 * stopped. Until it ends by itself it holds its batch, a file handle and a thread. So abandoned attempts are counted.
 * After a few of them each further attempt waits for a pause, which doubles every time: an outage of a day leaves about
 * a dozen. As soon as an attempt answers, the count starts again, even if older attempts never end.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { abandonable } from "./abandonable.ts"

/**
 * With `begun`, the attempt was abandoned, and its outcome is unknown. Without, it did not begin, because too many
 * abandoned attempts have not ended.
 */
export class Overdue extends Schema.TaggedError<Overdue>()("Overdue", { begun: Schema.Boolean }) {
  /** The code for messages, in place of a system error code. */
  get code() {
    return this.begun ? "writeTimeout" : "earlier attempts still hang"
  }
}

/**
 * The number of abandoned attempts before the first pause, for each concurrent attempt. When one file or connection hangs,
 * another may work.
 */
const freeOfEach = 2

export interface Attempts {
  /** Runs `effect` for at most the time limit. An interruption abandons it too. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | Overdue>
}

/**
 * Makes attempts of at most `limit`, in fibers of `scope`. At most `atATime` run at the same time. Don't wait for `scope` to
 * close: an abandoned attempt may never end.
 */
export const make = (limit: Duration.Duration, scope: Scope.Scope, atATime: number = 1): Attempts => {
  const free = freeOfEach * atATime
  /** Attempts abandoned since the last answer that have not ended. */
  let out = { count: 0 }
  let nextMs = 0

  const pauseFrom = (beganMs: number, count: number) => {
    nextMs = Math.max(nextMs, beganMs + Duration.toMillis(limit) * 2 ** count)
  }

  /** Whether another attempt may begin. After a pause only one may. */
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
