// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as TickSet from "../../src/domain/TickSet.ts"
import { TickRanges } from "../../src/idempotency/internal/TickRanges.ts"
import { randomFrom } from "../support/random.ts"

const stretch = (first: bigint, last: bigint, step = 1n): TickSet.Stretch => ({
  first,
  last,
  step: first === last ? 0n : step
})

const numbersOf = ({ first, last, step }: TickSet.Stretch): ReadonlyArray<bigint> => {
  const numbers: Array<bigint> = []
  for (let number = first; number <= last; number += step === 0n ? 1n : step) numbers.push(number)
  return numbers
}

/** That `set` holds exactly `expected`, in ranges that are in order, apart and as few as they can be together. */
const assertIs = (set: TickRanges, expected: ReadonlySet<bigint>, note = "") => {
  const { ranges } = set
  const found = ranges.flatMap(numbersOf)
  const wanted = [...expected].sort((a, b) => (a < b ? -1 : 1))
  assert.deepStrictEqual(found, wanted, note)
  assert.strictEqual(set.size, expected.size, note)
  assert.strictEqual(set.count, ranges.length, note)
  for (const [index, { first, last, step }] of ranges.entries()) {
    assert.isTrue(step === 0n ? first === last : first < last && (last - first) % step === 0n, note)
    const next = ranges[index + 1]
    if (next === undefined) continue
    assert.isTrue(last < next.first, note)
    const apart = next.first - last
    assert.isFalse((step === 0n || step === apart) && (next.step === 0n || next.step === apart), `${note} not joined`)
  }
}

const filled = (...all: ReadonlyArray<TickSet.Stretch>) => {
  const set = new TickRanges()
  for (const one of all) set.add(one)
  return set
}

/** Its numbers up to `count` times `step`, in an order by chance. */
const shuffled = (seed: number, count: number, step = 1n) => {
  const random = randomFrom(seed)
  const places = Array.from({ length: count }, (_, index) => ({
    number: BigInt(index) * step,
    place: random.between(0, 1e9)
  }))
  return places.sort((a, b) => a.place - b.place).map(({ number }) => number)
}

const change = (plain: Set<bigint>, one: TickSet.Stretch, adds: boolean) => {
  for (const number of numbersOf(one)) {
    if (adds) plain.add(number)
    else plain.delete(number)
  }
}

describe("ranges of ticks", () => {
  it("are one as long as there is no gap, however many ticks come at a time and in whatever order", () => {
    const set = new TickRanges()
    for (let first = 0n; first < 1_000_000n; first += 1000n) set.add(stretch(first, first + 999n))
    assert.deepStrictEqual(set.ranges, [stretch(0n, 999_999n)])
    const numbers = shuffled(1, 2000)
    const single = new TickRanges()
    for (const number of numbers) single.add(stretch(number, number))
    assertIs(single, new Set(numbers))
    assert.isAtMost(single.count, 2)
  })

  it("are one of a run of which every tenth tick is captured, even when the ticks come one by one", () => {
    const set = new TickRanges()
    for (let number = 10n; number <= 50_000n; number += 10n) set.add(stretch(number, number))
    assert.deepStrictEqual(set.ranges, [stretch(10n, 50_000n, 10n)])
    set.add(stretch(50_010n, 60_000n, 10n))
    assert.deepStrictEqual(set.ranges, [stretch(10n, 60_000n, 10n)])
    assert.isFalse(set.has(15n))
    assert.isTrue(set.has(60_000n))
  })

  it("are parted by a tick beside the grid, and by one that is removed", () => {
    const set = filled(stretch(10n, 100_000_000_000n, 10n))
    set.add(stretch(55n, 55n))
    set.remove(stretch(1000n, 1000n))
    assert.isAtMost(set.count, 5)
    assert.strictEqual(set.size, 10_000_000_000)
    assert.deepStrictEqual(
      [50n, 55n, 60n, 65n, 990n, 1000n, 1010n].map((number) => set.has(number)),
      [true, true, true, false, true, false, true]
    )
    set.add(stretch(1000n, 1000n))
    set.remove(stretch(55n, 55n))
    assert.isAtMost(set.count, 3)
  })

  it("take numbers at both ends of 64 bits", () => {
    const [least, greatest] = [-(2n ** 63n), 2n ** 63n - 1n]
    const set = filled(stretch(greatest - 9n, greatest), stretch(least, least + 9n), stretch(-3n, 3n))
    assertIs(
      set,
      new Set([stretch(least, least + 9n), stretch(-3n, 3n), stretch(greatest - 9n, greatest)].flatMap(numbersOf))
    )
    assert.isFalse(set.has(greatest - 10n))
    const ends = filled(stretch(least, least), stretch(greatest, greatest))
    assertIs(ends, new Set([least, greatest]))
    ends.add(stretch(0n, 0n))
    assertIs(ends, new Set([least, 0n, greatest]))
  })

  it("forget the lowest of them first", () => {
    const set = new TickRanges()
    for (let number = 0n; number < 10_000n; number++) set.add(stretch(number * number, number * number))
    const before = set.count
    set.removeLowest(1000)
    assert.isAtMost(set.count, before - 1000)
    assert.isFalse(set.has(4n))
    assert.isTrue(set.has(9999n * 9999n))
    set.removeLowest(before)
    assert.deepStrictEqual([set.count, set.size, set.ranges], [0, 0, []])
    set.add(stretch(1n, 2n))
    assertIs(set, new Set([1n, 2n]))
  })

  it("hold what a plain set holds, whatever is added and removed", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = randomFrom(seed)
      const [set, plain] = [new TickRanges(), new Set<bigint>()]
      const span = random.between(5, 3000)
      for (let round = 0; round < 60; round++) {
        const step = BigInt([1, 1, 2, 3, 10, 97][random.between(0, 5)] ?? 1)
        const first = BigInt(random.between(0, span) - 50)
        const one = stretch(first, first + BigInt(random.between(0, 40)) * step, step)
        const adds = random.between(0, 2) > 0
        change(plain, one, adds)
        if (adds) set.add(one)
        else set.remove(one)
        const from = BigInt(random.between(0, span))
        const some = numbersOf(stretch(from, from + 20n)).some((number) => plain.has(number))
        if (some) assert.isTrue(set.touches({ first: from, last: from + 20n }))
      }
      assertIs(set, plain, `seed ${seed}`)
      const wrong = numbersOf(stretch(-60n, BigInt(span + 100))).filter(
        (number) => set.has(number) !== plain.has(number)
      )
      assert.deepStrictEqual(wrong, [], `seed ${seed}`)
    }
  })

  it("stay in order over many blocks", () => {
    const random = randomFrom(7)
    const [set, plain] = [new TickRanges(), new Set<bigint>()]
    for (let round = 0; round < 20_000; round++) {
      const number = BigInt(random.between(0, 30_000)) ** 2n
      const one = stretch(number, number + BigInt(random.between(0, 3)))
      const adds = random.between(0, 3) > 0
      change(plain, one, adds)
      if (adds) set.add(one)
      else set.remove(one)
    }
    const wide = stretch(10_000_000n, 20_000_000n)
    set.remove(wide)
    for (const number of plain) if (number >= wide.first && number <= wide.last) plain.delete(number)
    assertIs(set, plain)
    set.add(stretch(5_000_000n, 5_100_000n))
    for (const number of numbersOf(stretch(5_000_000n, 5_100_000n))) plain.add(number)
    assertIs(set, plain)
  })

  it("number by the gaps: two at most where there is none on the grid", () => {
    for (let seed = 0; seed < 100; seed++) {
      const kept = shuffled(seed, 400, 10n).slice(0, 100 + 3 * seed)
      const set = new TickRanges()
      for (const number of kept) set.add(stretch(number, number))
      const gaps = new TickSet.TickSet(
        kept.map((number) => stretch(number, number)),
        10n
      ).stretches.length
      assert.isAtMost(set.count, 2 * gaps, `seed ${seed}`)
    }
  })
})
