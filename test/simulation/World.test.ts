// @module-tag unit
import { equals, toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SimulationMetadataSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import {
  TickDataSchema,
  type OrganismState,
  type TickData
} from "../../src/gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"
import { assertSameTicks, decoded, encoded, living, record, watch, worldOf, type Sim } from "./world/worlds.ts"

describe("ticks", () => {
  it.effect("are the same for the same options", () =>
    Effect.gen(function* () {
      const options = { shape: [20, 12, 5], organisms: 5, seed: -77 }
      assertSameTicks(yield* record(yield* worldOf(options), 500), yield* record(yield* worldOf(options), 500))
    })
  )

  it.effect("differ for another seed, from the first on", () =>
    Effect.gen(function* () {
      const seeds = [0, 1, -1, 42, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
      const first = yield* Effect.forEach(seeds, (seed) => Effect.flatMap(worldOf({ seed }), encoded))
      assert.strictEqual(new Set(first.map((bytes) => Buffer.from(bytes).toString("hex"))).size, seeds.length)
    })
  )

  it.effect("count from 0, carry what they are stamped with, and nothing else depends on the stamp", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      assert.strictEqual(yield* world.tickNumber, 0n)
      yield* world.step
      assert.strictEqual(yield* world.tickNumber, 1n)
      const tick = yield* world.snapshot("some-run", 123n)
      assert.deepInclude(tick, { simulationRunId: "some-run", tickNumber: 1n, captureTimeMs: 123n })
      const other = yield* world.snapshot("some-run", 456n)
      assert.isTrue(equals(TickDataSchema, { ...other, captureTimeMs: 123n }, tick))
    })
  )

  it.effect("are well-formed messages that later ticks don't change", () =>
    Effect.gen(function* () {
      const world = yield* worldOf({ seed: 3 })
      const kept: Array<{ readonly tick: TickData; readonly bytes: Uint8Array }> = []
      for (let count = 0; count < 600; count++) {
        yield* world.step
        const tick = yield* world.snapshot("run", 0n)
        kept.push({ tick, bytes: toBinary(TickDataSchema, tick) })
      }
      for (const { tick, bytes } of kept) {
        assert.isTrue(equals(TickDataSchema, decoded(bytes), tick))
        assert.isTrue(Buffer.from(toBinary(TickDataSchema, tick)).equals(bytes))
      }
    })
  )

  it.effect("have about 2 to 4 KB on average", () =>
    Effect.gen(function* () {
      const ticks = yield* record(yield* worldOf(), 5000)
      const mean = ticks.reduce((sum, bytes) => sum + bytes.length, 0) / ticks.length
      assert.isAbove(mean, 2000)
      assert.isBelow(mean, 4000)
    })
  )
})

/** The energy that a snapshot says came in and went out since the beginning. */
const ledger = (tick: TickData) => {
  const [census, solar, geyser, decay, panspermia] = tick.strategyStates.map(
    ({ stateBlob }) => new DataView(stateBlob.buffer, stateBlob.byteOffset, stateBlob.byteLength)
  )
  const released = [
    solar!.getFloat64(4, true),
    geyser!.getFloat64(0, true),
    decay!.getFloat64(4, true),
    panspermia!.getFloat64(4, true)
  ]
  return {
    released: released.reduce((sum, one) => sum + one),
    spent: census!.getFloat64(10 + 4 * census!.getUint8(1), true)
  }
}

describe("life", () => {
  it.effect("never dies out and never grows without bound", () =>
    Effect.gen(function* () {
      for (const seed of [42, 1, 2, 1_000_003, -9]) {
        const world = yield* worldOf({ seed })
        let most = 0
        let sum = 0
        for (let tick = 0; tick < 20_000; tick++) {
          yield* world.step
          if (tick % 5 !== 0) continue
          const count = living(yield* world.snapshot("run", 0n)).length
          assert.isAtLeast(count, 1, `nobody lives at tick ${tick} of seed ${seed}`)
          most = Math.max(most, count)
          sum += count
        }
        assert.isAtMost(most, 18)
        assert.isAbove(sum / 4_000, 3, `hardly anybody lives with seed ${seed}`)
      }
    })
  )

  it.effect("multiplies, mutates, fails and dies within a run", () =>
    Effect.gen(function* () {
      const states: Array<OrganismState> = []
      yield* watch(yield* worldOf(), 5_000, (tick) => states.push(...tick.organisms))
      const children = new Map(states.filter((one) => one.parentId !== undefined).map((one) => [one.organismId, one]))
      const programOf = new Map(states.map((one) => [one.organismId, one.programId]))
      const mutants = [...children.values()].filter((one) => one.programId !== programOf.get(one.parentId!))
      const deaths = states.filter((one) => one.isDead).map((one) => one.organismId)
      assert.isAbove(children.size, 20)
      assert.isAbove(mutants.length, 0)
      assert.isBelow(mutants.length, children.size / 2)
      assert.isAbove(deaths.length, 20)
      assert.strictEqual(new Set(deaths).size, deaths.length, "a death is told more than once")
      const failed = states.filter((one) => one.instructionFailed).length
      assert.isAbove(failed, 0)
      assert.isBelow(failed, states.length / 10)
    })
  )

  it.effect("fills every field that a tick has", () =>
    Effect.gen(function* () {
      const unused = new Set([
        ...TickDataSchema.fields.map((field) => `tick.${field.localName}`),
        ...["OrganismState", "CellState", "ProcFrame"].flatMap((name) =>
          TickDataSchema.file.messages
            .find((message) => message.name === name)!
            .fields.map((field) => `${name}.${field.localName}`)
        ),
        "scalar",
        "vector"
      ])
      const see = (name: string, message: object) => {
        for (const [field, value] of Object.entries(message)) {
          const isEmpty = value === undefined || value === 0 || value === 0n || value === false || value === ""
          const isEmptyList = typeof value === "object" && value !== null && Object.keys(value).length === 0
          if (!isEmpty && !isEmptyList) unused.delete(`${name}.${field}`)
        }
      }
      yield* watch(yield* worldOf(), 3_000, (tick) => {
        see("tick", tick)
        for (const cell of tick.cells) see("CellState", cell)
        for (const organism of tick.organisms) {
          see("OrganismState", organism)
          for (const frame of organism.callStack) see("ProcFrame", frame)
          for (const { value } of organism.dataRegisters) unused.delete(value.case ?? "")
        }
      })
      assert.deepStrictEqual([...unused], [])
    })
  )

  it.effect("has all molecules: instructions, data, energy and structures", () =>
    Effect.gen(function* () {
      const types = new Set<number>()
      yield* watch(yield* worldOf(), 3_000, (tick) => {
        for (const cell of tick.cells) types.add(cell.moleculeType)
      })
      assert.deepStrictEqual(types, new Set([0, 1, 2, 3]))
    })
  )

  it.effect("has exactly the energy that came in and was not spent, at every tick", () =>
    Effect.gen(function* () {
      for (const options of [{}, { shape: [7, 9, 11], organisms: 9, seed: 4 }, { shape: [4], organisms: 1 }]) {
        const world = yield* worldOf(options)
        let last = { released: 0, spent: 0 }
        for (let count = 0; count < 3_000; count++) {
          const tick = yield* world.snapshot("run", 0n)
          const held = tick.organisms.reduce((sum, organism) => sum + organism.energy, 0)
          const lying = tick.cells.reduce((sum, cell) => sum + (cell.moleculeType === 2 ? cell.moleculeValue : 0), 0)
          const { released, spent } = ledger(tick)
          assert.strictEqual(held + lying, released - spent, `at tick ${count}`)
          if (count > 0) assert.isAtLeast(spent, last.spent + 1)
          assert.isAtLeast(released, last.released)
          last = { released, spent }
          yield* world.step
        }
      }
    })
  )

  it.effect("goes on in the smallest world", () =>
    Effect.gen(function* () {
      yield* watch(yield* worldOf({ shape: [4], organisms: 1 }), 2_000, (tick) => {
        assert.strictEqual(living(tick).length, 1)
      })
    })
  )

  it.effect("fills a world up to three times the number of organisms that it was made for, and no further", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const abundance = yield* world.snapshot("run", 0n)
      for (const organism of abundance.organisms) organism.energy = 2_000
      yield* world.restore(abundance)
      let most = 0
      yield* watch(world, 2_000, (tick) => {
        most = Math.max(most, living(tick).length)
      })
      assert.strictEqual(most, 18)
    })
  )
})

const encodedMetadata = (world: Sim) =>
  Effect.map(world.metadata("run", 1n), (metadata) => Buffer.from(toBinary(SimulationMetadataSchema, metadata)))

describe("metadata", () => {
  it.effect("tells the world, its energy and the life it starts with", () =>
    Effect.gen(function* () {
      const world = yield* worldOf({ shape: [30, 20], organisms: 4, seed: -7 })
      const first = yield* world.snapshot("run", 0n)
      const metadata = yield* world.metadata("run", 99n)
      assert.deepInclude(metadata, { simulationRunId: "run", startTimeMs: 99n, initialSeed: -7n, userMetadata: {} })
      assert.deepInclude(metadata.environment!, { dimensions: 2, shape: [30, 20], toroidal: [true, true] })
      assert.strictEqual(metadata.resolvedConfigJson, '{"shape":[30,20],"organisms":4,"seed":-7}')
      assert.deepStrictEqual(
        metadata.energyStrategies.map((strategy) => strategy.strategyType),
        first.strategyStates.slice(1).map((state) => state.strategyType)
      )
      const config = Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Finite)))
      for (const { configJson } of metadata.energyStrategies) assert.isNotEmpty(yield* config(configJson))
      assert.deepStrictEqual(
        metadata.initialOrganisms.map((one) => [
          one.organismId,
          one.programId,
          one.initialEnergy,
          one.position?.components
        ]),
        first.organisms.map((one) => [one.organismId, one.programId, one.energy, one.initialPosition?.components])
      )
      assert.strictEqual(metadata.initialOrganisms.length, 4)
      const programs = new Map(metadata.programs.map((program) => [program.programId, program]))
      for (const { programId } of metadata.initialOrganisms) {
        const program = programs.get(programId)!
        assert.isAbove(program.machineCodeLayout.length, 5)
        assert.match(Object.values(program.sources)[0]!.lines.join("\n"), /SENS D0|SENS F0/u)
      }
    })
  )

  it.effect("is that of the beginning, whatever has happened since", () =>
    Effect.gen(function* () {
      const world = yield* worldOf()
      const before = yield* encodedMetadata(world)
      const ticks = yield* record(world, 200)
      assert.isTrue((yield* encodedMetadata(world)).equals(before))
      const other = yield* worldOf()
      yield* other.restore(decoded(ticks[150]!))
      assert.isTrue((yield* encodedMetadata(other)).equals(before))
    })
  )
})
