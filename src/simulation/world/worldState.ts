/**
 * The space of a world and its organisms at one moment: what organisms and strategies work on.
 */
import { Cells } from "./cells.ts"
import type { Organism } from "./organism.ts"
import type { Rng } from "./rng.ts"
import { Torus, type Direction } from "./torus.ts"

/** What kind of world it is. Worlds of the same kind can take over each other's state. */
export interface Kind {
  readonly shape: ReadonlyArray<number>
  /** Number of organisms that the world is made for. */
  readonly organisms: number
}

/** Where a body can be, or is. */
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
}
