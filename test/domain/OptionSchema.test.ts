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
    [{ ttl: "5s" }, "Duration"],
    [{ ttl: 5 }, "string"]
  ] as const)("are refused when they make no sense: %j", ([options, problem]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decode(options))
      const [field] = Object.keys(options)
      assert.include(error.message.toLowerCase(), problem.toLowerCase())
      assert.include(error.message, `at ["${field}"]`)
    })
  )
})
