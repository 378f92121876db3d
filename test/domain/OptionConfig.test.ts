// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as OptionConfig from "../../src/domain/OptionConfig.ts"
import type * as OptionForm from "../../src/domain/OptionForm.ts"
import * as OptionSchema from "../../src/domain/OptionSchema.ts"

const Options = Schema.Struct({
  maxSize: OptionSchema.wholeNumber(1, 10),
  timeout: OptionSchema.duration(Duration.seconds(5)),
  mode: Schema.Literals(["fast", "safe"]).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("safe" as const))),
  sizes: Schema.Array(Schema.Int).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([])))
})

const aliases: OptionForm.Aliases = new Map([
  [
    "timeoutSeconds",
    {
      option: "timeout",
      form: { _tag: "number", allowed: "must be a number of seconds" },
      convert: (value) => (typeof value === "number" ? `${value} seconds` : value)
    }
  ]
])

const read = (env: Readonly<Record<string, string>>, options: typeof Options.Encoded = {}) =>
  OptionConfig.of(Options, "part-1", options, aliases).parse(ConfigProvider.fromEnv({ env }))

it.effect("gives the defaults where nothing is set, and variables count over the options in code", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* read({}), { maxSize: 10, timeout: Duration.seconds(5), mode: "safe", sizes: [] })
    const env = { TICKVAULT_PART_1_MAX_SIZE: "7", TICKVAULT_PART_1_MODE: "", TICKVAULT_OTHER_MAX_SIZE: "none" }
    assert.deepStrictEqual(yield* read(env, { maxSize: 3, mode: "fast", timeout: 2000 }), {
      maxSize: 7,
      timeout: Duration.seconds(2),
      mode: "fast",
      sizes: []
    })
  })
)

it.effect("takes durations and aliases as a configuration file does", () =>
  Effect.gen(function* () {
    for (const [name, text, seconds] of [
      ["TIMEOUT", "5 seconds", 5],
      ["TIMEOUT", "250ms", 0.25],
      ["TIMEOUT", "2m", 120],
      ["TIMEOUT_SECONDS", "9", 9]
    ] as const) {
      const { timeout } = yield* read({ [`TICKVAULT_PART_1_${name}`]: text })
      assert.strictEqual(Duration.toSeconds(timeout), seconds, text)
    }
  })
)

it.effect("names every wrong variable with what was found and what is allowed", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(
      read({
        TICKVAULT_PART_1_MAX_SIZE: "0",
        TICKVAULT_PART_1_TIMEOUT: "5",
        TICKVAULT_PART_1_MODE: "quick"
      })
    )
    assert.strictEqual(error._tag, "ConfigError")
    assert.include(error.message, 'TICKVAULT_PART_1_MAX_SIZE: found "0", must be a whole number of 1 or more')
    assert.include(error.message, 'TICKVAULT_PART_1_TIMEOUT: found "5", must be a duration above zero')
    assert.include(error.message, 'TICKVAULT_PART_1_MODE: found "quick", must be "fast" or "safe"')
  })
)

it.effect.each([
  [{ TICKVAULT_PART_1_MAX_SIZE: "many" }, 'MAX_SIZE: found "many", must be a whole number of 1 or more'],
  [{ TICKVAULT_PART_1_TIMEOUT_SECONDS: "soon" }, 'TIMEOUT_SECONDS: found "soon", must be a number of seconds'],
  [{ TICKVAULT_PART_1_SIZES: "1,2" }, 'SIZES: found "1,2", is a list: give it in code'],
  [
    { TICKVAULT_PART_1_TIMEOUT: "1s", TICKVAULT_PART_1_TIMEOUT_SECONDS: "1" },
    'TIMEOUT_SECONDS: found "1", sets the same option as TICKVAULT_PART_1_TIMEOUT'
  ]
] as const)("refuses %j", ([env, message]) =>
  Effect.gen(function* () {
    assert.include((yield* Effect.flip(read(env))).message, `TICKVAULT_PART_1_${message}`)
  })
)

it.effect("names an option in code that is wrong by itself", () =>
  Effect.gen(function* () {
    assert.include(
      (yield* Effect.flip(read({}, { maxSize: 0 }))).message,
      "maxSize: must be a whole number of 1 or more"
    )
  })
)
