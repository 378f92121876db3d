/**
 * Encodes a whole world as a `TickData` message.
 *
 * It writes the bytes directly from the state of the world. A message object in between would be the greater part of a
 * tick's cost. The bytes are the same that any protobuf library makes of the message.
 */
import * as Census from "./census.ts"
import { isDirection, Registers, type Frame, type Organism, type Value } from "./organism.ts"
import { putInt32, putVarint, tag, Wire } from "./wire.ts"
import type { Torus } from "./torus.ts"
import type { LivingWorld } from "./livingWorld.ts"

/** A tag of two bytes, two lengths, a tag, and two bytes for the coordinate on each of four axes. */
const mostPlaceBytes = 16
/** The same with numbers of ten bytes. */
const mostVectorBytes = 48
/** A tag of two bytes, a length, a tag, and a number of ten bytes. */
const mostValueBytes = 16
/** A tag, a length, the place, and three numbers of ten bytes with their tags. */
const mostCellBytes = 64

/**
 * Writes the vector of `cell` at `at`, and returns the offset after it. Its lengths take a byte each: there are few
 * axes.
 */
const putPlace = (slab: Uint8Array, at: number, field: number, torus: Torus, cell: number): number => {
  const { axes, places } = torus
  const from = putVarint(slab, at, tag(field, 2))
  slab[from + 1] = tag(1, 2)
  let position = from + 3
  for (let index = cell * axes; index < (cell + 1) * axes; index++) {
    position = putVarint(slab, position, places[index] ?? 0)
  }
  slab[from] = position - from - 1
  slab[from + 2] = position - from - 3
  return position
}

/** Takes snapshots of one world. Writes the fields in the order of their numbers in the contract. */
export class Photographer {
  private readonly world: LivingWorld
  private readonly wire = new Wire()

  constructor(world: LivingWorld) {
    this.world = world
  }

  /** The bytes belong to the caller: nothing changes them afterwards. */
  snapshot(simulationRunId: string, captureTimeMs: bigint): Uint8Array {
    const { wire } = this
    const { organisms, rng, strategies, tickNumber } = this.world
    wire.string(1, simulationRunId)
    wire.int64(2, tickNumber)
    wire.int64(3, captureTimeMs)
    for (const organism of organisms) this.organism(organism)
    this.cells()
    wire.bytes(6, rng.toBytes())
    this.strategyState(Census.censusType, Census.save(this.world))
    for (const strategy of strategies) this.strategyState(strategy.type, strategy.save())
    return wire.finish()
  }

  private cells(): void {
    const { occupied } = this.world.cells
    for (let word = 0; word < occupied.length; word++) {
      let bits = occupied[word] ?? 0
      if (bits === 0) continue
      const slab = this.wire.room(32 * mostCellBytes)
      let at = this.wire.position
      while (bits !== 0) {
        at = this.putCell(slab, at, word * 32 + 31 - Math.clz32(bits & -bits))
        bits &= bits - 1
      }
      this.wire.position = at
    }
  }

  /** Writes one cell without a call for every number: cells are most of a tick. */
  private putCell(slab: Uint8Array, from: number, cell: number): number {
    const { type, value, owner } = this.world.cells
    slab[from] = tag(5, 2)
    let at = putPlace(slab, from + 2, 1, this.world.torus, cell)
    const moleculeType = type[cell] ?? 0
    if (moleculeType !== 0) {
      slab[at] = tag(2, 0)
      slab[at + 1] = moleculeType
      at += 2
    }
    const moleculeValue = value[cell] ?? 0
    if (moleculeValue !== 0) {
      slab[at] = tag(3, 0)
      at = putInt32(slab, at + 1, moleculeValue)
    }
    const ownerId = owner[cell] ?? 0
    if (ownerId !== 0) {
      slab[at] = tag(4, 0)
      at = putVarint(slab, at + 1, ownerId)
    }
    slab[from + 1] = at - from - 2
    return at
  }

  private organism(self: Organism): void {
    const { wire } = this
    const { firstProcedure, firstFormal } = Registers
    const state = wire.open(4)
    wire.int32(1, self.id)
    if (self.parentId !== undefined) wire.presentInt32(2, self.parentId)
    wire.int64(3, self.birthTick)
    wire.string(4, self.programId)
    wire.int32(5, self.energy)
    this.address(6, self, self.address)
    this.place(7, self.origin)
    this.vector(8, self.dv.vector)
    for (const cell of self.dataPointers) this.place(9, cell)
    wire.int32(10, self.activeDataPointer)
    for (let index = 0; index < self.registers.length; index++) {
      this.value(index < firstProcedure ? 11 : index < firstFormal ? 12 : 13, self.registers[index] ?? 0)
    }
    for (const cell of self.locations) this.place(14, cell)
    this.values(15, self.dataStack)
    for (const cell of self.locationStack) this.place(16, cell)
    for (const frame of self.callStack) this.procFrame(17, self, frame)
    wire.bool(18, self.isDead)
    wire.bool(19, self.failure !== undefined)
    if (self.failure !== undefined) wire.presentString(20, self.failure)
    for (const frame of self.failureCallStack) this.procFrame(21, self, frame)
    wire.close(state)
  }

  private procFrame(field: number, self: Organism, frame: Frame): void {
    const { wire } = this
    const state = wire.open(field)
    wire.string(1, frame.procName)
    this.address(2, self, frame.returnAddress)
    this.values(3, frame.savedPrs)
    this.values(4, frame.savedFprs)
    const binding = wire.open(5)
    wire.presentInt32(1, 0)
    wire.presentInt32(2, frame.argument)
    wire.close(binding)
    wire.close(state)
  }

  private strategyState(type: string, blob: Uint8Array): void {
    const { wire } = this
    const state = wire.open(7)
    wire.string(1, type)
    wire.bytes(2, blob)
    wire.close(state)
  }

  private values(field: number, values: ReadonlyArray<Value>): void {
    for (const value of values) this.value(field, value)
  }

  private value(field: number, value: Value): void {
    const { wire } = this
    if (isDirection(value)) {
      const state = wire.open(field)
      this.vector(2, value.vector)
      wire.close(state)
      return
    }
    const slab = wire.room(mostValueBytes)
    const from = putVarint(slab, wire.position, tag(field, 2))
    slab[from + 1] = tag(1, 0)
    wire.position = putInt32(slab, from + 2, value)
    slab[from] = wire.position - from - 1
  }

  private address(field: number, self: Organism, address: number): void {
    this.place(field, self.body[address] ?? self.origin)
  }

  private place(field: number, cell: number): void {
    const slab = this.wire.room(mostPlaceBytes)
    this.wire.position = putPlace(slab, this.wire.position, field, this.world.torus, cell)
  }

  private vector(field: number, components: ReadonlyArray<number>): void {
    const { wire } = this
    const slab = wire.room(mostVectorBytes)
    const from = putVarint(slab, wire.position, tag(field, 2))
    slab[from + 1] = tag(1, 2)
    let position = from + 3
    for (let axis = 0; axis < components.length; axis++) position = putInt32(slab, position, components[axis] ?? 0)
    slab[from] = position - from - 1
    slab[from + 2] = position - from - 3
    wire.position = position
  }
}
