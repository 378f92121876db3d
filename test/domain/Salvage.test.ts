// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Checksum from "../../src/domain/Checksum.ts"
import * as Delimited from "../../src/domain/Delimited.ts"
import * as Salvage from "../../src/domain/Salvage.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { type Random, randomFrom } from "../support/random.ts"

/** Ticks in the delimited format, with the running checksum after each. */
const written = (ticks: ReadonlyArray<Tick.Tick>) => {
  const framed = ticks.map((tick) => Bytes.concat([...Delimited.encode([tick])]))
  const checks: Array<number> = []
  for (const bytes of framed) checks.push(Checksum.of(bytes, checks.at(-1)))
  return { ticks, framed, checks, bytes: Bytes.concat(framed) }
}

/** Bytes with the places that they had when they were written; -1 for one that was not. */
interface Damaged {
  readonly bytes: Array<number>
  readonly origins: Array<number>
}

const set = ({ bytes, origins }: Damaged, at: number, value: number) => {
  if (bytes[at] !== value) origins[at] = -1
  bytes[at] = value
}

const remove = ({ bytes, origins }: Damaged, at: number, count: number) => {
  bytes.splice(at, count)
  origins.splice(at, count)
}

const kinds = {
  flip: (damaged: Damaged, at: number, random: Random) =>
    set(damaged, at, (damaged.bytes[at] ?? 0) ^ (1 << random.between(0, 7))),
  cut: (damaged: Damaged, at: number) => remove(damaged, at, damaged.bytes.length),
  remove: (damaged: Damaged, at: number, random: Random) => remove(damaged, at, random.between(1, 40)),
  zero: (damaged: Damaged, at: number, random: Random) => {
    const end = Math.min(damaged.bytes.length, at + random.between(1, 40))
    for (let place = at; place < end; place++) set(damaged, place, 0)
  },
  insert: (damaged: Damaged, at: number, random: Random) => {
    // Much of it looks like the beginning of a message.
    const more = Array.from({ length: random.between(1, 40) }, () =>
      random.pick([10, 3, 114, 117, 110, 255, 0, 16, 26])
    )
    damaged.bytes.splice(at, 0, ...more)
    damaged.origins.splice(at, 0, ...more.map(() => -1))
  }
}

const allKinds = [kinds.flip, kinds.remove, kinds.zero, kinds.insert, kinds.cut] as const

const damage = (bytes: Uint8Array, random: Random): Damaged => {
  const damaged: Damaged = { bytes: [...bytes], origins: [...bytes.keys()] }
  for (let times = random.between(1, 4); times > 0 && damaged.bytes.length > 0; times--) {
    random.pick(allKinds)(damaged, random.between(0, damaged.bytes.length - 1), random)
  }
  return damaged
}

/** Whether all bytes from `start` on stand where they were written, side by side. */
const isUntouched = ({ origins }: Damaged, start: number, length: number): boolean => {
  const at = origins.indexOf(start)
  return at >= 0 && Array.from({ length }, (_, index) => origins[at + index] === start + index).every(Boolean)
}

const salvage = (expected: Salvage.Expected, bytes: Uint8Array, random: Random) => {
  const salvager = new Salvage.Salvager(expected)
  const found: Array<Salvage.Found> = []
  for (let from = 0; from < bytes.length;) {
    const size = random.pick([1, 7, 50, 1000])
    found.push(...salvager.push(bytes.subarray(from, from + size)))
    from += size
  }
  found.push(...salvager.end())
  return {
    ticks: found.flatMap((one) => (one._tag === "Tick" ? [one.tick] : [])),
    /** Bytes that are in ticks or told to be gone. */
    accounted: found.reduce(
      (sum, one) => sum + (one._tag === "Tick" ? Delimited.encodedBytes([one.tick]) : one.bytes),
      0
    )
  }
}

const randomRun = (random: Random) => {
  const first = random.between(0, 200)
  const count = random.between(1, 12)
  return Array.from({ length: count }, (_, index): Tick.Tick => {
    const tick = TestTick.make("run", first + index)
    // Random bytes: where all are alike, it can't be told which of them are gone.
    const stuffing = Array.from({ length: random.pick([1, 3, 120]) }, () => random.between(0, 255))
    return { ...tick, payload: Uint8Array.of(...tick.payload, 0x32, stuffing.length, ...stuffing) }
  })
}

const expectedOf = (ticks: ReadonlyArray<Tick.Tick>, checks: ReadonlyArray<number> | undefined): Salvage.Expected => ({
  runId: "run",
  first: ticks[0]?.tickNumber ?? 0n,
  last: ticks.at(-1)?.tickNumber ?? 0n,
  checks
})

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("salvage", () => {
  it("gives all ticks of what is whole, with checks or without, whatever the chunks", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = randomFrom(seed)
      const { bytes, checks, ticks } = written(randomRun(random))
      for (const known of [checks, undefined]) {
        const found = salvage(expectedOf(ticks, known), bytes, random)
        assert.deepStrictEqual(found, { ticks, accounted: bytes.length }, `seed ${seed}`)
      }
    }
  })

  it("with checks gives every tick that no damage has touched, and none that was not written", () => {
    for (let seed = 0; seed < 2000; seed++) {
      const random = randomFrom(seed)
      const { bytes, checks, framed, ticks } = written(randomRun(random))
      const damaged = damage(bytes, random)
      const now = Uint8Array.from(damaged.bytes)
      const found = salvage(expectedOf(ticks, checks), now, random)
      const payloads = found.ticks.map(({ payload }) => hex(payload))
      let start = 0
      for (const [index, { length }] of framed.entries()) {
        const payload = hex(ticks[index]?.payload ?? new Uint8Array())
        const isFound = payloads.includes(payload)
        if (isUntouched(damaged, start, length)) assert.isTrue(isFound, `seed ${seed}, tick ${index}`)
        // By chance damage can leave the same bytes behind.
        else if (isFound)
          assert.isTrue(Buffer.from(now).includes(Buffer.from(framed[index] ?? [])), `seed ${seed}, tick ${index}`)
        start += length
      }
      const places = payloads.map((payload) => ticks.findIndex((tick) => hex(tick.payload) === payload))
      assert.isFalse(places.includes(-1), `seed ${seed}: a tick that was not written`)
      assert.deepStrictEqual(
        places,
        [...new Set(places)].toSorted((a, b) => a - b),
        `seed ${seed}: order`
      )
      assert.strictEqual(found.accounted, now.length, `seed ${seed}`)
    }
  })

  it("without checks accounts for every byte, and gives ticks of the run and its range only", () => {
    let [untouched, lost] = [0, 0]
    for (let seed = 0; seed < 2000; seed++) {
      const random = randomFrom(seed)
      const { bytes, framed, ticks } = written(randomRun(random))
      const damaged = damage(bytes, random)
      const expected = expectedOf(ticks, undefined)
      const found = salvage(expected, Uint8Array.from(damaged.bytes), random)
      // A length may be written with more bytes than it needs.
      assert.approximately(found.accounted, damaged.bytes.length, 9 * found.ticks.length, `seed ${seed}`)
      for (const { simulationRunId, tickNumber } of found.ticks) {
        assert.isTrue(simulationRunId === "run" && tickNumber >= expected.first && tickNumber <= expected.last)
      }
      const payloads = new Set(found.ticks.map(({ payload }) => hex(payload)))
      let start = 0
      for (const [index, { length }] of framed.entries()) {
        if (isUntouched(damaged, start, length)) {
          untouched++
          if (!payloads.has(hex(ticks[index]?.payload ?? new Uint8Array()))) lost++
        }
        start += length
      }
    }
    // Neighbours of a damage: one before it that nothing confirms, one that a wrong length has swallowed.
    assert.isBelow(lost / untouched, 0.1)
  })

  it("gives a message once that damage has put there twice", () => {
    const { bytes, checks, framed, ticks } = written(TestTick.range("run", 1, 5))
    const twice = Bytes.concat([...framed.slice(0, 3), ...framed.slice(2)])
    const found = salvage(expectedOf(ticks, checks), twice, randomFrom(1))
    assert.deepStrictEqual(found, { ticks, accounted: bytes.length + (framed[2]?.length ?? 0) })
  })

  it("does not take long when every single message of a batch is damaged", () => {
    const { bytes, checks, framed, ticks } = written(TestTick.range("run", 1, 1000, 2000))
    const damaged = bytes.slice()
    let start = 0
    for (const { length } of framed) {
      damaged[start + length - 1] = 1
      start += length
    }
    const found = salvage(expectedOf(ticks, checks), damaged, randomFrom(3))
    assert.deepStrictEqual(found, { ticks: [], accounted: bytes.length })
  })

  it("asks for no memory on the word of a length", () => {
    const { bytes, checks, ticks } = written(TestTick.range("run", 1, 3))
    const expected = expectedOf(ticks, checks)
    for (const length of [
      [0xff, 0xff, 0xff, 0x0f],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
    ]) {
      const damaged = Bytes.concat([Uint8Array.from(length), bytes])
      assert.deepStrictEqual(salvage(expected, damaged, randomFrom(1)).ticks, ticks)
    }
  })
})
