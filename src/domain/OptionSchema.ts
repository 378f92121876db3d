/**
 * Building blocks of the option schemas: numbers with a bound, each with its default.
 *
 * Every module that can be configured exports one `Options` schema made of these. A wrong value fails when the module is
 * built, never while it runs.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** A whole number of at least `minimum`. `fallback` when the option is absent. */
export const wholeNumber = (minimum: number, fallback: number) =>
  Schema.Int.check(
    Schema.isGreaterThanOrEqualTo(minimum, { message: `must be a whole number of ${minimum} or more` })
  ).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(fallback)))

/** A number above zero. `fallback` when the option is absent. */
export const positiveNumber = (fallback: number) =>
  Schema.Finite.check(Schema.isGreaterThan(0, { message: "must be a number above 0" })).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed(fallback))
  )

const durationMessage = "must be a finite duration above zero"

/** Any value. Decoding refuses a value that is not a duration. */
const DurationInput = Schema.declare((value: unknown): value is Duration.Input => value !== undefined && value !== null)

const fromInput = SchemaTransformation.transformEffect<Duration.Duration, Duration.Input>({
  decode: (input, options) =>
    Option.match(Duration.fromInput(input), {
      onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ message: durationMessage }, input, options)),
      onSome: Effect.succeed
    }),
  encode: Effect.succeed
})

/**
 * A finite duration above zero: "5 seconds", a `Duration` or a number of milliseconds. `fallback` when the option is
 * absent.
 */
export const duration = (fallback: Duration.Duration) =>
  DurationInput.pipe(
    Schema.decodeTo(Schema.Duration, fromInput),
    Schema.check(
      Schema.makeFilter((value) =>
        Duration.isFinite(value) && Duration.toMillis(value) > 0 ? undefined : durationMessage
      )
    ),
    Schema.withDecodingDefaultTypeKey(Effect.succeed(fallback))
  )
