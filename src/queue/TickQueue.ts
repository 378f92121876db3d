import * as Schema from "effect/Schema"
import * as OptionSchema from "../domain/OptionSchema.ts"

/** Settings of a queue. */
export const Options = Schema.Struct({
  /**
   * Most ticks that wait in the queue. Default 10,000. Too low: a batch closes before it is whole, because no more
   * ticks can wait (flush reason `memory`). Too high: more memory, and more ticks to settle at shutdown.
   */
  capacity: OptionSchema.wholeNumber(1, 10_000),
  /**
   * Most bytes of payload that wait in the queue. Default 268,435,456 (256 MiB). A tick larger than this still passes,
   * alone.
   */
  maxBytes: OptionSchema.wholeNumber(1, 256 * 1024 * 1024)
})
