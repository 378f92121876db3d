// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as TestTick from "../../src/testing/TestTick.ts"

const of = (ticks: ReadonlyArray<Tick.Tick>) => new RunBatch(RunId.make("run"), ticks)

const batch = (...numbers: ReadonlyArray<number>) => of(numbers.map((number) => TestTick.make("run", number)))

const stretch = (first: number, last: number, step: number) => ({
  first: BigInt(first),
  last: BigInt(last),
  step: BigInt(step)
})

describe("the stretches of a batch", () => {
  it("are one where the numbers are ascending and evenly spaced", () => {
    assert.deepStrictEqual(batch(10, 20, 30).stretches, [stretch(10, 30, 10)])
    assert.deepStrictEqual(batch(7).stretches, [stretch(7, 7, 0)])
  })

  it.each([
    ["two that change places in the middle", batch(1, 3, 2, 4), [stretch(1, 4, 1)]],
    ["one that is there twice", batch(1, 2, 2, 4), [stretch(1, 2, 1), stretch(4, 4, 0)]],
    ["a gap", batch(1, 2, 4, 5), [stretch(1, 2, 1), stretch(4, 5, 1)]],
    ["descending ones", batch(3, 2, 1), [stretch(1, 3, 1)]],
    ["one number only", batch(5, 5), [stretch(5, 5, 0)]],
    ["none", batch(), []]
  ])("have each number once with %s", (_, { stretches }, expected) => {
    assert.deepStrictEqual(stretches, expected)
  })

  it("are exact where doubles are not", () => {
    const large = 2n ** 62n
    const ticks = [0n, 1n, 3n, 3n].map((number) => ({ ...TestTick.make("run", 1), tickNumber: large + number }))
    assert.deepStrictEqual(of(ticks).stretches, [
      { first: large, last: large + 1n, step: 1n },
      { first: large + 3n, last: large + 3n, step: 0n }
    ])
  })

  it("are as few as there can be, each number once", () => {
    assert.deepStrictEqual(batch(9, 1, 2, 2, 3).stretches, [stretch(1, 3, 1), stretch(9, 9, 0)])
  })

  it("are found out once", () => {
    const one = batch(1, 2, 3)
    assert.strictEqual(one.stretches, one.stretches)
  })
})

describe("the range of a batch", () => {
  it("is from the smallest to the largest number, if there are any", () => {
    assert.deepStrictEqual(batch(9, 1, 2).range, { first: 1n, last: 9n })
    assert.isUndefined(batch().range)
  })
})
