/**
 * The space and the organisms of a world at one moment. Organisms and strategies change it.
 */
import { Cells } from "./cells.ts"
import type { Organism } from "./organism.ts"
import type { Rng } from "./rng.ts"
import { Torus, type Direction } from "./torus.ts"

/** The kind of a world. A world can load the state of another world of the same kind. */
export interface Kind {
  readonly shape: ReadonlyArray<number>
  /** The number of organisms in the options. */
  readonly organisms: number
}

/** The place of a body, taken or free. */
export interface Room {
  readonly origin: number
  readonly dv: Direction
}

/** The last id that an organism can have. */
const lastId = 0x7fff_ffff
const crowd = 3

export class WorldState {
  readonly kind: Kind
  readonly torus: Torus
  readonly cells: Cells
  readonly organismById = new Map<number, Organism>()
  readonly maxOrganisms: number
  /** The largest distance of a child from its parent, in cells along each axis. */
  readonly nurseryReach = 10
  rng: Rng
  tickNumber = 0n
  /** In order of birth. Includes those that died in the present tick. */
  organisms: Array<Organism> = []
  livingOrganisms = 0
  nextId = 1
  /** Energy units spent since the beginning. */
  spent = 0
  /** The address, in its organism's genome, of the instruction that runs at the moment. */
  instructionAddress = 0

  /** A world without life. */
  constructor(kind: Kind, rng: Rng) {
    this.kind = kind
    this.torus = new Torus(kind.shape)
    this.cells = new Cells(this.torus.size)
    this.maxOrganisms = kind.organisms * crowd
    this.rng = rng
  }

  get isFull(): boolean {
    return this.livingOrganisms >= this.maxOrganisms || this.nextId > lastId
  }

  /** Adds an organism that lives. */
  add(organism: Organism): void {
    this.organisms.push(organism)
    this.organismById.set(organism.id, organism)
    this.livingOrganisms++
  }

  /** Marks `organism` as dead. It stays in the list until the next tick. */
  forget(organism: Organism): void {
    organism.isDead = true
    this.organismById.delete(organism.id)
    this.livingOrganisms--
  }

  /** Takes energy from `organism`, at most as much as it has. */
  spend(organism: Organism, energy: number): void {
    const taken = Math.min(organism.energy, energy)
    organism.energy -= taken
    this.spent += taken
  }

  /** Keeps the instruction pointer of the running `organism` at its current instruction. */
  stay(organism: Organism): void {
    organism.address = this.instructionAddress
  }

  randomDirection(): Direction {
    return this.torus.directions[this.rng.below(this.torus.directions.length)] ?? this.torus.forward
  }

  /** A free place within `reach` of `center` for a body of `length` cells. `undefined` after `tries` failed tries. */
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
}
