/**
 * A living thing: a body of cells that holds its genome, and a small machine that runs it.
 *
 * An `OrganismState` has all of its state but the length of its genome, which is in the census. The cells of the body
 * belong to the organism for as long as it lives.
 */
import type { Direction } from "./torus.ts"

/** What a register holds. */
export type Value = number | Direction

export const isDirection = (value: Value): value is Direction => typeof value !== "number"

/** Registers have one numbering: first the data registers, then the procedure and the formal parameter registers. */
export const Registers = { data: 4, procedure: 2, formal: 2, all: 8, firstProcedure: 4, firstFormal: 6 } as const

/** The registers that copying a genome works with. */
export const Copying = { source: 2, direction: 3, target: 5 } as const

export const dataPointerCount = 2

/** Location registers: where the child grows (the own origin when none does), and a place to remember. */
export const Locations = { nursery: 0, memory: 1, count: 2 } as const

export const Stacks = { data: 8, location: 4, calls: 4 } as const

/** Most energy an organism can hold. */
export const energyCapacity = 2_000

/** A procedure call under way. Never changed once made. */
export interface Frame {
  readonly procName: string
  readonly returnAddress: number
  readonly savedPrs: ReadonlyArray<Value>
  readonly savedFprs: ReadonlyArray<Value>
  /** The register that formal parameter 0 stands for; it gets the parameter's value on return. */
  readonly argument: number
}

export interface Organism {
  readonly id: number
  readonly parentId: number | undefined
  readonly birthTick: bigint
  readonly programId: string
  readonly origin: number
  readonly dv: Direction
  /** The cell of each address of the genome. */
  readonly body: Int32Array
  energy: number
  /** Where in the genome the instruction pointer is. */
  address: number
  dataPointers: Array<number>
  activeDataPointer: number
  registers: Array<Value>
  locations: Array<number>
  dataStack: Array<Value>
  locationStack: Array<number>
  callStack: Array<Frame>
  isDead: boolean
  /** Why the last instruction failed. */
  failure: string | undefined
  failureCallStack: ReadonlyArray<Frame>
}

/** What is known of an organism at its birth. */
export type Birth = Pick<Organism, "id" | "parentId" | "birthTick" | "programId" | "origin" | "dv" | "body" | "energy">

export const newborn = (birth: Birth): Organism => ({
  ...birth,
  address: 0,
  dataPointers: Array.from({ length: dataPointerCount }, () => birth.origin),
  activeDataPointer: 0,
  registers: Array.from({ length: Registers.all }, () => 0),
  locations: Array.from({ length: Locations.count }, () => birth.origin),
  dataStack: [],
  locationStack: [],
  callStack: [],
  isDead: false,
  failure: undefined,
  failureCallStack: []
})

/** The cell that the active data pointer is at. */
export const dataPointer = (self: Organism): number => self.dataPointers[self.activeDataPointer] ?? self.origin
