/** Worlds to test, and their ticks. */
import { fromBinary, toBinary } from "@bufbuild/protobuf"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  TickDataSchema,
  type TickData
} from "../../../src/gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import type { Simulation } from "../../../src/simulation/Simulation.ts"
import * as World from "../../../src/simulation/World.ts"

export type WorldOptions = typeof World.Options.Encoded
export type Sim = Simulation["Service"]

export const worldOf = (options: WorldOptions = {}) =>
  Effect.flatMap(Schema.decodeEffect(World.Options)(options), World.make)

export const encoded = (world: Sim) => Effect.map(world.snapshot("run", 0n), (tick) => toBinary(TickDataSchema, tick))

// Decoded bytes fields are views: the copy keeps the recorded tick apart from what a test does to the message.
export const decoded = (bytes: Uint8Array) => fromBinary(TickDataSchema, bytes.slice())

/** The ticks from the one that the world is at, `count` of them; the world is left at the last. */
export const record = Effect.fnUntraced(function* (world: Sim, count: number) {
  const ticks = [yield* encoded(world)]
  while (ticks.length < count) {
    yield* world.step
    ticks.push(yield* encoded(world))
  }
  return ticks
})

export const assertSameTicks = (actual: ReadonlyArray<Uint8Array>, expected: ReadonlyArray<Uint8Array>) => {
  assert.strictEqual(actual.length, expected.length)
  for (const [index, bytes] of actual.entries()) {
    assert.isTrue(Buffer.from(bytes).equals(expected[index]!), `the ticks part at the ${index}-th of the sequence`)
  }
}

export const living = (tick: TickData) => tick.organisms.filter((organism) => !organism.isDead)

/** Shows the next `count` ticks of the world to `see`. */
export const watch = Effect.fnUntraced(function* (world: Sim, count: number, see: (tick: TickData) => void) {
  for (let left = count; left > 0; left--) {
    yield* world.step
    see(yield* world.snapshot("run", 1n))
  }
})
