/**
 * A defect of the storage or the dead-letter queue while a batch was in flight.
 */
import * as Schema from "effect/Schema"

/** The storage or the dead-letter queue died with a defect. The batch is settled like after any other failure. */
export class UnexpectedFailure extends Schema.TaggedError<UnexpectedFailure>()("UnexpectedFailure", {
  operation: Schema.Literals(["write", "dead-letter"]),
  cause: Schema.Defect()
}) {
  readonly isRetryable = false
  readonly reason = { errorType: "other" } as const
  override get message() {
    return `unexpected failure of ${this.operation}, a fault of the implementation: ${String(this.cause)}`
  }
}
