import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as OptionSchema from "../domain/OptionSchema.ts"

/** Settings of a tracker in memory. */
export const Options = Schema.Struct({
  /**
   * How long a stored tick is remembered. Default "1 hour". Too low: a late second delivery is not noticed here; the
   * storage still refuses to overwrite.
   */
  ttl: OptionSchema.duration(Duration.hours(1)),
  /** Most stored ticks that are remembered; the oldest are forgotten first. Default 1,000,000, about 150 MB. */
  maxKeys: OptionSchema.wholeNumber(1, 1_000_000)
})
