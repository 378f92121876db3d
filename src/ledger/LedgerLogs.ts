/**
 * The logs of one writer, one for each run. A log is opened at its first entry.
 *
 * A failed write may leave a torn line, and an abandoned write may still happen later. So a failure gives up all open logs,
 * and later entries go to new logs. A log that was given up is closed when its last call has ended.
 */
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type * as RunId from "../domain/RunId.ts"
import * as Attempts from "../service/Attempts.ts"
import { Storage } from "../storage/Storage.ts"
import { StorageError, TimedOut } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import * as Log from "./internal/Log.ts"
import * as LedgerLine from "./LedgerLine.ts"

/** The largest number of open logs. The one that was opened first is closed to open another. */
const maxOpen = 32

/** The time limit for one call of the storage. */
const callTimeout = Duration.seconds(30)

/** A unique name of the writer: the time of its start and a random number. */
const writerName = Effect.gen(function* () {
  const now = Math.floor(yield* Clock.currentTimeMillis)
  const chance = (yield* Random.nextIntBetween(0, 0x7fff_ffff)).toString(16).padStart(8, "0")
  return `${now.toString().padStart(15, "0")}-${chance}`
})

export interface LedgerLogs {
  /**
   * Adds `lines` to the log of the run in one piece. Fails when the storage fails or takes longer than 30 seconds. Then any
   * part of the lines may be written, now or later.
   */
  readonly append: (runId: RunId.RunId, lines: ReadonlyArray<Uint8Array>) => Effect.Effect<void, StorageError>

  /** Makes all appended entries survive a crash of the system, except those in logs that were given up. */
  readonly sync: Effect.Effect<void, StorageError>

  /** The runs whose open log was removed from the storage. If there are any, gives up all logs. */
  readonly vanished: Effect.Effect<ReadonlyArray<RunId.RunId>, StorageError>

  /** Closes all logs, each after its last call has ended. */
  readonly close: Effect.Effect<void>
}

/**
 * Makes the logs of a new writer in the storage of the context. The caller must close them. Abandoned calls continue in
 * `background`: close that scope without waiting for it.
 */
export const make = Effect.fnUntraced(function* (
  background: Scope.Scope
): Effect.fn.Return<LedgerLogs, never, Storage> {
  const storage = yield* Storage
  const writer = yield* writerName
  const attempts = Attempts.make(callTimeout, background)
  const open = new Map<RunId.RunId, Log.Log>()
  let generation = 1

  const close = Effect.suspend(() => {
    const logs = [...open.values()]
    open.clear()
    return Effect.forEach(logs, (log) => log.close, { discard: true })
  })

  const giveUp = Effect.suspend(() => {
    generation++
    return Effect.forkIn(close, background)
  })

  /** Runs `call` with its time limit. Gives up all logs when it fails. */
  const limited = (call: Effect.Effect<void, StorageError>): Effect.Effect<void, StorageError> =>
    attempts.run(call).pipe(
      Effect.catchTag("Overdue", ({ code }) =>
        Effect.fail(new StorageError({ operation: "append", key: writer, reason: new TimedOut({ code }) }))
      ),
      Effect.onError(() => giveUp)
    )

  const closeOldest = Effect.fnUntraced(function* () {
    const [oldest] = open
    if (oldest === undefined || open.size < maxOpen) return
    const [runId, log] = oldest
    yield* log.sync
    open.delete(runId)
    yield* log.close
  })

  const openLog = Effect.fnUntraced(function* (runId: RunId.RunId) {
    const current = generation
    const name = `${writer}-${current}`
    const log = yield* Log.open(StorageKey.ledger(runId, name))
    // The logs were given up while this one was being opened. Its lines go to a new log already.
    if (current !== generation) return yield* Effect.andThen(log.close, Effect.never)
    open.set(runId, log)
    yield* log.append(LedgerLine.encode({ _tag: "Header", version: 1, run: runId, writer: name }))
    return log
  })

  const logOf = (runId: RunId.RunId) =>
    Effect.suspend(() => {
      const log = open.get(runId)
      return log === undefined ? Effect.andThen(closeOldest(), openLog(runId)) : Effect.succeed(log)
    }).pipe(Effect.provideService(Storage, storage))

  return {
    append: (runId, lines) => limited(Effect.flatMap(logOf(runId), (log) => log.append(Bytes.concat([...lines])))),
    sync: Effect.suspend(() => {
      const unsynced = [...open.values()].filter(({ isSynced }) => !isSynced)
      return Effect.forEach(unsynced, (log) => limited(log.sync), { discard: true })
    }),
    vanished: Effect.gen(function* () {
      const runIds: Array<RunId.RunId> = []
      for (const [runId, { key }] of open) {
        if ((yield* storage.stat(key)) === undefined) runIds.push(runId)
      }
      if (runIds.length > 0) yield* giveUp
      return runIds
    }),
    close
  }
})
