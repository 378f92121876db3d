// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import { Rng } from "../../../src/simulation/world/rng.ts"
import { Torus } from "../../../src/simulation/world/torus.ts"

const shapes = [[4], [200], [4, 4], [48, 48], [4, 48], [48, 4], [5, 4, 7], [4, 4, 4, 4], [4, 30, 4, 5]]

describe("a torus", () => {
  for (const shape of shapes) {
    const torus = new Torus(shape)
    const cells = Array.from({ length: torus.size }, (_, cell) => cell)

    it(`of ${shape.join("x")} cells knows each by its coordinates`, () => {
      for (const cell of cells) assert.strictEqual(torus.cellOf(torus.coordinates(cell)), cell)
      for (const [axis, extent] of shape.entries()) {
        assert.isUndefined(torus.cellOf(shape.map((_, at) => (at === axis ? extent : 0))))
        assert.isUndefined(torus.cellOf(shape.map((_, at) => (at === axis ? -1 : 0))))
      }
      assert.isUndefined(torus.cellOf([...shape, 1]))
    })

    it(`of ${shape.join("x")} cells leads back to where one started, in every direction`, () => {
      for (const direction of torus.directions) {
        let cell = torus.size - 1
        for (let steps = 0; steps < shape[direction.axis]!; steps++) {
          assert.isTrue(steps === 0 || cell !== torus.size - 1)
          cell = torus.neighbour(cell, direction)
        }
        assert.strictEqual(cell, torus.size - 1)
        assert.strictEqual(torus.directionOf(direction.vector), direction)
      }
      assert.strictEqual(torus.directions.length, 2 * shape.length)
    })

    it(`of ${shape.join("x")} cells has room for a body that never meets itself`, () => {
      for (const dv of torus.directions) {
        const origin = torus.size - 2
        const body = torus.bodyCells(origin, dv, torus.maxBody)
        assert.strictEqual(new Set(body).size, Math.min(64, torus.size))
        for (const [address, cell] of body.entries()) assert.strictEqual(torus.bodyAddress(origin, dv, cell), address)
      }
    })
  }
})

describe("the generator", () => {
  it("is xoshiro128**", () => {
    const rng = Rng.fromBytes(Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0))!
    assert.deepStrictEqual([rng.next(), rng.next(), rng.next(), rng.next()], [11520, 0, 5927040, 70819200])
  })

  it("goes on from its saved state", () => {
    const rng = Rng.fromSeed(123_456_789_012)
    for (let count = 0; count < 100; count++) rng.next()
    const other = Rng.fromBytes(rng.toBytes())!
    for (let count = 0; count < 100; count++) assert.strictEqual(other.next(), rng.next())
  })

  it("spreads its numbers evenly", () => {
    const rng = Rng.fromSeed(0)
    const counts = Array.from({ length: 10 }, () => 0)
    for (let count = 0; count < 100_000; count++) counts[rng.below(10)]!++
    for (const count of counts) assert.isTrue(count > 9_600 && count < 10_400, counts.join(" "))
  })
})
