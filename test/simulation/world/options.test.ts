// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Simulation } from "../../../src/simulation/Simulation.ts"
import * as World from "../../../src/simulation/World.ts"
import { assertSameTicks, record, worldOf } from "./worlds.ts"

describe("options", () => {
  const refused: ReadonlyArray<readonly [string, unknown, ReadonlyArray<RegExp>]> = [
    ["an extent below 4", { shape: [48, 3] }, [/must be a whole number from 4 to 1024/u, /\["shape"\]\[1\]/u]],
    ["an extent above 1024", { shape: [1025] }, [/must be a whole number from 4 to 1024/u, /\["shape"\]\[0\]/u]],
    ["a fractional extent", { shape: [4.5] }, [/\["shape"\]\[0\]/u]],
    ["no axis", { shape: [] }, [/must be 1 to 4 whole numbers/u, /\["shape"\]/u]],
    ["five axes", { shape: [4, 4, 4, 4, 4] }, [/must be 1 to 4 whole numbers/u, /\["shape"\]/u]],
    ["too many cells", { shape: [1024, 1024, 4] }, [/at most 1048576/u, /\["shape"\]/u]],
    ["no organism", { organisms: 0 }, [/must be a whole number from 1 to 10000/u, /\["organisms"\]/u]],
    ["too many organisms", { organisms: 10_001 }, [/must be a whole number from 1 to 10000/u, /\["organisms"\]/u]],
    ["a world too small", { shape: [5, 5], organisms: 4 }, [/at most 3 in a world of 25 cells/u, /\["organisms"\]/u]],
    ["a seed that is no number", { seed: "x" }, [/must be a whole number from -9007199254740991/u, /\["seed"\]/u]],
    ["a shape that is no list", { shape: 48 }, [/must be 1 to 4 whole numbers/u, /\["shape"\]/u]],
    ["a fractional seed", { seed: 0.5 }, [/\["seed"\]/u]],
    ["an unsafe seed", { seed: 2 ** 53 }, [/whole number from -9007199254740991 to 9007199254740991/u, /\["seed"\]/u]]
  ]
  for (const [what, options, messages] of refused) {
    it.effect(`refuse ${what}, naming the field and what is allowed`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Schema.decodeUnknownEffect(World.Options)(options))
        for (const message of messages) assert.match(error.message, message)
      })
    )
  }

  it.effect("have defaults", () =>
    Effect.gen(function* () {
      const options = yield* Schema.decodeEffect(World.Options)({})
      assert.deepStrictEqual(options, { shape: [48, 48], organisms: 6, seed: 42 })
    })
  )

  it.effect("make the world that the layer gives", () =>
    Effect.gen(function* () {
      const fromLayer = yield* Simulation
      assertSameTicks(yield* record(fromLayer, 50), yield* record(yield* worldOf({ seed: 6 }), 50))
    }).pipe(Effect.provide(World.layer({ seed: 6 })))
  )

  it.effect("fail the layer when they are wrong", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(Simulation, World.layer({ organisms: -1 })))
      assert.strictEqual(error._tag, "SchemaError")
    })
  )
})
