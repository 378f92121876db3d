/** Settings of the built-in world, as a simulation engine's options take them beside its own. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as OptionSchema from "../../domain/OptionSchema.ts"

export const WorldOptions = Schema.Struct({
  /** Cells along each axis. Default [64, 64]. */
  shape: Schema.Array(
    Schema.Int.check(Schema.isGreaterThan(0, { message: "must be a whole number of 1 or more" }))
  ).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([64, 64]))),
  /** Organisms at the start. Default 3. */
  organisms: OptionSchema.wholeNumber(0, 3),
  /** Seed of everything random in the world. Default 42. */
  seed: Schema.Int.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(42)))
})
