// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as OptionSchema from "../../src/domain/OptionSchema.ts"

const Options = Schema.Struct({
  size: OptionSchema.wholeNumber(1, 1000),
  retries: OptionSchema.wholeNumber(0, 3),
  seconds: OptionSchema.positiveNumber(5),
  ttl: OptionSchema.duration(Duration.hours(1))
})

const decode = Schema.decodeUnknownEffect(Options)

describe("options", () => {
  it.effect("have their defaults when they are absent", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* decode({}), { size: 1000, retries: 3, seconds: 5, ttl: Duration.hours(1) })
    })
  )

  it.effect("are what they are set to", () =>
    Effect.gen(function* () {
      const options = { size: 1, retries: 0, seconds: 0.25, ttl: "100 millis" }
      assert.deepStrictEqual(yield* decode(options), { ...options, ttl: Duration.millis(100) })
    })
  )

  it.effect.each([
    [{ size: 0 }, "must be a whole number of 1 or more"],
    [{ size: -1 }, "must be a whole number of 1 or more"],
    [{ size: 1.5 }, "integer"],
    [{ size: Number.NaN }, "integer"],
    [{ size: Number.POSITIVE_INFINITY }, "integer"],
    [{ size: "10" }, "number"],
    [{ size: null }, "number"],
    [{ retries: -1 }, "must be a whole number of 0 or more"],
    [{ seconds: 0 }, "must be a number above 0"],
    [{ seconds: -5 }, "must be a number above 0"],
    [{ seconds: Number.NaN }, "finite"],
    [{ seconds: Number.POSITIVE_INFINITY }, "finite"],
    [{ ttl: "0 seconds" }, "must be a finite duration above zero"],
    [{ ttl: "-1 seconds" }, "must be a finite duration above zero"],
    [{ ttl: "Infinity" }, "must be a finite duration above zero"],
    [{ ttl: "5s" }, "Duration"]
  ] as const)("are refused when they make no sense: %j", ([options, problem]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decode(options))
      const [field] = Object.keys(options)
      assert.include(error.message.toLowerCase(), problem.toLowerCase())
      assert.include(error.message, `at ["${field}"]`)
    })
  )
})

const Waiting = Schema.Struct({ wait: OptionSchema.duration(Duration.seconds(5)) })

const millis = (options: typeof Waiting.Encoded) =>
  Effect.map(Schema.decodeEffect(Waiting)(options), ({ wait }) => Duration.toMillis(wait))

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
    const decoded = yield* Schema.decodeEffect(Waiting)({ wait: "7 seconds" })
    assert.deepStrictEqual(yield* Schema.decodeEffect(Waiting)(decoded), decoded)
  })
)

it.effect("a duration is above zero and finite", () =>
  Effect.gen(function* () {
    const decodeWait = Schema.decodeUnknownEffect(Waiting)
    for (const wait of [0, -1, "0 seconds", "-1 seconds", "Infinity", "5", "soon", true, null, {}, Number.NaN]) {
      const error = yield* Effect.flip(decodeWait({ wait }))
      assert.include(error.message, wait === null ? "Expected" : "must be a finite duration above zero")
    }
  })
)
