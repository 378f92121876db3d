/**
 * The logs that this process keeps, one a run, each opened when something is to be written to it.
 *
 * What is written may be torn when it fails, or written yet when nobody waits for it any more. So a failure gives up all
 * logs, and what is written next goes into new ones. A log that is given up is closed once no call to it is under way.
 */
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type * as RunId from "../../domain/RunId.ts"
import * as Attempts from "../../service/Attempts.ts"
import type { Appender, Storage } from "../../storage/Storage.ts"
import { StorageError, TimedOut } from "../../storage/StorageError.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import * as LedgerLine from "../LedgerLine.ts"

/** Most logs that are open at a time; the one that was opened first is closed to open another. */
const maxOpen = 32

/** Longest that one call of the storage may take. */
const callTimeout = Duration.seconds(30)

/** A name for a writer that no other has: when it began, and chance. */
export const writerName = Effect.gen(function* () {
  const now = Math.floor(yield* Clock.currentTimeMillis)
  const chance = (yield* Random.nextIntBetween(0, 0x7fff_ffff)).toString(16).padStart(8, "0")
  return `${now.toString().padStart(15, "0")}-${chance}`
})

/** A log that is open. */
class Log {
  readonly key: StorageKey.StorageKey
  readonly appender: Appender
  private readonly scope: Scope.Closeable
  private calls = 0
  private givenUp = false
  synced = false

  constructor(key: StorageKey.StorageKey, appender: Appender, scope: Scope.Closeable) {
    this.key = key
    this.appender = appender
    this.scope = scope
  }

  /** `call` of the appender: its file is not closed before it has ended, whoever waits for it. */
  use<A>(call: Effect.Effect<A, StorageError>): Effect.Effect<A, StorageError> {
    return Effect.suspend(() => {
      this.calls++
      return Effect.ensuring(
        call,
        Effect.suspend(() => {
          this.calls--
          return this.givenUp ? this.close : Effect.void
        })
      )
    })
  }

  /** Closes it, now or when the last call has ended. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.givenUp = true
      return this.calls > 0 ? Effect.void : Scope.close(this.scope, Exit.void)
    })
  }
}

/**
 * Makes the logs of the writer of this name. They are closed by `close`; nobody waits for calls that run in `background`
 * and have taken too long.
 */
export const make = (storage: Storage["Service"], writer: string, background: Scope.Scope) => {
  const attempts = Attempts.make(callTimeout, background)
  const open = new Map<RunId.RunId, Log>()
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

  /** `call` within its time, and all logs given up when it fails. */
  const limited = <A>(call: Effect.Effect<A, StorageError>): Effect.Effect<A, StorageError> =>
    attempts.run(call).pipe(
      Effect.catchTag("Overdue", ({ code }) =>
        Effect.fail(new StorageError({ operation: "append", key: writer, reason: new TimedOut({ code }) }))
      ),
      Effect.onError(() => giveUp)
    )

  /** Makes room for one more log. */
  const closeOldest = Effect.fnUntraced(function* () {
    const [oldest] = open
    if (oldest === undefined || open.size < maxOpen) return
    const [runId, log] = oldest
    yield* log.use(log.appender.sync)
    open.delete(runId)
    yield* log.close
  })

  const openLog = Effect.fnUntraced(function* (runId: RunId.RunId) {
    const of = generation
    const name = `${writer}-${of}`
    const key = StorageKey.ledger(runId, name)
    const scope = yield* Scope.make()
    const appender = yield* storage.append(key).pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    const log = new Log(key, appender, scope)
    // Given up while it was being opened: what is written now goes elsewhere already.
    if (of !== generation) return yield* Effect.andThen(log.close, Effect.never)
    open.set(runId, log)
    yield* log.use(appender.append(LedgerLine.encode({ _tag: "Header", version: 1, run: runId, writer: name })))
    return log
  })

  const logOf = (runId: RunId.RunId) =>
    Effect.suspend(() => {
      const there = open.get(runId)
      return there === undefined ? Effect.andThen(closeOldest(), openLog(runId)) : Effect.succeed(there)
    })

  return {
    close,

    /** Runs whose open log is not in the storage any more: somebody has taken the folder away. The log is given up. */
    vanished: Effect.gen(function* () {
      const runIds: Array<RunId.RunId> = []
      for (const [runId, { key }] of open) {
        if ((yield* storage.stat(key)) === undefined) runIds.push(runId)
      }
      if (runIds.length > 0) yield* giveUp
      return runIds
    }),

    /** Adds `lines` to the log of the run in one piece. */
    append: (runId: RunId.RunId, lines: ReadonlyArray<Uint8Array>): Effect.Effect<void, StorageError> =>
      limited(
        Effect.flatMap(logOf(runId), (log) =>
          Effect.suspend(() => {
            log.synced = false
            return log.use(log.appender.append(Bytes.concat([...lines])))
          })
        )
      ),

    /** Makes all that was appended to logs that are not given up survive a crash of the system. */
    sync: Effect.suspend(() =>
      Effect.forEach(
        [...open.values()].filter(({ synced }) => !synced),
        (log) =>
          limited(log.use(log.appender.sync)).pipe(
            Effect.andThen(
              Effect.sync(() => {
                log.synced = true
              })
            )
          ),
        { discard: true }
      )
    )
  }
}
