// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as OptionSchema from "../../src/domain/OptionSchema.ts"

const Options = Schema.Struct({ wait: OptionSchema.duration(Duration.seconds(5)) })

const millis = (options: typeof Options.Encoded) =>
  Effect.map(Schema.decodeEffect(Options)(options), ({ wait }) => Duration.toMillis(wait))

it.effect("a duration is text, a Duration, a number of milliseconds or any other input of durations", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* millis({}), 5000)
    assert.strictEqual(yield* millis({ wait: "2 minutes" }), 120_000)
    assert.strictEqual(yield* millis({ wait: Duration.hours(1) }), 3_600_000)
    assert.strictEqual(yield* millis({ wait: 1500 }), 1500)
    assert.strictEqual(yield* millis({ wait: { seconds: 3 } }), 3000)
    assert.strictEqual(yield* millis({ wait: 2_000_000n }), 2)
  })
)

it.effect("a duration that is decoded is an option again", () =>
  Effect.gen(function* () {
    const decoded = yield* Schema.decodeEffect(Options)({ wait: "7 seconds" })
    assert.deepStrictEqual(yield* Schema.decodeEffect(Options)(decoded), decoded)
  })
)

it.effect("a duration is above zero and finite", () =>
  Effect.gen(function* () {
    const decode = Schema.decodeUnknownEffect(Options)
    for (const wait of [0, -1, "0 seconds", "-1 seconds", "Infinity", "5", "soon", true, null, {}, Number.NaN]) {
      const error = yield* Effect.flip(decode({ wait }))
      assert.include(error.message, wait === null ? "Expected" : "must be a finite duration above zero")
    }
  })
)
