import * as Effect from "effect/Effect"
import * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as Tick from "../../src/domain/Tick.ts"
import { NoSpace, StorageError } from "../../src/storage/StorageError.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

/** The failure of a write for want of room. */
export const noSpace = new StorageError({
  operation: "write",
  key: "run/a",
  reason: new NoSpace({ code: "ENOSPC" }),
  cause: new Error("write failed", { cause: new Error("ENOSPC: no space left on device") })
})

/** A letter about the ticks `first` to `last` of `run`, which failed first at `failedMs`. */
export const letter = Effect.fnUntraced(function* (
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
