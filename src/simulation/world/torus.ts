/**
 * The space of the world: an n-dimensional torus with cells in row-major order, and the layout of a body in it.
 *
 * A body is a sequence of cells, laid out like the text of a page: along its direction for the width of a row, then in the
 * next row along the following axis. The width is chosen so that a body of `maxBody` cells never overlaps itself.
 */

/** One step along an axis. There is one shared object for each direction of a torus. */
export interface Direction {
  readonly axis: number
  readonly sign: 1 | -1
  readonly vector: ReadonlyArray<number>
}

/** The largest number of cells of a body. A small world allows fewer. */
export const bodyLimit = 64

const rowWidth = 6

export class Torus {
  readonly shape: ReadonlyArray<number>
  readonly size: number
  /** All directions: along and against each axis. */
  readonly directions: ReadonlyArray<Direction>
  readonly forward: Direction
  readonly maxBody: number
  private readonly strides: ReadonlyArray<number>
  /** The coordinates of every cell, one after the other. Stored because they are used often and divisions are slow. */
  readonly places: Uint16Array
  /** Number of axes. */
  readonly axes: number
  private readonly widths: ReadonlyArray<number>

  constructor(shape: ReadonlyArray<number>) {
    this.shape = shape
    this.size = shape.reduce((product, extent) => product * extent, 1)
    this.maxBody = Math.min(bodyLimit, this.size)
    this.strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, extent) => product * extent, 1))
    this.widths = shape.map((extent) =>
      Math.min(extent, Math.max(rowWidth, Math.ceil((this.maxBody * extent) / this.size)))
    )
    this.axes = shape.length
    this.places = new Uint16Array(this.size * shape.length)
    for (let cell = 0, at = 0; cell < this.size; cell++) {
      for (let axis = 0; axis < shape.length; axis++) {
        this.places[at++] = Math.floor(cell / (this.strides[axis] ?? 1)) % (shape[axis] ?? 1)
      }
    }
    this.forward = direction(shape.length, 0, 1)
    this.directions = shape.flatMap((_, axis) => [
      axis === 0 ? this.forward : direction(shape.length, axis, 1),
      direction(shape.length, axis, -1)
    ])
  }

  /** The cell `distance` cells on from `cell` along `axis`. */
  shift(cell: number, axis: number, distance: number): number {
    const extent = this.shape[axis] ?? 1
    const stride = this.strides[axis] ?? 1
    const from = this.coordinate(cell, axis)
    let to = from + distance
    if (to < 0 || to >= extent) to = ((to % extent) + extent) % extent
    return cell + (to - from) * stride
  }

  neighbour(cell: number, direction: Direction): number {
    return this.shift(cell, direction.axis, direction.sign)
  }

  coordinate(cell: number, axis: number): number {
    return this.places[cell * this.axes + axis] ?? 0
  }

  /** The coordinates of `cell`, in an array of its own. */
  coordinates(cell: number): Array<number> {
    const components: Array<number> = []
    for (let axis = 0; axis < this.shape.length; axis++) components.push(this.coordinate(cell, axis))
    return components
  }

  /** The cell with these coordinates. `undefined` when they are outside of this torus. */
  cellOf(components: ReadonlyArray<number>): number | undefined {
    if (components.length !== this.shape.length) return undefined
    let cell = 0
    for (let axis = 0; axis < components.length; axis++) {
      const component = components[axis] ?? -1
      if (component < 0 || component >= (this.shape[axis] ?? 0)) return undefined
      cell += component * (this.strides[axis] ?? 1)
    }
    return cell
  }

  /** The shared direction with this vector. `undefined` when it isn't one step along one axis. */
  directionOf(vector: ReadonlyArray<number>): Direction | undefined {
    return this.directions.find(
      (one) => one.vector.length === vector.length && one.vector.every((component, axis) => component === vector[axis])
    )
  }

  /** The cell at `address` of a body that starts in `origin`. `address` is below `maxBody`. */
  bodyCell(origin: number, { axis, sign }: Direction, address: number): number {
    const width = this.widths[axis] ?? 1
    let cell = this.shift(origin, axis, sign * (address % width))
    let row = Math.floor(address / width)
    for (let next = 1; row > 0; next++) {
      const across = (axis + next) % this.shape.length
      const extent = this.shape[across] ?? 1
      cell = this.shift(cell, across, row % extent)
      row = Math.floor(row / extent)
    }
    return cell
  }

  /** The first `length` cells of a body. */
  bodyCells(origin: number, dv: Direction, length: number): Int32Array {
    const cells = new Int32Array(length)
    for (let address = 0; address < length; address++) cells[address] = this.bodyCell(origin, dv, address)
    return cells
  }

  /** The address of `cell` in a body of any length that starts in `origin`. -1 when no row of the body reaches it. */
  bodyAddress(origin: number, { axis, sign }: Direction, cell: number): number {
    const width = this.widths[axis] ?? 1
    const column = this.distance(origin, cell, axis, sign)
    if (column >= width) return -1
    let address = column
    let weight = width
    for (let next = 1; next < this.shape.length; next++) {
      const across = (axis + next) % this.shape.length
      address += weight * this.distance(origin, cell, across, 1)
      weight *= this.shape[across] ?? 1
    }
    return address
  }

  private distance(from: number, to: number, axis: number, sign: 1 | -1): number {
    const extent = this.shape[axis] ?? 1
    const [start, end] = sign > 0 ? [from, to] : [to, from]
    const distance = this.coordinate(end, axis) - this.coordinate(start, axis)
    return distance < 0 ? distance + extent : distance
  }
}

const direction = (dimensions: number, axis: number, sign: 1 | -1): Direction => ({
  axis,
  sign,
  vector: Object.freeze(Array.from({ length: dimensions }, (_, index) => (index === axis ? sign : 0)))
})
