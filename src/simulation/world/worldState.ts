/**
 * All of the world at one moment, and how the next moment follows from it.
 *
 * In a tick every living organism runs one instruction, the oldest first; then those without energy die, and the
 * strategies do their part. Nothing else changes a world, and all chance comes from its `rng`.
 *
 * Energy is accounted for to the unit: what the strategies have released, less what was spent, is what organisms hold
 * and cells contain.
 */
import { Cells } from "./cells.ts"
import type { Organism } from "./organism.ts"
import { execute } from "./processor.ts"
import type { Room } from "./reproduction.ts"
import { Rng } from "./rng.ts"
import { Decay, Geysers, Panspermia, Solar, type Strategy } from "./strategies.ts"
import { Torus, type Direction } from "./torus.ts"

/** What kind of world it is. Worlds of the same kind can take over each other's state. */
export interface Kind {
  readonly shape: ReadonlyArray<number>
  /** Number of organisms that the world is made for. */
  readonly organisms: number
}

/** The last id that an organism can have. */
const lastId = 0x7fff_ffff
const crowd = 3

export class WorldState {
  readonly kind: Kind
  readonly torus: Torus
  readonly cells: Cells
  readonly organismById = new Map<number, Organism>()
  readonly strategies: ReadonlyArray<Strategy>
  readonly maxOrganisms: number
  /** How far from its parent a child can be, in cells along each axis. */
  readonly nurseryReach = 10
  rng: Rng
  tickNumber = 0n
  /** In order of birth. Includes those that died in this very tick. */
  organisms: Array<Organism> = []
  livingOrganisms = 0
  nextId = 1
  /** Energy units gone since the beginning. */
  spent = 0
  /** Where in its genome the instruction stands that an organism runs at the moment. */
  instructionAddress = 0
  private readonly decay = new Decay()

  /** A world without life. */
  constructor(kind: Kind, rng: Rng) {
    this.kind = kind
    this.torus = new Torus(kind.shape)
    this.cells = new Cells(this.torus.size)
    this.maxOrganisms = kind.organisms * crowd
    this.rng = rng
    this.strategies = [
      new Solar(kind.organisms),
      new Geysers(kind.organisms),
      this.decay,
      new Panspermia(kind.organisms)
    ]
  }

  /** A new world at tick 0, with its first organisms. */
  static genesis(kind: Kind, seed: number): WorldState {
    const world = new WorldState(kind, Rng.fromSeed(seed))
    for (const strategy of world.strategies) {
      if (strategy instanceof Geysers) strategy.settle(world)
      if (strategy instanceof Panspermia) strategy.settle(world, kind.organisms)
    }
    return world
  }

  get isFull(): boolean {
    return this.livingOrganisms >= this.maxOrganisms || this.nextId > lastId
  }

  /** Advances the world by one tick. */
  step(): void {
    this.tickNumber += 1n
    this.buryTheDead()
    const born = this.organisms.length
    for (let index = 0; index < born; index++) {
      const organism = this.organisms[index]
      if (organism !== undefined) execute(this, organism)
    }
    this.death()
    for (const strategy of this.strategies) strategy.run(this)
  }

  /** Adds an organism that lives. */
  add(organism: Organism): void {
    this.organisms.push(organism)
    this.organismById.set(organism.id, organism)
    this.livingOrganisms++
  }

  /** Takes note that `organism`, which was added, is dead. It is listed until the next tick. */
  forget(organism: Organism): void {
    organism.isDead = true
    this.organismById.delete(organism.id)
    this.livingOrganisms--
  }

  /** Takes energy from `organism`, at most what it has. */
  spend(organism: Organism, energy: number): void {
    const taken = Math.min(organism.energy, energy)
    organism.energy -= taken
    this.spent += taken
  }

  /** Keeps the instruction pointer of `organism`, whose turn it is, at the instruction that is run. */
  stay(organism: Organism): void {
    organism.address = this.instructionAddress
  }

  randomDirection(): Direction {
    return this.torus.directions[this.rng.below(this.torus.directions.length)] ?? this.torus.forward
  }

  /** A place within `reach` of `center` where a body of `length` cells fits; `undefined` when `tries` show none. */
  findRoom(center: number, reach: number, length: number, tries: number): Room | undefined {
    if (length > this.torus.maxBody) return undefined
    for (let left = tries; left > 0; left--) {
      let origin = center
      for (let axis = 0; axis < this.torus.shape.length; axis++) {
        origin = this.torus.shift(origin, axis, this.rng.below(2 * reach + 1) - reach)
      }
      const dv = this.randomDirection()
      if (this.isRoom(origin, dv, length)) return { origin, dv }
    }
    return undefined
  }

  private isRoom(origin: number, dv: Direction, length: number): boolean {
    for (let address = 0; address < length; address++) {
      if (!this.cells.isFree(this.torus.bodyCell(origin, dv, address))) return false
    }
    return true
  }

  private buryTheDead(): void {
    if (this.livingOrganisms < this.organisms.length) {
      this.organisms = this.organisms.filter((organism) => !organism.isDead)
    }
  }

  private death(): void {
    let dead: Set<number> | undefined
    for (const organism of this.organisms) {
      if (organism.energy > 0) continue
      this.forget(organism)
      dead = (dead ?? new Set()).add(organism.id)
    }
    if (dead !== undefined) this.decay.release(this, dead)
  }
}
