import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as OptionSchema from "../domain/OptionSchema.ts"

/** Settings of one persistence service. */
export const Options = Schema.Struct({
  /** Most ticks in a batch. Default 1000. Too low: many small files. Too high: larger letters, longer waits. */
  maxBatchSize: OptionSchema.wholeNumber(1, 1000),
  /**
   * Bytes of payload at which a batch closes. Default 67,108,864 (64 MiB). A batch is larger only when a single tick is.
   */
  maxBatchBytes: OptionSchema.wholeNumber(1, 64 * 1024 * 1024),
  /** Seconds after which a batch closes, counted from the arrival of its first tick. Default 5. */
  batchTimeoutSeconds: OptionSchema.positiveNumber(5),
  /** Attempts after the first one before a batch is dead-lettered. Default 3. */
  maxRetries: OptionSchema.wholeNumber(0, 3),
  /** Milliseconds before the first retry; each further pause doubles. Default 1000: 1 s, 2 s, 4 s. */
  retryBackoffMs: OptionSchema.wholeNumber(0, 1000),
  /** Longest pause between two attempts. Default "30 seconds". */
  maxRetryBackoff: OptionSchema.duration(Duration.seconds(30)),
  /** Varies each pause by up to a fifth, so that instances don't retry in step. Default "none". */
  retryJitter: Schema.Literals(["none", "proportional"]).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed("none" as const))
  ),
  /**
   * What becomes of a batch whose ticks are of several runs: one dead letter, or one file a run. Default "dead-letter".
   */
  mixedRuns: Schema.Literals(["dead-letter", "split"]).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed("dead-letter" as const))
  ),
  /**
   * Time in which an interrupted service settles the batch in hand: half of it for the storage, then the dead-letter
   * queue. Default "20 seconds"; keep it below the time after which a supervisor kills (Kubernetes: 30 s).
   */
  shutdownTimeout: OptionSchema.duration(Duration.seconds(20))
})
