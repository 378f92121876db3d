/**
 * Reads from a storage that may hang. Each has a time limit, and after a failure there is a pause.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as RunId from "../../domain/RunId.ts"
import { abandonable } from "../../service/abandonable.ts"
import { Storage } from "../../storage/Storage.ts"
import { IoFailure, StorageError, TimedOut } from "../../storage/StorageError.ts"

/** The time limit of a read. */
const limit = Duration.seconds(30)

/** The first pause after a failure; each further one is twice as long, up to the longest. */
const pauses = { shortestMs: 1000, longestMs: 60_000 }

/** It has state: don't share it. */
export class LimitedReads {
  private readonly storage: Storage["Service"]
  private readonly background: Scope.Scope
  private pauseMs = pauses.shortestMs
  private untilMs = Number.NEGATIVE_INFINITY

  /** A read that takes too long is abandoned: it continues in `background`. */
  constructor(storage: Storage["Service"], background: Scope.Scope) {
    this.storage = storage
    this.background = background
  }

  readonly isPausing = Effect.map(Clock.currentTimeMillis, (nowMs) => nowMs < this.untilMs)

  /** A read has failed: pause. */
  readonly failed = Effect.map(Clock.currentTimeMillis, (nowMs) => {
    this.untilMs = nowMs + this.pauseMs
    this.pauseMs = Math.min(this.pauseMs * 2, pauses.longestMs)
  })

  /** A read has succeeded: the next pause is short again. */
  readonly succeeded = Effect.sync(() => {
    this.pauseMs = pauses.shortestMs
  })

  /** Runs `read` on the storage with the time limit. A defect becomes a failure. */
  run<A>(
    operation: "list" | "read",
    runId: RunId.RunId,
    read: Effect.Effect<A, StorageError, Storage>
  ): Effect.Effect<A, StorageError> {
    const fail = (reason: IoFailure | TimedOut, cause?: unknown) =>
      Effect.fail(new StorageError({ operation, key: runId, reason, cause }))
    const known = read.pipe(
      Effect.catchDefect((defect) => fail(new IoFailure({ code: "UNEXPECTED" }), defect)),
      Effect.provideService(Storage, this.storage)
    )
    return Effect.timeoutOrElse(abandonable(known, this.background), {
      duration: limit,
      orElse: () => fail(new TimedOut({ code: Duration.format(limit) }))
    })
  }
}
