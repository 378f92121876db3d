/**
 * Reproduction: an organism claims room for a child, copies its genome there molecule by molecule, sometimes with errors,
 * and divides.
 *
 * The parent's registers hold the progress, and its program can change them. So every step checks the child's cells again.
 */
import { Molecule, moleculeTypes } from "./cells.ts"
import { instructions } from "./instructions.ts"
import { Copying, isDirection, Locations, newborn, type Organism, type Value } from "./organism.ts"
import { programIdOf, type Genome } from "./programs.ts"
import type { Room, WorldState } from "./worldState.ts"

/** The number of cells claimed beyond the parent's genome, for a longer child. */
const slack = 2
const shortestGenome = 4
const mutationOdds = 192
const roomTries = 8
const divisionReserve = 20

/** Whether `cell` is part of the organism's own body. */
export const isOwnCell = ({ torus }: WorldState, { origin, dv, body }: Organism, cell: number): boolean => {
  const address = torus.bodyAddress(origin, dv, cell)
  return address >= 0 && address < body.length
}

/** The room of the organism's growing child. `undefined` when there is none. */
const nurseryOf = (self: Organism): Room | undefined => {
  const origin = self.locations[Locations.nursery] ?? self.origin
  const dv = self.registers[Copying.direction] ?? 0
  return origin !== self.origin && isDirection(dv) ? { origin, dv } : undefined
}

const nurseryLength = (world: WorldState, self: Organism): number =>
  Math.min(self.body.length + slack, world.torus.maxBody)

/** Whether `cell` is claimed for the organism's child. */
export const isChildCell = (world: WorldState, self: Organism, cell: number): boolean => {
  const room = nurseryOf(self)
  if (room === undefined) return false
  const address = world.torus.bodyAddress(room.origin, room.dv, cell)
  return address >= 0 && address < nurseryLength(world, self)
}

const releaseNursery = (world: WorldState, self: Organism): void => {
  const room = nurseryOf(self)
  self.locations[Locations.nursery] = self.origin
  if (room === undefined) return
  for (const cell of world.torus.bodyCells(room.origin, room.dv, nurseryLength(world, self))) {
    if (world.cells.owner[cell] === self.id && !isOwnCell(world, self, cell)) world.cells.clear(cell)
  }
}

/** Claims free cells nearby for a child, and releases the cells claimed before. */
export const allocate = (world: WorldState, self: Organism): string | undefined => {
  releaseNursery(world, self)
  const room = world.findRoom(self.origin, world.nurseryReach, nurseryLength(world, self), roomTries)
  if (room === undefined) return "there is no room for a child nearby"
  for (const cell of world.torus.bodyCells(room.origin, room.dv, nurseryLength(world, self))) {
    world.cells.set(cell, Molecule.code, 0, self.id)
  }
  self.locations[Locations.nursery] = room.origin
  self.registers[Copying.direction] = room.dv
  self.registers[Copying.source] = 0
  self.registers[Copying.target] = 0
  return undefined
}

const asCount = (value: Value | undefined, limit: number): number | undefined =>
  typeof value === "number" && value >= 0 && value <= limit ? value : undefined

/** Copies one molecule. The instruction pointer stays here until the whole genome is copied. */
export const copy = (world: WorldState, self: Organism): string | undefined => {
  const room = nurseryOf(self)
  if (room === undefined) return "no room is claimed for a child"
  const source = asCount(self.registers[Copying.source], self.body.length)
  const target = asCount(self.registers[Copying.target], nurseryLength(world, self) - 1)
  if (source === undefined || target === undefined) return "a copying register is out of range"
  if (source === self.body.length) return undefined
  const cell = world.torus.bodyCell(room.origin, room.dv, target)
  if (world.cells.owner[cell] !== self.id || isOwnCell(world, self, cell)) return "the child's cell is lost"
  const skips = copyMolecule(world, self, source, cell)
  self.registers[Copying.source] = source + skips.source
  self.registers[Copying.target] = target + skips.target
  if (source + skips.source < self.body.length) world.stay(self)
  return undefined
}

const advanceBoth = { source: 1, target: 1 }
const deletion = { source: 1, target: 0 }
const insertion = { source: 0, target: 1 }

/** Returns how far source and target advance: usually both by one. */
const copyMolecule = ({ cells, rng }: WorldState, self: Organism, source: number, to: number) => {
  const from = self.body[source] ?? self.origin
  let type = cells.type[from] ?? 0
  let value = cells.value[from] ?? 0
  let moves = advanceBoth
  if (rng.below(mutationOdds) === 0) {
    const kind = rng.below(8)
    if (kind === 0) moves = deletion
    else if (kind === 1) moves = insertion
    else if (kind === 2) type = type === Molecule.code ? Molecule.data : Molecule.code
    else if (type === Molecule.code) value = rng.below(instructions.length)
    else value = kind === 3 ? rng.below(32) : (value + rng.below(7) - 3) | 0
  }
  cells.set(to, type % moleculeTypes, value, self.id)
  return moves
}

/** Makes the copy a separate organism with half of the energy. It runs from the next tick on. */
export const divide = (world: WorldState, self: Organism): string | undefined => {
  const room = nurseryOf(self)
  if (room === undefined) return "no room is claimed for a child"
  const length = asCount(self.registers[Copying.target], nurseryLength(world, self))
  if (length === undefined || length < shortestGenome) return "the child's genome is too short"
  const body = world.torus.bodyCells(room.origin, room.dv, length)
  if (!body.every((cell) => world.cells.owner[cell] === self.id && !isOwnCell(world, self, cell))) {
    return "a cell of the child is lost"
  }
  if (self.energy < divisionReserve) return "there is too little energy to divide"
  if (world.isFull) return "the world is full"
  const energy = self.energy >> 1
  self.energy -= energy
  const child = bear(world, { ...room, body, energy, parentId: self.id })
  for (const cell of body) world.cells.give(cell, child.id)
  releaseNursery(world, self)
  return undefined
}

/** Places an organism without parents. It replaces the content of its cells, including energy. */
export const place = (world: WorldState, room: Room, genome: Genome, energy: number): Organism => {
  const { cells, torus } = world
  const body = torus.bodyCells(room.origin, room.dv, genome.length)
  for (const [address, { type, value }] of genome.entries()) {
    const cell = body[address] ?? room.origin
    world.spent += cells.energyAt(cell)
    cells.set(cell, type, value, world.nextId)
  }
  return bear(world, { ...room, body, energy, parentId: undefined })
}

const bear = (
  world: WorldState,
  { origin, dv, body, energy, parentId }: Room & Pick<Organism, "body" | "energy" | "parentId">
): Organism => {
  const genome = Array.from(body, (cell) => ({
    type: world.cells.type[cell] ?? 0,
    value: world.cells.value[cell] ?? 0
  }))
  const programId = programIdOf(genome)
  const child = newborn({
    id: world.nextId++,
    parentId,
    birthTick: world.tickNumber,
    programId,
    origin,
    dv,
    body,
    energy
  })
  world.add(child)
  return child
}
