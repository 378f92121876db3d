// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type {
  OrganismState,
  TickData
} from "../../../src/gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import type { RestoreError } from "../../../src/simulation/Simulation.ts"
import { Rng } from "../../../src/simulation/world/rng.ts"
import { assertSameTicks, decoded, encoded, living, record, worldOf } from "./worlds.ts"

/** First of `ticks` with an organism that is so. */
const firstWith = (ticks: ReadonlyArray<TickData>, has: (organism: OrganismState, tick: TickData) => boolean) => {
  const index = ticks.findIndex((tick) => tick.organisms.some((organism) => has(organism, tick)))
  assert.isAtLeast(index, 0, "the run never has such a tick")
  return index
}

describe("restore", () => {
  it.effect("goes on from any tick as if the world had never stopped", () =>
    Effect.gen(function* () {
      const ticks = yield* record(yield* worldOf(), 4000)
      const messages = ticks.map(decoded)
      const moments = [
        0,
        1,
        firstWith(messages, (organism) => organism.isDead),
        firstWith(
          messages,
          (organism, tick) => organism.parentId !== undefined && organism.birthTick === tick.tickNumber
        ),
        firstWith(messages, (organism) => organism.callStack.length > 0),
        firstWith(messages, (organism) => organism.failureCallStack.length > 0),
        firstWith(messages, (organism) => organism.dataStack.length > 0),
        firstWith(messages, (organism) => organism.locationStack.length > 0),
        1234,
        2777,
        3599
      ]
      for (const moment of moments) {
        const world = yield* worldOf()
        yield* world.restore(messages[moment]!)
        assert.strictEqual(yield* world.tickNumber, BigInt(moment))
        assertSameTicks(yield* record(world, 400), ticks.slice(moment, moment + 400))
      }
    })
  )

  it.effect("brings a world back that has gone on, and one that has another seed", () =>
    Effect.gen(function* () {
      const world = yield* worldOf({ seed: 8 })
      const ticks = yield* record(world, 300)
      yield* world.restore(decoded(ticks[100]!))
      assertSameTicks(yield* record(world, 200), ticks.slice(100))
      const other = yield* worldOf({ seed: 9 })
      yield* other.restore(decoded(ticks[100]!))
      assertSameTicks(yield* record(other, 200), ticks.slice(100))
    })
  )

  it.effect.prop(
    "goes on in worlds of any seed and shape",
    {
      seed: Schema.Int,
      shape: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 4, maximum: 20 }))).check(
        Schema.isMinLength(1),
        Schema.isMaxLength(4)
      ),
      organisms: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 })),
      before: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300 }))
    },
    ({ before, seed, shape, ...wanted }) =>
      Effect.gen(function* () {
        const cells = shape.reduce((product, extent) => product * extent, 1)
        const organisms = Math.max(1, Math.min(wanted.organisms, Math.floor(cells / 8)))
        const ticks = yield* record(yield* worldOf({ seed, shape, organisms }), before + 100)
        const restored = yield* worldOf({ seed, shape, organisms })
        yield* restored.restore(decoded(ticks[before]!))
        assertSameTicks(yield* record(restored, 100), ticks.slice(before))
        for (const tick of ticks) assert.isNotEmpty(living(decoded(tick)))
      }),
    { arbitrary: { runs: 25, size: 1000 } }
  )
})

/** Ways to spoil a snapshot, each with a word of what is said about it. */
const damages: ReadonlyArray<readonly [problem: RegExp, damage: (tick: TickData) => void]> = [
  [/number is below 0/u, (tick) => (tick.tickNumber = -1n)],
  [/rng_state/u, (tick) => (tick.rngState = tick.rngState.slice(1))],
  [/rng_state/u, (tick) => (tick.rngState = new Uint8Array(16))],
  [/"plague" is not known/u, (tick) => (tick.strategyStates[2]!.strategyType = "plague")],
  [/"geyser" has two states/u, (tick) => tick.strategyStates.push(tick.strategyStates[2]!)],
  [/"panspermia" is missing/u, (tick) => tick.strategyStates.pop()],
  [/"solar" is damaged/u, (tick) => (tick.strategyStates[1]!.stateBlob = new Uint8Array(12).fill(255))],
  [/"geyser" is damaged/u, (tick) => (tick.strategyStates[2]!.stateBlob = new Uint8Array(3))],
  [/census has version 9/u, (tick) => (tick.strategyStates[0]!.stateBlob[0] = 9)],
  [/census is damaged/u, (tick) => tick.organisms.pop()],
  [
    /not assigned yet/u,
    (tick) =>
      new DataView(tick.strategyStates[0]!.stateBlob.buffer, tick.strategyStates[0]!.stateBlob.byteOffset).setUint32(
        14,
        1,
        true
      )
  ],
  [/out of order/u, (tick) => (tick.organisms[1]!.organismId = tick.organisms[0]!.organismId)],
  [/its id is below 1/u, (tick) => (tick.organisms[0]!.organismId = 0)],
  [/birth_tick/u, (tick) => (tick.organisms[0]!.birthTick = 10_000_000n)],
  [/energy -5/u, (tick) => (tick.organisms[0]!.energy = -5)],
  [/energy 2147483647/u, (tick) => (tick.organisms[0]!.energy = 2_147_483_647)],
  [/ip is missing/u, (tick) => delete tick.organisms[0]!.ip],
  [/ip is not in its body/u, (tick) => (tick.organisms[0]!.ip!.components[0]! += 24)],
  [/dv is not one step/u, (tick) => (tick.organisms[0]!.dv!.components = [1, 1])],
  [
    /initial_position \(48, 0\) is not in the world/u,
    (tick) => (tick.organisms[0]!.initialPosition!.components = [48, 0])
  ],
  [/no such data pointer/u, (tick) => (tick.organisms[0]!.activeDpIndex = 2)],
  [/there are 3 where there must be 4/u, (tick) => tick.organisms[0]!.dataRegisters.pop()],
  [
    /there are 9 where at most 4/u,
    (tick) => (tick.organisms[0]!.locationStack = Array.from({ length: 9 }, () => tick.organisms[0]!.ip!))
  ],
  [
    /neither a number nor a direction/u,
    (tick) => (tick.organisms[0]!.procedureRegisters[0]!.value = { case: undefined })
  ],
  [/without a reason/u, (tick) => (tick.organisms[0]!.instructionFailed = !tick.organisms[0]!.instructionFailed)],
  [/which doesn't live/u, (tick) => (tick.cells[0]!.ownerId = 1_000_000)],
  [/is listed twice/u, (tick) => tick.cells.push(tick.cells[0]!)],
  [/the place of a cell \(1\)/u, (tick) => (tick.cells[0]!.coordinate!.components = [1])],
  [/unknown molecule type 7/u, (tick) => (tick.cells[0]!.moleculeType = 7)],
  [/doesn't belong to it/u, (tick) => (tick.cells = tick.cells.filter((cell) => cell.ownerId === 0))]
]

describe("a damaged snapshot", () => {
  for (const [problem, damage] of damages) {
    it.effect(`is refused, and the world stays as it was: ${problem.source}`, () =>
      Effect.gen(function* () {
        const ticks = yield* record(yield* worldOf({ seed: 11 }), 180)
        const world = yield* worldOf({ seed: 11 })
        yield* world.restore(decoded(ticks[60]!))
        const spoilt = decoded(ticks[140]!)
        damage(spoilt)
        const error: RestoreError = yield* Effect.flip(world.restore(spoilt))
        assert.strictEqual(error._tag, "RestoreError")
        assert.strictEqual(error.tickNumber, spoilt.tickNumber)
        assert.match(error.message, problem)
        assertSameTicks(yield* record(world, 120), ticks.slice(60))
      })
    )
  }

  it.effect("is one of another shape or number of organisms, even if all of it would fit", () =>
    Effect.gen(function* () {
      const tick = decoded(yield* encoded(yield* worldOf({ shape: [40, 40] })))
      const larger = yield* Effect.flip((yield* worldOf({ shape: [48, 48] })).restore(tick))
      assert.match(larger.message, /it is of a 40x40 world for 6 organisms, and this is a 48x48 world/u)
      const fewer = yield* Effect.flip((yield* worldOf({ shape: [40, 40], organisms: 5 })).restore(tick))
      assert.match(fewer.message, /40x40 world for 6 organisms, and this is a 40x40 world for 5 organisms/u)
    })
  )
})

describe("a snapshot with any wrong byte", () => {
  it.effect("is refused, or makes a world that goes on", () =>
    Effect.gen(function* () {
      const ticks = yield* record(yield* worldOf({ seed: 13 }), 600)
      const rng = Rng.fromSeed(99)
      const counts = { refused: 0, restored: 0 }
      const world = yield* worldOf({ seed: 13 })
      for (let trial = 0; trial < 800; trial++) {
        const bytes = ticks[rng.below(ticks.length)]!.slice()
        bytes[rng.below(bytes.length)]! ^= 1 << rng.below(8)
        const tick = yield* Effect.result(Effect.try({ try: () => decoded(bytes), catch: () => "no message" }))
        if (Result.isFailure(tick)) continue
        const restored = yield* Effect.result(world.restore(tick.success))
        counts[Result.isSuccess(restored) ? "restored" : "refused"]++
        yield* record(world, 20)
      }
      assert.isAbove(counts.refused, 100)
      assert.isAbove(counts.restored, 100)
    })
  )
})
