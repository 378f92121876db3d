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

/** How many may be out without a pause before the next one: another file or connection may work where one hangs. */
const free = 2

export interface Attempts {
  /** Runs `effect` for as long as the time limit. Interrupted, it abandons it too. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | Overdue>
}

/** Attempts of at most `limit`, in fibers of `scope`: close that without waiting for it. */
export const make = (limit: Duration.Duration, scope: Scope.Scope): Attempts => {
  /** Those begun since the last answer that have not ended. */
  let out = { count: 0 }
  let nextMs = 0

  const begin = (nowMs: number) => {
    if (out.count >= free && nowMs < nextMs) return undefined
    out.count++
    nextMs = nowMs + Duration.toMillis(limit) * 2 ** out.count
    return out
  }

  const counted = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const among = begin(yield* Clock.currentTimeMillis)
        if (among === undefined) return yield* new Overdue({ begun: false })
        return yield* Effect.onExit(restore(effect), (exit) =>
          Effect.sync(() => {
            among.count--
            if (!Exit.hasInterrupts(exit)) out = { count: 0 }
          })
        )
      })
    )

  return {
    run: (effect) =>
      Effect.timeoutOrElse(abandonable(counted(effect), scope), {
        duration: limit,
        orElse: () => Effect.fail(new Overdue({ begun: true }))
      })
  }
}
