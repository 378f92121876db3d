/**
 * An open log. It is closed only after its last call has ended.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type Appender, Storage } from "../../storage/Storage.ts"
import type { StorageError } from "../../storage/StorageError.ts"
import type * as StorageKey from "../../storage/StorageKey.ts"

/** It has state: don't share it between writers. */
export class Log {
  readonly key: StorageKey.StorageKey
  /** Whether everything that was appended survives a crash. */
  isSynced = false
  private readonly appender: Appender
  private readonly scope: Scope.Closeable
  private calls = 0
  private isGivenUp = false

  constructor(key: StorageKey.StorageKey, appender: Appender, scope: Scope.Closeable) {
    this.key = key
    this.appender = appender
    this.scope = scope
  }

  append(bytes: Uint8Array): Effect.Effect<void, StorageError> {
    return Effect.suspend(() => {
      this.isSynced = false
      return this.call(this.appender.append(bytes))
    })
  }

  /** Makes everything appended so far survive a crash. */
  get sync(): Effect.Effect<void, StorageError> {
    return Effect.map(this.call(this.appender.sync), () => {
      this.isSynced = true
    })
  }

  /** Closes it now, or when the last call has ended. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isGivenUp = true
      return this.calls > 0 ? Effect.void : Scope.close(this.scope, Exit.void)
    })
  }

  /** Runs `effect` and keeps the file open until it has ended, even when the caller stops waiting. */
  private call(effect: Effect.Effect<void, StorageError>): Effect.Effect<void, StorageError> {
    return Effect.suspend(() => {
      this.calls++
      return Effect.ensuring(
        effect,
        Effect.suspend(() => {
          this.calls--
          return this.isGivenUp ? this.close : Effect.void
        })
      )
    })
  }
}

/** Opens the log under `key`. Creates it when it is missing. */
export const open = Effect.fnUntraced(function* (key: StorageKey.StorageKey) {
  const storage = yield* Storage
  const scope = yield* Scope.make()
  const appender = yield* storage.append(key).pipe(
    Scope.provide(scope),
    Effect.onError(() => Scope.close(scope, Exit.void))
  )
  return new Log(key, appender, scope)
})
