/**
 * Runs one instruction of an organism. An instruction that can't run fails: it costs the same, and the organism continues
 * with the next one. The reason is kept until the next instruction has run.
 */
import { Molecule, nobody } from "./cells.ts"
import { instructions, maxOperands, type Name } from "./instructions.ts"
import {
  dataPointer,
  dataPointerCount,
  energyCapacity,
  isDirection,
  Locations,
  Registers,
  Stacks,
  type Organism,
  type Value
} from "./organism.ts"
import { procName } from "./programs.ts"
import { allocate, copy, divide } from "./reproduction.ts"
import type { WorldState } from "./worldState.ts"

/** Returns why the instruction failed. */
type Handler = (world: WorldState, self: Organism, a: number, b: number) => string | undefined

/** The number of cells along each axis that an organism senses. */
const sight = 10
/** The number of cells in one step, if no energy is on the way. */
const stride = 3
const bite = 15
/** After each of this many ticks of life, every instruction costs one unit more. */
const ageing = 2048

const read = (self: Organism, register: number): Value => self.registers[register & (Registers.all - 1)] ?? 0

const write = (self: Organism, register: number, value: Value): undefined => {
  self.registers[register & (Registers.all - 1)] = value
}

/** The address at `distance` from `from`, around the genome. */
const around = (self: Organism, from: number, distance: number): number => {
  const length = self.body.length
  return (((from + distance) % length) + length) % length
}

const jump = (world: WorldState, self: Organism, distance: number): undefined => {
  self.address = around(self, world.instructionAddress, distance)
}

const pointTo = (self: Organism, cell: number): undefined => {
  self.dataPointers[self.activeDataPointer] = cell
}

const sense: Handler = (world, self, register) => {
  const { cells, torus } = world
  const from = dataPointer(self)
  for (let distance = 1; distance <= sight; distance++) {
    for (const direction of torus.directions) {
      const cell = torus.shift(from, direction.axis, direction.sign * distance)
      if (cells.type[cell] === Molecule.energy) return write(self, register, direction)
    }
  }
  return isDirection(read(self, register)) ? undefined : write(self, register, world.randomDirection())
}

const stepOn: Handler = ({ cells, torus }, self, register) => {
  const direction = read(self, register)
  if (!isDirection(direction)) return "the register holds no direction"
  let cell = dataPointer(self)
  for (let left = stride; left > 0; left--) {
    const to = torus.neighbour(cell, direction)
    const isWall = cells.type[to] === Molecule.structure && cells.owner[to] !== self.id
    if (isWall) return cell === dataPointer(self) ? "a structure is in the way" : pointTo(self, cell)
    cell = to
    if (cells.type[to] === Molecule.energy) break
  }
  return pointTo(self, cell)
}

const eat: Handler = ({ cells }, self) => {
  const cell = dataPointer(self)
  const found = cells.energyAt(cell)
  if (found === 0) return cells.owner[cell] === nobody ? undefined : "the cell belongs to an organism"
  const eaten = Math.min(found, energyCapacity - self.energy)
  self.energy += eaten
  if (eaten < found) cells.set(cell, Molecule.energy, found - eaten, nobody)
  else cells.clear(cell)
  return undefined
}

const biteInto: Handler = (world, self) => {
  const victim = world.organismById.get(world.cells.owner[dataPointer(self)] ?? nobody)
  if (victim === undefined || victim === self) return "there is nobody to bite"
  const taken = Math.min(victim.energy, bite, energyCapacity - self.energy)
  victim.energy -= taken
  self.energy += taken
  return undefined
}

const build: Handler = ({ cells }, self) => {
  const cell = dataPointer(self)
  if (!cells.isFree(cell)) return "the cell isn't free"
  cells.set(cell, Molecule.structure, 1, self.id)
  return undefined
}

const call: Handler = (world, self, register, distance) => {
  if (self.callStack.length >= Stacks.calls) return "the call stack is full"
  const target = around(self, world.instructionAddress, distance)
  const argument = register & (Registers.all - 1)
  self.callStack.push({
    procName: procName(target),
    returnAddress: self.address,
    savedPrs: self.registers.slice(Registers.firstProcedure, Registers.firstFormal),
    savedFprs: self.registers.slice(Registers.firstFormal),
    argument
  })
  self.registers[Registers.firstFormal] = read(self, argument)
  self.address = target
  return undefined
}

const ret: Handler = (_, self) => {
  const frame = self.callStack.pop()
  if (frame === undefined) return "there is no caller to return to"
  const result = read(self, Registers.firstFormal)
  for (const [index, value] of frame.savedPrs.entries()) self.registers[Registers.firstProcedure + index] = value
  for (const [index, value] of frame.savedFprs.entries()) self.registers[Registers.firstFormal + index] = value
  write(self, frame.argument, result)
  self.address = frame.returnAddress
  return undefined
}

const add: Handler = (_, self, register, number) => {
  const value = read(self, register)
  return isDirection(value) ? "a direction is no number" : write(self, register, (value + number) | 0)
}

const loop: Handler = (world, self, distance) => {
  const left = read(self, Registers.firstProcedure)
  if (isDirection(left)) return "a direction is no number"
  write(self, Registers.firstProcedure, (left - 1) | 0)
  return left > 1 ? jump(world, self, distance) : undefined
}

const push: Handler = (_, self, register) => {
  if (self.dataStack.length >= Stacks.data) return "the data stack is full"
  self.dataStack.push(read(self, register))
  return undefined
}

const pop: Handler = (_, self, register) => {
  const value = self.dataStack.pop()
  return value === undefined ? "the data stack is empty" : write(self, register, value)
}

const pushLocation: Handler = (_, self) => {
  if (self.locationStack.length >= Stacks.location) return "the location stack is full"
  self.locationStack.push(dataPointer(self))
  return undefined
}

const popLocation: Handler = (_, self) => {
  const cell = self.locationStack.pop()
  return cell === undefined ? "the location stack is empty" : pointTo(self, cell)
}

const handlers: Record<Name, Handler> = {
  NOP: () => undefined,
  SETI: (_, self, register, number) => write(self, register, number),
  ADDI: add,
  MOVR: (_, self, to, from) => write(self, to, read(self, from)),
  RAND: ({ rng }, self, register, limit) => write(self, register, rng.below(Math.max(1, limit))),
  RDIR: (world, self, register) => write(self, register, world.randomDirection()),
  SENS: sense,
  STEP: stepOn,
  EAT: eat,
  BITE: biteInto,
  BILD: build,
  SWDP: (_, self) => {
    self.activeDataPointer = (self.activeDataPointer + 1) % dataPointerCount
    return undefined
  },
  JMP: (world, self, distance) => jump(world, self, distance),
  JZER: (world, self, register, distance) => (read(self, register) === 0 ? jump(world, self, distance) : undefined),
  JPOR: (world, self, number, distance) => (self.energy < number ? jump(world, self, distance) : undefined),
  LOOP: loop,
  CALL: call,
  RET: ret,
  PUSH: push,
  POP: pop,
  PSHL: pushLocation,
  POPL: popLocation,
  MARK: (_, self) => {
    self.locations[Locations.memory] = dataPointer(self)
    return undefined
  },
  HOME: (_, self) => pointTo(self, self.locations[Locations.memory] ?? self.origin),
  ALOC: allocate,
  COPY: copy,
  DIVD: divide
}

const byOpcode = instructions.map(({ name, operands, cost }) => ({
  handler: handlers[name],
  count: operands.length,
  cost
}))
const operands = new Int32Array(Math.max(2, maxOperands))

/** Runs the instruction at the organism's instruction pointer, and pays for it. */
export const execute = (world: WorldState, self: Organism): void => {
  const age = Number(world.tickNumber - self.birthTick)
  const ageSurcharge = Math.floor(age / ageing)
  self.failure = undefined
  if (self.failureCallStack.length > 0) self.failureCallStack = []
  world.instructionAddress = self.address
  const at = self.body[self.address] ?? self.origin
  const opcode = world.cells.type[at] === Molecule.code ? (world.cells.value[at] ?? -1) : -1
  const instruction = byOpcode[opcode]
  const failure = instruction === undefined ? notCode(self) : run(world, self, instruction.handler, instruction.count)
  world.spend(self, (instruction?.cost ?? 1) + ageSurcharge)
  if (failure === undefined) return
  self.failure = failure
  self.failureCallStack = self.callStack.slice()
}

const notCode = (self: Organism): string => {
  self.address = around(self, self.address, 1)
  return "the molecule is no instruction"
}

const run = (world: WorldState, self: Organism, handler: Handler, count: number): string | undefined => {
  const { cells } = world
  let areData = true
  for (let index = 0; index < count; index++) {
    const cell = self.body[around(self, world.instructionAddress, index + 1)] ?? self.origin
    operands[index] = cells.value[cell] ?? 0
    areData &&= cells.type[cell] === Molecule.data
  }
  self.address = around(self, world.instructionAddress, count + 1)
  return areData ? handler(world, self, operands[0] ?? 0, operands[1] ?? 0) : "an operand is missing"
}
