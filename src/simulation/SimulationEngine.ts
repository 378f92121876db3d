import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as OptionSchema from "../domain/OptionSchema.ts"

/** Settings of a simulation engine, beside those of its world. */
export const Options = Schema.Struct({
  /** Every how many ticks one is captured; 1 captures all. Default 1. */
  samplingInterval: OptionSchema.wholeNumber(1, 1),
  /** Tick numbers at which the engine pauses by itself until it is resumed. Default none. */
  pauseTicks: Schema.Array(
    Schema.Int.check(Schema.isGreaterThan(0, { message: "must be a tick number above 0" }))
  ).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([]))),
  /** Tick after which the engine is done. Absent: it goes on until it is stopped. */
  maxTicks: Schema.optionalKey(
    Schema.Int.check(Schema.isGreaterThan(0, { message: "must be a whole number of 1 or more" }))
  ),
  /** Ticks a second at most. Absent: as fast as the queue takes them. */
  ticksPerSecond: Schema.optionalKey(
    Schema.Finite.check(Schema.isGreaterThan(0, { message: "must be a number above 0" }))
  ),
  /** Id of the run. Absent: a new one is made of the start time and the seed. */
  runId: Schema.optionalKey(Schema.String)
})
