/**
 * The logs that this process keeps, one a run, each opened when something is to be written to it.
 *
 * What is written may be torn when it fails, or written yet when nobody waits for it any more. So a failure gives up all
 * logs, and what is written next goes into new ones.
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

interface OpenLog {
  readonly appender: Appender
  readonly scope: Scope.Closeable
  synced: boolean
}

/** A name for a writer that no other has: when it began, and chance. */
export const writerName = Effect.gen(function* () {
  const now = Math.floor(yield* Clock.currentTimeMillis)
  const chance = (yield* Random.nextIntBetween(0, 0x7fff_ffff)).toString(16).padStart(8, "0")
  return `${now.toString().padStart(15, "0")}-${chance}`
})

/** Longest that one call of the storage may take. */
const callTimeout = Duration.seconds(30)

/**
 * Makes the logs of the writer of this name. They are closed by `close`; those that are given up are closed in
 * `background`, and nobody waits for it.
 */
export const make = (storage: Storage["Service"], writer: string, background: Scope.Scope) => {
  const attempts = Attempts.make(callTimeout, background)
  const open = new Map<RunId.RunId, OpenLog>()
  let generation = 1

  const closeOne = Effect.fnUntraced(function* (runId: RunId.RunId, log: OpenLog) {
    open.delete(runId)
    yield* Scope.close(log.scope, Exit.void)
  })

  const close = Effect.suspend(() =>
    Effect.forEach([...open], ([runId, log]) => closeOne(runId, log), { discard: true })
  )

  /** `call` within its time, and all logs given up when it fails. */
  const limited = <A>(call: Effect.Effect<A, StorageError>): Effect.Effect<A, StorageError> =>
    attempts.run(call).pipe(
      Effect.catchTag("Overdue", ({ code }) =>
        Effect.fail(new StorageError({ operation: "append", key: writer, reason: new TimedOut({ code }) }))
      ),
      Effect.onError(() =>
        Effect.suspend(() => {
          generation++
          return Effect.forkIn(close, background)
        })
      )
    )

  const logOf = Effect.fnUntraced(function* (runId: RunId.RunId) {
    const there = open.get(runId)
    if (there !== undefined) return there
    const [oldest] = open
    if (oldest !== undefined && open.size >= maxOpen) {
      yield* oldest[1].appender.sync
      yield* closeOne(...oldest)
    }
    const scope = yield* Scope.make()
    const of = generation
    const name = `${writer}-${of}`
    const appender = yield* storage.append(StorageKey.ledger(runId, name)).pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    const log: OpenLog = { appender, scope, synced: false }
    // Given up while it was being opened: nobody writes to it.
    if (of !== generation) yield* Scope.close(scope, Exit.void)
    else open.set(runId, log)
    yield* appender.append(LedgerLine.encode({ _tag: "Header", version: 1, run: runId, writer: name }))
    return log
  })

  return {
    close,

    /** Adds `lines` to the log of the run in one piece. */
    append: (runId: RunId.RunId, lines: ReadonlyArray<Uint8Array>): Effect.Effect<void, StorageError> =>
      limited(
        logOf(runId).pipe(
          Effect.tap((log) => Effect.sync(() => void (log.synced = false))),
          Effect.flatMap((log) => log.appender.append(Bytes.concat([...lines])))
        )
      ),

    /** Makes all that was appended survive a crash of the system. */
    sync: Effect.suspend(() =>
      Effect.forEach(
        [...open.values()].filter(({ synced }) => !synced),
        (log) =>
          limited(log.appender.sync).pipe(
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
