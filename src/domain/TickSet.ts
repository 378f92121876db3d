/**
 * A set of tick numbers. Its memory grows with the number of gaps, not with the number of ticks.
 *
 * A *stretch* is a sequence of evenly spaced numbers, such as 10, 20, 30. The step of a run is the greatest one such that
 * all its numbers are multiples of it, counted from the first. A tick is missing when it lies between others, at a multiple
 * of the step.
 *
 * ```ts
 * import * as TickSet from "tickvault/domain/TickSet"
 *
 * const stored = TickSet.stretches([1n, 2n, 3n, 7n, 8n])
 * // One gap: ticks 4 to 6.
 * export const gaps = new TickSet.TickSet(stored, TickSet.commonStep(stored)).gaps
 * ```
 */
import * as Order from "effect/Order"

/** Evenly spaced tick numbers from `first` to `last`, both included. `step` is 0 for a single tick. */
export interface Stretch {
  readonly first: bigint
  readonly last: bigint
  readonly step: bigint
}

/** Tick numbers from `first` to `last`, both included. */
export type Range = Pick<Stretch, "first" | "last">

/** Missing ticks between two present ones. */
export interface Gap {
  readonly first: bigint
  readonly last: bigint
  readonly count: bigint
}

const byFirst = Order.mapInput(Order.BigInt, ({ first }: Stretch) => first)

/** The distinct numbers in ascending order, as few stretches. */
export const stretches = (numbers: Iterable<bigint>): Array<Stretch> => {
  const sorted = [...numbers]
  if (sorted.some((number, index) => index > 0 && number < sorted[index - 1]!)) sorted.sort(Order.BigInt)
  const found: Array<{ first: bigint; last: bigint; step: bigint }> = []
  for (const number of sorted) {
    const current = found.at(-1)
    if (current?.last === number) continue
    if (current === undefined || (current.step !== 0n && number - current.last !== current.step)) {
      found.push({ first: number, last: number, step: 0n })
    } else {
      current.step = number - current.last
      current.last = number
    }
  }
  return found
}

/** The number of ticks in `stretch`. */
export const count = ({ first, last, step }: Stretch): bigint => (step === 0n ? 1n : (last - first) / step + 1n)

/** The number of ticks in `stretches`, which must not overlap. */
export const size = (stretches: ReadonlyArray<Stretch>): bigint =>
  stretches.reduce((total, stretch) => total + count(stretch), 0n)

/** The tick numbers of `stretch` in ascending order. */
export function* numbers({ first, last, step }: Stretch): Generator<bigint, void> {
  for (let number = first; number <= last; number += step) {
    yield number
    if (step === 0n) return
  }
}

/** The greatest common divisor; 0 of 0 and 0. */
export const gcd = (a: bigint, b: bigint): bigint => {
  let [greater, smaller] = [a < 0n ? -a : a, b < 0n ? -b : b]
  while (smaller !== 0n) [greater, smaller] = [smaller, greater % smaller]
  return greater
}

/** The greatest common step of `all`. 1 when they have fewer than two ticks. */
export const commonStep = (all: Iterable<Stretch>): bigint => {
  let step = 0n
  let origin: bigint | undefined
  for (const stretch of all) {
    origin ??= stretch.first
    step = gcd(gcd(step, stretch.step), stretch.first - origin)
  }
  return step === 0n ? 1n : step
}

/** A set of ticks with a common step. Ticks that are one step apart form one stretch. */
export class TickSet {
  readonly step: bigint
  /** In ascending order, more than a step apart. */
  readonly stretches: ReadonlyArray<Stretch>
  /** Ranges with ticks that were added more than once. Not every tick in a range was. */
  readonly overlaps: ReadonlyArray<Stretch>

  /** The ticks of `all`, whose distances must be multiples of `step`. */
  constructor(all: Iterable<Stretch>, step: bigint) {
    this.step = step
    const sorted = [...all].flatMap((stretch) => TickSet.onGrid(stretch, step)).sort(byFirst)
    const merged: Array<{ first: bigint; last: bigint; step: bigint }> = []
    const overlaps: Array<Stretch> = []
    for (const { first, last } of sorted) {
      const current = merged.at(-1)
      if (current === undefined || first > current.last + step) {
        merged.push({ first, last, step })
        continue
      }
      if (first <= current.last) overlaps.push({ first, last: last < current.last ? last : current.last, step })
      if (last > current.last) current.last = last
    }
    this.stretches = merged
    this.overlaps = overlaps
  }

  private static onGrid(stretch: Stretch, step: bigint): Array<Stretch> {
    if (stretch.step === step || stretch.step === 0n) return [stretch]
    const singles: Array<Stretch> = []
    for (let number = stretch.first; number <= stretch.last; number += stretch.step) {
      singles.push({ first: number, last: number, step: 0n })
    }
    return singles
  }

  /** The number of distinct ticks. */
  get size(): bigint {
    return this.stretches.reduce((total, { first, last }) => total + (last - first) / this.step + 1n, 0n)
  }

  get first(): bigint | undefined {
    return this.stretches[0]?.first
  }

  get last(): bigint | undefined {
    return this.stretches.at(-1)?.last
  }

  has(tickNumber: bigint): boolean {
    const stretch = this.stretches[this.lastUpTo(tickNumber)]
    return stretch !== undefined && tickNumber <= stretch.last && (tickNumber - stretch.first) % this.step === 0n
  }

  /** Whether a stretch overlaps the range from `first` to `last`, both included. */
  touches({ first, last }: Range): boolean {
    const stretch = this.stretches[this.lastUpTo(last)]
    return stretch !== undefined && stretch.last >= first
  }

  /** The index of the last stretch that begins at `tickNumber` or before. -1 when there is none. */
  private lastUpTo(tickNumber: bigint): number {
    let low = 0
    let high = this.stretches.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      if (this.stretches[middle]!.first <= tickNumber) low = middle + 1
      else high = middle - 1
    }
    return high
  }

  /** The missing ticks between the first and the last tick, in ascending order. */
  get gaps(): Array<Gap> {
    return this.stretches.slice(1).map(({ first }, index) => {
      const before = this.stretches[index]!.last
      return { first: before + this.step, last: first - this.step, count: (first - before) / this.step - 1n }
    })
  }
}
