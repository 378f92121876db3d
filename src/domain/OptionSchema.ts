/**
 * Building blocks of the option schemas: numbers with a bound, each with the default it stands for.
 *
 * Every module that can be configured exports one `Options` schema made of these, so that a wrong value fails when
 * the module is built and never while it runs.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A whole number of at least `minimum`; `fallback` when the option is absent. */
export const wholeNumber = (minimum: number, fallback: number) =>
  Schema.Int.check(
    Schema.isGreaterThanOrEqualTo(minimum, { message: `must be a whole number of ${minimum} or more` })
  ).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(fallback)))

/** A number of units of time above zero; `fallback` when the option is absent. */
export const positiveNumber = (fallback: number) =>
  Schema.Finite.check(Schema.isGreaterThan(0, { message: "must be a number above 0" })).pipe(
    Schema.withDecodingDefaultTypeKey(Effect.succeed(fallback))
  )

/** A duration such as "5 seconds", above zero and finite; `fallback` when the option is absent. */
export const duration = (fallback: Duration.Duration) =>
  Schema.DurationFromString.check(
    Schema.makeFilter((value) =>
      Duration.isFinite(value) && Duration.toMillis(value) > 0 ? undefined : "must be a finite duration above zero"
    )
  ).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(fallback)))
