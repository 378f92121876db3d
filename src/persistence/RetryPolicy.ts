/**
 * When to retry a failed write: exponential backoff with a cap, for failures that may pass.
 *
 * ```ts
 * import * as Duration from "effect/Duration"
 * import * as Effect from "effect/Effect"
 * import * as RetryPolicy from "tickvault/persistence/RetryPolicy"
 *
 * // Pauses of 1, 2 and 4 seconds.
 * export const schedule = RetryPolicy.schedule<{ readonly isRetryable: boolean }>(
 *   { maxRetries: 3, backoff: Duration.seconds(1), maxBackoff: Duration.seconds(30), jitter: "none" },
 *   ({ attempt }) => Effect.logWarning(`attempt ${attempt} failed`)
 * )
 * ```
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

export interface RetryPolicy {
  /** Attempts after the first one. */
  readonly maxRetries: number
  /** Pause before the first retry. Each further pause doubles. */
  readonly backoff: Duration.Duration
  /** Longest pause, jitter included. */
  readonly maxBackoff: Duration.Duration
  /** "proportional" varies each pause by up to a fifth. */
  readonly jitter: "none" | "proportional"
}

/** Pauses that double from `backoff` to `maxBackoff`, without end, in whole milliseconds. */
export const backoff = (policy: Omit<RetryPolicy, "maxRetries">): Schedule.Schedule<unknown> => {
  const exponential = Schedule.exponential(policy.backoff)
  return (policy.jitter === "none" ? exponential : Schedule.jittered(exponential)).pipe(
    Schedule.modifyDelay(({ duration }) =>
      Effect.succeed(Duration.min(Duration.millis(Math.round(Duration.toMillis(duration))), policy.maxBackoff))
    )
  )
}

/**
 * The schedule of `policy`. It ends at an error that is not retryable. `onRetry` runs before each pause, with the number of
 * the attempt that failed. It does not run for a failure that is not retried.
 */
export const schedule = <E extends { readonly isRetryable: boolean }>(
  policy: RetryPolicy,
  onRetry: (failed: {
    readonly attempt: number
    readonly error: E
    readonly pause: Duration.Duration
  }) => Effect.Effect<void>
) =>
  backoff(policy).pipe(
    Schedule.upTo({ times: policy.maxRetries }),
    Schedule.setInputType<E>(),
    Schedule.while(({ input }) => input.isRetryable),
    Schedule.tap(({ attempt, input, duration }) => onRetry({ attempt, error: input, pause: duration }))
  )
