/**
 * Dead letters for tests.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as TestLetter from "tickvault/testing/TestLetter"
 *
 * export const versions = Effect.gen(function* () {
 *   // Ticks 1 to 9 of a run, which failed first at the second 1. A replay has left 4 and 5 of them, at the second 70.
 *   const letter = yield* TestLetter.make(1, 9, 1000)
 *   return [letter, yield* TestLetter.extended(letter, 4, 5, 70_000)]
 * })
 * ```
 */
import * as Effect from "effect/Effect"
import * as DeadLetter from "../deadletter/DeadLetter.ts"
import * as Tick from "../domain/Tick.ts"
import { KeyConflict, NoSpace, StorageError } from "../storage/StorageError.ts"
import * as TestTick from "./TestTick.ts"

/** The failure of a write for want of room. */
export const noSpace = new StorageError({
  operation: "write",
  key: "run/a",
  reason: new NoSpace({ code: "ENOSPC" }),
  cause: new Error("write failed", { cause: new Error("ENOSPC: no space left on device") })
})

/** The failure of a write whose key is taken. */
export const conflict = new StorageError({ operation: "commit", key: "run/a", reason: new KeyConflict() })

/** A letter about the ticks `first` to `last` of `run`, which failed first at `failedMs`. */
export const make = Effect.fnUntraced(function* (
  first: number,
  last: number,
  failedMs: number,
  error: Error = noSpace
) {
  const ticks = TestTick.range("run", first, last)
  if (!Tick.isBatch(ticks)) return yield* Effect.die("a letter is about at least one tick")
  return yield* DeadLetter.make(
    ticks,
    { reason: "storage", error, retries: 3, firstFailureMs: failedMs, lastFailureMs: failedMs + 7000 },
    { service: "persistence-1", queue: "raw-tick-data" }
  )
})

/**
 * The next version of `one`, which has the ticks `first` to `last` of `run` left, after it failed once more at
 * `failedMs`.
 */
export const extended = Effect.fnUntraced(function* (
  one: DeadLetter.DeadLetter,
  first: number,
  last: number,
  failedMs: number
) {
  const ticks = TestTick.range("run", first, last)
  if (!Tick.isBatch(ticks)) return yield* Effect.die("a letter is about at least one tick")
  const failure = {
    reason: "key_conflict",
    error: conflict,
    retries: 2,
    firstFailureMs: 1,
    lastFailureMs: failedMs
  } as const
  return DeadLetter.extend(one, { ticks, failure })
})
