// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as BatchStretches from "../../src/domain/BatchStretches.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

const batch = (...numbers: ReadonlyArray<number>) => numbers.map((number) => TestTick.make("run", number))

describe("the stretches of a batch", () => {
  it("are one where the numbers are ascending and evenly spaced", () => {
    assert.deepStrictEqual(BatchStretches.even(batch(10, 20, 30)), { first: 10n, last: 30n, step: 10n })
    assert.deepStrictEqual(BatchStretches.even(batch(7)), { first: 7n, last: 7n, step: 0n })
  })

  it.each([
    ["two that change places in the middle", batch(1, 3, 2, 4)],
    ["one that is there twice", batch(1, 2, 2, 4)],
    ["a gap", batch(1, 2, 4, 5)],
    ["descending ones", batch(3, 2, 1)],
    ["one number only", batch(5, 5)],
    ["none", []]
  ])("are not one with %s", (_, ticks) => {
    assert.isUndefined(BatchStretches.even(ticks))
    assert.isUndefined(BatchStretches.even(ticks), "nor at a second look")
  })

  it("are exact where doubles are not", () => {
    const large = 2n ** 62n
    const ticks = [0n, 1n, 3n, 3n].map((number) => ({ ...TestTick.make("run", 1), tickNumber: large + number }))
    assert.isUndefined(BatchStretches.even(ticks))
    assert.deepStrictEqual(BatchStretches.of(ticks), [
      { first: large, last: large + 1n, step: 1n },
      { first: large + 3n, last: large + 3n, step: 0n }
    ])
  })

  it("are as few as there can be, each number once", () => {
    assert.deepStrictEqual(BatchStretches.of(batch(9, 1, 2, 2, 3)), [
      { first: 1n, last: 3n, step: 1n },
      { first: 9n, last: 9n, step: 0n }
    ])
    assert.deepStrictEqual(BatchStretches.of([]), [])
  })
})
