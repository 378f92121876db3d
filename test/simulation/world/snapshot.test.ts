// @module-tag unit
// @effect-diagnostics nodeBuiltinImport:off
import { createHash } from "node:crypto"
import { toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  TickDataSchema,
  type TickData
} from "../../../src/gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import { decoded, worldOf, type Sim, type WorldOptions } from "./worlds.ts"

const tickOf = (world: Sim) => Effect.map(world.tick!("run", 1_700_000_000_000n), ({ payload }) => payload)

const assertSameBytes = (actual: Uint8Array, expected: Uint8Array, note: string) =>
  assert.isTrue(Buffer.from(actual).equals(expected), note)

/** Of the first 3000 ticks of a world, one after the other: what they were before they were written without messages. */
const known: ReadonlyArray<readonly [WorldOptions, string]> = [
  [{ shape: [48, 48], organisms: 6, seed: 42 }, "fb38a56bcd9d2b901e1e0fba50dd781a10fe1934603a9fcee96aec527dfcdbbc"],
  [{ shape: [30], organisms: 3, seed: -7 }, "f1d7a6a94409ba0e91e2e9c4f2ca1e6073bd0575be267c3ca3c865748114206d"],
  [{ shape: [12, 9], organisms: 5, seed: 1 }, "08a4d4017ab2e6ef0ea7bf0eadb7fc6cc798282aec83b6788a53695d9bc1df17"],
  [
    { shape: [5, 4, 6], organisms: 4, seed: Number.MAX_SAFE_INTEGER },
    "8c4a1ce46d2beb95fb9903105e7edf4b995f17b3803e452e1606f7ad0c77d465"
  ],
  [{ shape: [4, 4, 4, 4], organisms: 8, seed: 0 }, "46230c00daca60992dd4ea038c534d8c294e523afb293bc5a8fe404ae87b7312"],
  [{ shape: [4, 1000], organisms: 40, seed: 7 }, "e4e9abafd4f5c7fb7a507bda25b1abaf4003fc8a35401c92e0deca8d58f9ab27"],
  [
    { shape: [64, 64], organisms: 60, seed: 2 ** 32 },
    "a6ce11b1f07113ef67ba171dc99fe88e5b0885ac72dc0429e60651df2a5b0e54"
  ]
]

const named = (name: string) => (tick: TickData) => {
  for (const organism of tick.organisms) {
    organism.programId = name
    organism.failureReason = name
    organism.instructionFailed = true
    for (const frame of organism.callStack) frame.procName = name
  }
}

const numbered = (number: bigint) => (tick: TickData) => {
  tick.tickNumber = number
  for (const organism of tick.organisms) organism.birthTick = number
}

const valued = (value: number) => (tick: TickData) => {
  for (const organism of tick.organisms) {
    for (const register of [...organism.dataRegisters, ...organism.procedureRegisters]) {
      register.value = { case: "scalar", value }
    }
  }
  for (const cell of tick.cells) if (cell.moleculeType !== 2) cell.moleculeValue = value
}

/** Values that a world of today hardly has, but that a tick may say. */
const extremes: ReadonlyArray<readonly [string, (tick: TickData) => void]> = [
  ["names with letters of all lengths", named("aä€😀")],
  ["names without a letter", named("")],
  ["names of 127 bytes", named("x".repeat(127))],
  ["names of 128 bytes", named("x".repeat(126) + "ä")],
  ["names of 20,000 bytes", named("x".repeat(20_000))],
  ["names of more bytes than messages share", named("€".repeat(50_000))],
  ...[0n, 127n, 128n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n].map(
    (number) => [`tick ${number}`, numbered(number)] as const
  ),
  ...[1, 127, 128, 16_383, 16_384, 2 ** 31 - 1, -1, -128, -(2 ** 31)].map(
    (value) => [`values of ${value}`, valued(value)] as const
  )
]

describe("an encoded tick", () => {
  it.effect.each(known)("is the one that this world has ever had: %j", ([options, digest]) =>
    Effect.gen(function* () {
      const world = yield* worldOf(options)
      const hash = createHash("sha256")
      for (let number = 1n; number <= 3000n; number++) {
        yield* world.step
        const { payload, simulationRunId, tickNumber } = yield* world.tick!("golden", 1_700_000_000_000n + number)
        assert.strictEqual(simulationRunId, "golden")
        assert.strictEqual(tickNumber, number)
        hash.update(payload)
      }
      assert.strictEqual(hash.digest("hex"), digest)
    })
  )

  it.effect("has the bytes that the protobuf library makes of its message", () =>
    Effect.gen(function* () {
      for (const [options] of known) {
        const world = yield* worldOf({ ...options, seed: 5 })
        for (let count = 0; count < 400; count++) {
          const tick = yield* tickOf(world)
          assertSameBytes(tick, toBinary(TickDataSchema, decoded(tick)), `tick ${count} of ${options.shape?.join("x")}`)
          yield* world.step
        }
      }
    })
  )

  it.effect("is changed by no later one", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const kept: Array<{ readonly tick: Uint8Array; readonly copy: Uint8Array }> = []
      for (let count = 0; count < 500; count++) {
        yield* world.step
        const tick = yield* tickOf(world)
        kept.push({ tick, copy: tick.slice() })
      }
      for (const { tick, copy } of kept) assertSameBytes(tick, copy, "changed")
    })
  )

  it.effect.each(extremes)("is that of a world that was restored from it: %s", ([, change]) =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      for (let count = 0; count < 40; count++) yield* world.step
      const message = decoded(yield* tickOf(world))
      assert.isTrue(message.organisms.some(({ callStack }) => callStack.length > 0))
      change(message)
      const expected = toBinary(TickDataSchema, message)
      yield* world.restore(message)
      for (let round = 0; round < 40; round++) {
        assertSameBytes(yield* tickOf(world), expected, `round ${round}`)
      }
    })
  )
})
