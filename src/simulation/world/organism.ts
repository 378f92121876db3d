/**
 * An organism: a body of cells that holds its genome, and a small machine that runs it.
 *
 * An `OrganismState` has its whole state except the length of its genome, which the census keeps. The organism owns the
 * cells of its body while it lives.
 */
import type { Direction } from "./torus.ts"

/** The value of a register. */
export type Value = number | Direction

export const isDirection = (value: Value): value is Direction => typeof value !== "number"

/** All registers share one numbering: data registers first, then procedure and formal parameter registers. */
export const Registers = { data: 4, procedure: 2, formal: 2, all: 8, firstProcedure: 4, firstFormal: 6 } as const

/** The registers for copying a genome. */
export const Copying = { source: 2, direction: 3, target: 5 } as const

export const dataPointerCount = 2

/** Location registers: the origin of the growing child (the own origin when there is none), and a remembered cell. */
export const Locations = { nursery: 0, memory: 1, count: 2 } as const

export const Stacks = { data: 8, location: 4, calls: 4 } as const

/** The largest energy of an organism. */
export const energyCapacity = 2_000

/** An active procedure call. Immutable. */
export interface Frame {
  readonly procName: string
  readonly returnAddress: number
  readonly savedPrs: ReadonlyArray<Value>
  readonly savedFprs: ReadonlyArray<Value>
  /** The register bound to formal parameter 0. It gets the parameter's value on return. */
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
  /** The address of the instruction pointer in the genome. */
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

/** The properties of an organism at its birth. */
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
