/**
 * The number of attempts and the time limit of a write: the settings that services and replays share.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as OptionSchema from "../domain/OptionSchema.ts"
import type { RetryPolicy } from "./RetryPolicy.ts"

/** Settings of writes. */
export const Options = Schema.Struct({
  /** Attempts after the first one. Default 3. */
  maxRetries: OptionSchema.wholeNumber(0, 3),
  /** Milliseconds before the first retry. Each further pause doubles. Default 1000: 1 s, 2 s, 4 s. */
  retryBackoffMs: OptionSchema.wholeNumber(0, 1000),
  /** Longest pause between two attempts. Default "30 seconds". */
  maxRetryBackoff: OptionSchema.duration(Duration.seconds(30)),
  /**
   * Time limit of one attempt to store a batch and of one offer of a letter. After it the attempt counts as failed and
   * is abandoned. If it succeeds later, the same bytes are under the same key. Default "30 seconds".
   */
  writeTimeout: OptionSchema.duration(Duration.seconds(30)),
  /** Varies each pause by up to a fifth, so that instances don't retry in step. Default "none". */
  retryJitter: Schema.Literals(["none", "proportional"]).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed("none" as const))
  )
})

/** The retry policy of the settings. */
export const retryPolicy = (options: typeof Options.Type): RetryPolicy => ({
  maxRetries: options.maxRetries,
  backoff: Duration.millis(options.retryBackoffMs),
  maxBackoff: options.maxRetryBackoff,
  jitter: options.retryJitter
})
