/** The cells of the world: the molecule in each, and the organism that owns it. */

/** The values of `CellState.molecule_type`. A `code` molecule of value 0 is an empty cell. */
export const Molecule = { code: 0, data: 1, energy: 2, structure: 3 } as const

export const moleculeTypes = 4

/** Owner of a cell without an owner. Organisms count from 1. */
export const nobody = 0

export class Cells {
  readonly type: Uint8Array
  readonly value: Int32Array
  readonly owner: Int32Array
  /** One bit for each cell, set when it has a molecule or an owner. 32 cells in a word, the lowest bit first. */
  readonly occupied: Uint32Array
  /** Number of cells that hold energy. */
  energyCells = 0

  constructor(size: number) {
    this.type = new Uint8Array(size)
    this.value = new Int32Array(size)
    this.owner = new Int32Array(size)
    this.occupied = new Uint32Array(Math.ceil(size / 32))
  }

  set(cell: number, type: number, value: number, owner: number): void {
    if (this.type[cell] === Molecule.energy) this.energyCells--
    if (type === Molecule.energy) this.energyCells++
    this.type[cell] = type
    this.value[cell] = value
    this.owner[cell] = owner
    const bit = 1 << (cell & 31)
    const word = this.occupied[cell >>> 5] ?? 0
    this.occupied[cell >>> 5] = (type | value | owner) === 0 ? word & ~bit : word | bit
  }

  /** Gives `cell` to `owner`, with the molecule in it. */
  give(cell: number, owner: number): void {
    this.set(cell, this.type[cell] ?? 0, this.value[cell] ?? 0, owner)
  }

  clear(cell: number): void {
    this.set(cell, Molecule.code, 0, nobody)
  }

  /** Whether `cell` has no molecule and no owner. */
  isFree(cell: number): boolean {
    return ((this.occupied[cell >>> 5] ?? 0) & (1 << (cell & 31))) === 0
  }

  /** The energy that lies in `cell`. */
  energyAt(cell: number): number {
    return this.type[cell] === Molecule.energy ? (this.value[cell] ?? 0) : 0
  }
}
