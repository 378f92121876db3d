// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as TickSet from "../../src/domain/TickSet.ts"
import { type Random, randomFrom } from "../support/random.ts"

const numbersOf = (stretches: Iterable<TickSet.Stretch>): Array<bigint> => {
  const numbers: Array<bigint> = []
  for (const { first, last, step } of stretches) {
    for (let number = first; number <= last; number += step === 0n ? 1n : step) numbers.push(number)
  }
  return numbers
}

const ascending = (numbers: Iterable<bigint>) => [...new Set(numbers)].toSorted((a, b) => (a < b ? -1 : 1))

const randomNumbers = (random: Random, apart: number): Array<bigint> =>
  Array.from({ length: random.between(0, 30) }, () => BigInt(random.between(0, 60) * apart + 3))

/** The numbers of `all`, on the grid that they have in common. */
const setOf = (all: ReadonlyArray<TickSet.Stretch>) => new TickSet.TickSet(all, TickSet.commonStep(all))

const step = (...numbers: ReadonlyArray<bigint>) => TickSet.commonStep(TickSet.stretches(numbers))

describe("stretches", () => {
  it("are one where ticks are evenly spaced, and keep all numbers once", () => {
    assert.deepStrictEqual(TickSet.stretches([30n, 10n, 20n, 20n]), [{ first: 10n, last: 30n, step: 10n }])
    assert.deepStrictEqual(TickSet.stretches([7n]), [{ first: 7n, last: 7n, step: 0n }])
    assert.deepStrictEqual(TickSet.stretches([]), [])
    for (let seed = 0; seed < 300; seed++) {
      const numbers = randomNumbers(randomFrom(seed), 1 + (seed % 3))
      const found = TickSet.stretches(numbers)
      assert.deepStrictEqual(numbersOf(found), ascending(numbers), `seed ${seed}`)
      assert.strictEqual(
        found.reduce((sum, stretch) => sum + TickSet.count(stretch), 0n),
        BigInt(new Set(numbers).size)
      )
    }
  })

  it("have the greatest step in common on whose grid all lie", () => {
    assert.strictEqual(step(), 1n)
    assert.strictEqual(step(5n), 1n)
    assert.strictEqual(step(5n, 15n, 45n), 10n)
    assert.strictEqual(step(5n, 15n, 16n), 1n)
    assert.strictEqual(TickSet.commonStep([...TickSet.stretches([40n, 60n]), ...TickSet.stretches([10n])]), 10n)
  })
})

describe("a set of ticks", () => {
  it("has what was added, on any grid, from stretches in any order", () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = randomFrom(seed)
      const apart = 1 + (seed % 4)
      const parts = Array.from({ length: random.between(1, 4) }, () => randomNumbers(random, apart))
      const all = ascending(parts.flat())
      const set = setOf(parts.flatMap(TickSet.stretches))
      assert.deepStrictEqual(numbersOf(set.stretches), all, `seed ${seed}`)
      assert.strictEqual(set.size, BigInt(all.length))
      assert.strictEqual(set.first, all[0])
      assert.strictEqual(set.last, all.at(-1))
      for (let number = 0n; number < 260n; number++) assert.strictEqual(set.has(number), all.includes(number))
      for (let first = 0n; first < 250n; first += 7n) {
        const last = first + BigInt(random.between(0, 9))
        // What is between two numbers of a stretch is not told from the stretch.
        const reached = set.stretches.some((stretch) => stretch.first <= last && stretch.last >= first)
        assert.strictEqual(set.touches({ first, last }), reached)
      }
    }
  })

  it("names what is missing between its ticks", () => {
    for (let seed = 0; seed < 300; seed++) {
      const numbers = randomNumbers(randomFrom(seed), 5)
      const set = setOf(TickSet.stretches(numbers))
      const [first, last] = [set.first ?? 0n, set.last ?? -1n]
      const missing: Array<bigint> = []
      for (let number = first; number <= last; number += set.step) if (!numbers.includes(number)) missing.push(number)
      const gaps = set.gaps
      assert.deepStrictEqual(numbersOf(gaps.map((gap) => ({ ...gap, step: set.step }))), missing, `seed ${seed}`)
      assert.strictEqual(
        gaps.reduce((sum, { count }) => sum + count, 0n),
        BigInt(missing.length)
      )
    }
  })

  it("names what was added more than once", () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = randomFrom(seed)
      const parts = Array.from({ length: 3 }, () => ascending(randomNumbers(random, 2)))
      const twice = ascending(parts.flat().filter((number) => parts.filter((part) => part.includes(number)).length > 1))
      const set = setOf(parts.flatMap(TickSet.stretches))
      assert.deepStrictEqual(ascending(numbersOf(set.overlaps)), twice, `seed ${seed}`)
    }
  })

  it("takes memory by its gaps, however many ticks it has", () => {
    const set = setOf([
      { first: 0n, last: 4_000_000_000_000_000_000n, step: 2n },
      { first: 4_000_000_000_000_000_002n, last: 9_000_000_000_000_000_000n, step: 2n }
    ])
    assert.lengthOf(set.stretches, 1)
    assert.strictEqual(set.size, 4_500_000_000_000_000_001n)
    assert.isTrue(set.has(8_999_999_999_999_999_998n))
    assert.isFalse(set.has(8_999_999_999_999_999_999n))
  })
})
