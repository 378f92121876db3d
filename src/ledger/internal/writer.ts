/**
 * Writes all pending entries to the logs, and retries when the storage fails.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { IoFailure, StorageError } from "../../storage/StorageError.ts"
import type { LedgerLogs } from "../LedgerLogs.ts"
import type { Pending } from "./Pending.ts"

const shortestPause = Duration.seconds(1)
const longestPause = Duration.seconds(30)

/** Converts a defect of the storage to a failure, from which the writer recovers. */
export const unexpected = (cause: unknown) =>
  new StorageError({ operation: "append", key: "ledger", reason: new IoFailure({ code: "UNEXPECTED" }), cause })

/** The ledger's scope is closed: nothing more is written. */
export const closed = new StorageError({
  operation: "append",
  key: "ledger",
  reason: new IoFailure({ code: "the ledger is closed" })
})

export interface Writer {
  /** Waits for entries and writes them all. One fiber repeats it. Doesn't fail: it pauses after a failure. */
  readonly turn: Effect.Effect<void>

  /** There are entries to write. */
  readonly wake: () => void

  /** Waits until everything added before survives a crash. Fails when the next attempt to write fails. */
  readonly flush: Effect.Effect<void, StorageError>

  /** See `LedgerLogs`. */
  readonly vanished: LedgerLogs["vanished"]
  readonly close: LedgerLogs["close"]
}

/** Makes the writer of `pending` into `logs`. */
export const make = (pending: Pending, logs: LedgerLogs): Writer => {
  const work = Latch.makeUnsafe(false)
  const asked = Latch.makeUnsafe(false)
  let requests: Array<Deferred.Deferred<void, StorageError>> = []
  let pause = shortestPause

  const writeAll = Effect.gen(function* () {
    for (let next = pending.next(); next !== undefined; next = pending.next()) {
      const [runId, lines] = next
      yield* logs.append(
        runId,
        lines.map(({ line }) => line)
      )
      pending.written(runId, lines)
    }
  })

  const synced = Effect.andThen(
    logs.sync,
    Effect.sync(() => pending.synced())
  )

  const failed = Effect.fnUntraced(function* (error: StorageError) {
    pending.givenUp()
    if (Duration.equals(pause, shortestPause)) {
      yield* Effect.logWarning("Ledger could not be written, trying again").pipe(
        Effect.annotateLogs({ entries: pending.count, error: error.message })
      )
    }
    work.openUnsafe()
    yield* Effect.timeoutOption(asked.await, pause)
    pause = Duration.min(Duration.times(pause, 2), longestPause)
  })

  const turn = Effect.gen(function* () {
    yield* work.await
    work.closeUnsafe()
    asked.closeUnsafe()
    const waiting = requests
    requests = []
    const exit = yield* writeAll.pipe(
      Effect.andThen(Effect.suspend(() => (waiting.length > 0 ? synced : Effect.void))),
      Effect.catchDefect((defect) => Effect.fail(unexpected(defect))),
      Effect.tap(() => Effect.sync(() => void (pause = shortestPause))),
      Effect.exit
    )
    for (const request of waiting) Deferred.doneUnsafe(request, exit)
    yield* Effect.catch(exit, failed)
  })

  const flush = Effect.suspend(() => {
    const request = Deferred.makeUnsafe<void, StorageError>()
    requests.push(request)
    work.openUnsafe()
    asked.openUnsafe()
    return Deferred.await(request)
  })

  return { turn, flush, wake: () => work.openUnsafe(), close: logs.close, vanished: logs.vanished }
}
