/**
 * Writes the entries that wait, turn by turn, and goes on trying when the storage fails.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { Storage } from "../../storage/Storage.ts"
import { IoFailure, StorageError } from "../../storage/StorageError.ts"
import * as Logs from "./Logs.ts"
import type { Pending } from "./Pending.ts"

const shortestPause = Duration.seconds(1)
const longestPause = Duration.seconds(30)

/** A fault in an implementation of the storage, as the failure that the writer gets over. */
export const unexpected = (cause: unknown) =>
  new StorageError({ operation: "append", key: "ledger", reason: new IoFailure({ code: "UNEXPECTED" }), cause })

/** The ledger's scope has closed: nothing is written any more. */
export const closed = new StorageError({
  operation: "append",
  key: "ledger",
  reason: new IoFailure({ code: "the ledger is closed" })
})

/** Writes what waits, turn by turn. `turn` is repeated by the fiber that owns all of it. */
export const make = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  pending: Pending,
  background: Scope.Scope
) {
  const logs = Logs.make(storage, yield* Logs.writerName, background)
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
})
