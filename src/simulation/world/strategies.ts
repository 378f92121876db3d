/**
 * The changes of a world that organisms don't cause: energy comes in, new organisms appear, and leftovers decay.
 *
 * Each strategy has its own state, which is saved with the world, and counts the energy that it has released. The number
 * of organisms in the options determines the amount in the long run.
 */
import { BlobReader, BlobWriter } from "./blob.ts"
import { Molecule, nobody } from "./cells.ts"
import { isChildCell, isOwnCell, place } from "./reproduction.ts"
import { ancestor, ancestors } from "./programs.ts"
import type { Organism } from "./organism.ts"
import type { WorldState } from "./worldState.ts"

export interface Strategy {
  /** Names the strategy in a saved world. */
  readonly type: string
  /** The parameters of the strategy, as recorded in the metadata of a run. */
  readonly config: Record<string, number>
  /** Energy units brought into the world since its beginning. */
  readonly released: number
  /** Does what is due at the end of a tick. */
  readonly run: (world: WorldState) => void
  readonly save: () => Uint8Array
  /** Loads a saved state. `false` when the bytes are damaged; the state is then undefined. */
  readonly load: (bytes: Uint8Array, world: WorldState) => boolean
}

/** Puts energy into `cell` if it is free. Returns the amount. */
const drop = (world: WorldState, cell: number, value: number): number => {
  if (!world.cells.isFree(cell)) return 0
  world.cells.set(cell, Molecule.energy, value, nobody)
  return value
}

/** Drops energy on random cells: much at noon, none at midnight, none while the cells hold a lot. */
export class Solar implements Strategy {
  readonly type = "solar"
  readonly config: { dayTicks: number; dropsPerTickAtNoon: number; dropValue: number; maxEnergyCells: number }
  released = 0
  private time = 0

  constructor(organisms: number) {
    this.config = { dayTicks: 480, dropsPerTickAtNoon: organisms * 0.026, dropValue: 60, maxEnergyCells: organisms * 4 }
  }

  run(world: WorldState): void {
    const { dayTicks, dropsPerTickAtNoon, dropValue, maxEnergyCells } = this.config
    this.time = (this.time + 1) % dayTicks
    const brightness = 1 - Math.abs(1 - (2 * this.time) / dayTicks)
    const expected = dropsPerTickAtNoon * brightness
    let drops = Math.floor(expected)
    if (world.rng.below(4096) < (expected - drops) * 4096) drops++
    for (; drops > 0; drops--) {
      const cell = world.rng.below(world.torus.size)
      if (world.cells.energyCells < maxEnergyCells) this.released += drop(world, cell, dropValue)
    }
  }

  save(): Uint8Array {
    return new BlobWriter(12).u32(this.time).count(this.released).bytes
  }

  load(bytes: Uint8Array): boolean {
    const blob = new BlobReader(bytes)
    this.time = blob.u32(this.config.dayTicks)
    this.released = blob.count()
    return blob.isComplete
  }
}

/** Drops energy around a few fixed places, each for a while, then again after a longer pause. */
export class Geysers implements Strategy {
  readonly type = "geyser"
  readonly config: { geysers: number; periodTicks: number; eruptionTicks: number; dropValue: number; reach: number }
  released = 0
  private sites: Array<{ readonly cell: number; time: number }> = []

  constructor(organisms: number) {
    this.config = { geysers: Math.ceil(organisms / 3), periodTicks: 300, eruptionTicks: 10, dropValue: 30, reach: 3 }
  }

  /** Chooses the places, for a new world. */
  settle({ rng, torus }: WorldState): void {
    this.sites = Array.from({ length: this.config.geysers }, () => ({
      cell: rng.below(torus.size),
      time: rng.below(this.config.periodTicks)
    }))
  }

  run(world: WorldState): void {
    const { periodTicks, eruptionTicks, dropValue, reach } = this.config
    for (const site of this.sites) {
      site.time = (site.time + 1) % periodTicks
      if (site.time >= eruptionTicks) continue
      let cell = site.cell
      for (let axis = 0; axis < world.torus.shape.length; axis++) {
        cell = world.torus.shift(cell, axis, world.rng.below(2 * reach + 1) - reach)
      }
      this.released += drop(world, cell, dropValue)
    }
  }

  save(): Uint8Array {
    const blob = new BlobWriter(8 + 8 * this.sites.length).count(this.released)
    for (const { cell, time } of this.sites) blob.u32(cell).u32(time)
    return blob.bytes
  }

  load(bytes: Uint8Array, { torus }: WorldState): boolean {
    const blob = new BlobReader(bytes)
    this.released = blob.count()
    this.sites = Array.from({ length: this.config.geysers }, () => ({
      cell: blob.u32(torus.size),
      time: blob.u32(this.config.periodTicks)
    }))
    return blob.isComplete
  }
}

/** Sweeps over the world cell by cell: clears cells that no body and no growing child needs, and reduces energy. */
export class Decay implements Strategy {
  readonly type = "decay"
  readonly config: { sweepTicks: number; carrionValue: number; carrionEvery: number; energyLoss: number }
  released = 0
  private cursor = 0

  constructor() {
    this.config = { sweepTicks: 64, carrionValue: 20, carrionEvery: 5, energyLoss: 3 }
  }

  run(world: WorldState): void {
    const { size } = world.torus
    for (let left = Math.ceil(size / this.config.sweepTicks); left > 0; left--) {
      this.sweep(world, this.cursor)
      this.cursor = (this.cursor + 1) % size
    }
  }

  private sweep(world: WorldState, cell: number): void {
    const { cells } = world
    if (cells.isFree(cell)) return
    if (cells.type[cell] === Molecule.energy) return this.fade(world, cell)
    const owner = world.organismById.get(cells.owner[cell] ?? nobody)
    if (owner !== undefined && (isOwnCell(world, owner, cell) || isChildCell(world, owner, cell))) return
    cells.clear(cell)
  }

  private fade(world: WorldState, cell: number): void {
    const energy = world.cells.energyAt(cell)
    const lost = Math.min(energy, this.config.energyLoss)
    world.spent += lost
    if (lost === energy) world.cells.clear(cell)
    else world.cells.set(cell, Molecule.energy, energy - lost, nobody)
  }

  /** Removes the owner from the cells of the dead. A fixed share of the cells turns into energy. */
  release(world: WorldState, dead: ReadonlySet<number>): void {
    const { cells } = world
    for (let cell = 0, found = 0; cell < world.torus.size; cell++) {
      if (!dead.has(cells.owner[cell] ?? nobody)) continue
      if (found++ % this.config.carrionEvery === 0) {
        cells.set(cell, Molecule.energy, this.config.carrionValue, nobody)
        this.released += this.config.carrionValue
      } else cells.give(cell, nobody)
    }
  }

  save(): Uint8Array {
    return new BlobWriter(12).u32(this.cursor).count(this.released).bytes
  }

  load(bytes: Uint8Array, { torus }: WorldState): boolean {
    const blob = new BlobReader(bytes)
    this.cursor = blob.u32(torus.size)
    this.released = blob.count()
    return blob.isComplete
  }
}

/** Adds organisms to a world with few of them, and at once to a world with none. */
export class Panspermia implements Strategy {
  readonly type = "panspermia"
  readonly config: { minOrganisms: number; restTicks: number; organismEnergy: number }
  released = 0
  private rest = 0

  constructor(organisms: number) {
    this.config = { minOrganisms: Math.ceil(organisms / 2), restTicks: 120, organismEnergy: 200 }
  }

  /** Adds the first organisms: as many of `organisms` as find room, at least one. */
  settle(world: WorldState, organisms: number): void {
    for (let index = 0; index < organisms; index++) this.seed(world, index)
    if (world.organisms.length === 0) this.force(world)
  }

  run(world: WorldState): void {
    if (this.rest > 0) this.rest--
    if (world.isFull) return
    if (world.livingOrganisms === 0) this.force(world)
    else if (world.livingOrganisms < this.config.minOrganisms && this.rest === 0) {
      this.rest = this.config.restTicks
      this.seed(world, world.rng.below(ancestors.length))
    }
  }

  private seed(world: WorldState, index: number): void {
    const { genome } = ancestor(index)
    const room = world.findRoom(world.rng.below(world.torus.size), world.torus.size, genome.length, 64)
    if (room !== undefined) this.granted(place(world, room, genome, this.config.organismEnergy))
  }

  /** Places an organism over the content of its cells: no organism is alive there. A tiny world cuts its genome. */
  private force(world: WorldState): void {
    const origin = world.rng.below(world.torus.size)
    const { genome } = ancestor(world.rng.below(ancestors.length))
    const room = { origin, dv: world.randomDirection() }
    this.granted(place(world, room, genome.slice(0, world.torus.maxBody), this.config.organismEnergy))
  }

  private granted({ energy }: Organism): void {
    this.released += energy
  }

  save(): Uint8Array {
    return new BlobWriter(12).u32(this.rest).count(this.released).bytes
  }

  load(bytes: Uint8Array): boolean {
    const blob = new BlobReader(bytes)
    this.rest = blob.u32(this.config.restTicks + 1)
    this.released = blob.count()
    return blob.isComplete
  }
}
