/**
 * Writes any amount to standard output, at the pace of its reader.
 */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"

/** Writing to standard output failed, for another reason than a reader that has gone. */
export class OutputFailed extends Schema.TaggedError<OutputFailed>()("OutputFailed", { cause: Schema.Defect() }) {
  override get message() {
    const reason = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `standard output can't be written any further: ${reason}`
  }
}

const codesOfGoneReader: ReadonlyArray<unknown> = ["EPIPE", "ERR_STREAM_DESTROYED", "ECONNRESET"]

const isReaderGone = ({ reason: { cause } }: PlatformError): boolean =>
  Predicate.hasProperty(cause, "code") && codesOfGoneReader.includes(cause.code)

/**
 * Completes when everything that was written has left the process. `process.exit` would not wait for it. Until then the
 * written memory must not change.
 */
export const flushed = Effect.callback<void>((resume) => {
  if (process.stdout.destroyed || process.stdout.writableLength === 0) return resume(Effect.void)
  process.stdout.write("", () => resume(Effect.void))
})

/**
 * Writes all of `pieces` to standard output. Ends early and without a failure when the reader has closed it (`| head`).
 * Fails with `OutputFailed` when it can't be written for another reason.
 */
export const write = <E, R>(
  pieces: Stream.Stream<string | Uint8Array, E, R>
): Effect.Effect<void, E | OutputFailed, R | Stdio.Stdio> =>
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    // Keeps a failure of the pieces apart from one of the output: both may have the same type.
    const failed = yield* pieces.pipe(
      Stream.mapError((error) => ({ error })),
      Stream.run(stdio.stdout({ endOnDone: false })),
      Effect.as(undefined),
      Effect.catch((failure) => Effect.succeed(failure))
    )
    if (failed === undefined) return yield* flushed
    if ("error" in failed) return yield* Effect.andThen(flushed, Effect.fail(failed.error))
    if (isReaderGone(failed)) return
    return yield* new OutputFailed({ cause: failed.reason.cause ?? failed })
  })
