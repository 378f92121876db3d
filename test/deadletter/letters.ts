import * as Effect from "effect/Effect"
import * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as Checksum from "../../src/domain/Checksum.ts"
import * as Tick from "../../src/domain/Tick.ts"
import { KeyConflict, NoSpace, StorageError } from "../../src/storage/StorageError.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

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

/** The name of the file for `one`. */
export const fileOf = ({ bytes, id }: DeadLetter.DeadLetter) => `${id}.${Checksum.toHex(Checksum.of(bytes))}.pb`

/** The next version of `one`, which has the ticks `first` to `last` of `run` left, after it failed once more at `failedMs`. */
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
