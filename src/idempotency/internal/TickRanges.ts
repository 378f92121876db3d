/**
 * A mutable set of tick numbers. Its memory grows with the number of gaps, not with the number of ticks.
 *
 * It keeps ranges of evenly spaced numbers in ascending order, without overlaps. A number that continues a range
 * extends it. Two single numbers form a range whose step is their distance. So a run that captures every n-th tick is
 * one range, even when its ticks come one by one. A number inside a range but not at a multiple of its step splits the
 * range. Numbers without a gap take at most two ranges.
 *
 * Ranges lie in blocks of a few hundred. So a search takes logarithmic time, and an insertion moves only one block.
 * Adding after the last range takes constant time.
 */
import type * as TickSet from "../../domain/TickSet.ts"

type Range = TickSet.Stretch

/** The largest number of ranges in a block. A larger block is split in two. */
const maxBlock = 256

const single = (number: bigint): Range => ({ first: number, last: number, step: 0n })

const range = (first: bigint, last: bigint, step: bigint): Range => ({ first, last, step: first === last ? 0n : step })

const holds = ({ first, last, step }: Range, number: bigint): boolean =>
  number >= first && number <= last && (step === 0n || (number - first) % step === 0n)

/** The part of the range below `limit`. */
const before = ({ first, last, step }: Range, limit: bigint): Array<Range> => {
  if (first >= limit) return []
  return last < limit ? [{ first, last, step }] : [range(first, first + ((limit - 1n - first) / step) * step, step)]
}

/** The part of the range above `limit`. */
const after = ({ first, last, step }: Range, limit: bigint): Array<Range> => {
  if (last <= limit) return []
  return first > limit ? [{ first, last, step }] : [range(first + ((limit - first) / step + 1n) * step, last, step)]
}

/** Whether the numbers of `inner` between the ends of `outer` are all numbers of `outer`. */
const isOnGrid = (inner: Range, outer: Range): boolean =>
  outer.step !== 0n && inner.step % outer.step === 0n && (inner.first - outer.first) % outer.step === 0n

/** Two neighbours as one range, if that is possible. */
const joined = (left: Range, right: Range): Range | undefined => {
  const apart = right.first - left.last
  const fits = (left.step === 0n || left.step === apart) && (right.step === 0n || right.step === apart)
  return fits ? { first: left.first, last: right.last, step: apart } : undefined
}

const each = ({ first, last, step }: Range, visit: (number: bigint) => void): void => {
  if (step === 0n) return visit(first)
  for (let number = first; number <= last; number += step) visit(number)
}

const joinAll = (ranges: ReadonlyArray<Range>): Array<Range> => {
  const all: Array<Range> = []
  for (const next of ranges) {
    const last = all.at(-1)
    const both = last === undefined ? undefined : joined(last, next)
    if (both === undefined) all.push(next)
    else all[all.length - 1] = both
  }
  return all
}

const sizeOf = (ranges: ReadonlyArray<Range>): number => {
  let size = 0
  for (const one of ranges) size += one.step === 0n ? 1 : Number((one.last - one.first) / one.step) + 1
  return size
}

/** The ranges that overlap a given one, a neighbour on each side, and the position of the first of them. */
interface Window {
  readonly block: number
  readonly index: number
  readonly left: ReadonlyArray<Range>
  readonly touched: ReadonlyArray<Range>
  readonly right: ReadonlyArray<Range>
}

/** It has state: don't share it. */
export class TickRanges {
  /** No block is empty. */
  private readonly blocks: Array<Array<Range>> = []
  /** The number of ranges. */
  count = 0
  /** The number of ticks, exact up to 2^53. */
  size = 0

  has(number: bigint): boolean {
    const found = this.fromOn(number)
    return found !== undefined && holds(found, number)
  }

  /** Whether a range overlaps `first` to `last`, both included. If not, the set has none of these numbers. */
  touches({ first, last }: Pick<Range, "first" | "last">): boolean {
    const found = this.fromOn(first)
    return found !== undefined && found.first <= last
  }

  add(added: Range): void {
    const window = this.around(added)
    if (window === undefined) return each(added, (number) => this.add(single(number)))
    const [only, ...others] = window.touched
    if (only === undefined) this.put(window, [added])
    else if (others.length === 0 && added.step === 0n) {
      if (!holds(only, added.first)) this.put(window, [...before(only, added.first), added, ...after(only, added.last)])
    } else if (window.touched.every((one) => isOnGrid(one, added))) {
      this.put(window, [...before(only, added.first), added, ...after(others.at(-1) ?? only, added.last)])
    } else each(added, (number) => this.add(single(number)))
  }

  remove(removed: Range): void {
    const window = this.around(removed)
    if (window === undefined) return each(removed, (number) => this.remove(single(number)))
    const [only, ...others] = window.touched
    if (only === undefined) return
    if (others.length === 0 && removed.step === 0n) {
      if (holds(only, removed.first)) this.put(window, [...before(only, removed.first), ...after(only, removed.last)])
    } else if (window.touched.every((one) => isOnGrid(one, removed))) {
      this.put(window, [...before(only, removed.first), ...after(others.at(-1) ?? only, removed.last)])
    } else each(removed, (number) => this.remove(single(number)))
  }

  /** Forgets the lowest ranges, at least `count` of them if there are so many. */
  removeLowest(count: number): void {
    for (let removed = 0; removed < count;) {
      const block = this.blocks.shift()
      if (block === undefined) return
      removed += block.length
      this.count -= block.length
      this.size -= sizeOf(block)
    }
  }

  /** All ranges in ascending order. */
  get ranges(): ReadonlyArray<Range> {
    return this.blocks.flat()
  }

  /** The first range that ends at `number` or after. */
  private fromOn(number: bigint): Range | undefined {
    const block = this.blockFrom(number)
    const ranges = this.blocks[block]
    return ranges?.[TickRanges.indexFrom(ranges, number)]
  }

  /** The first block that ends at `number` or after. The number of blocks when there is none. */
  private blockFrom(number: bigint): number {
    const highest = this.blocks.at(-1)?.at(-1)
    if (highest === undefined || highest.last < number) return this.blocks.length
    let [low, high] = [0, this.blocks.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      const last = this.blocks[middle]?.at(-1)
      if (last !== undefined && last.last < number) low = middle + 1
      else high = middle
    }
    return low
  }

  private static indexFrom(ranges: ReadonlyArray<Range>, number: bigint): number {
    let [low, high] = [0, ranges.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      const one = ranges[middle]
      if (one !== undefined && one.last < number) low = middle + 1
      else high = middle
    }
    return low
  }

  private around(of: Range): Window | undefined {
    const { first, last } = of
    let block = this.blockFrom(first)
    let index = TickRanges.indexFrom(this.blocks[block] ?? [], first)
    if (index > 0) index--
    else if (block > 0) index = (this.blocks[--block]?.length ?? 1) - 1
    const start = { block, index }
    const [left, touched, right]: [Array<Range>, Array<Range>, Array<Range>] = [[], [], []]
    for (; right.length === 0 && block < this.blocks.length; block++, index = 0) {
      const ranges = this.blocks[block] ?? []
      for (let one = ranges[index]; one !== undefined && right.length === 0; one = ranges[++index]) {
        if (one.last < first) left.push(one)
        else if (one.first > last) right.push(one)
        else if (touched.push(one) > sizeOf([of]) + 1) return undefined
      }
    }
    return { ...start, left, touched, right }
  }

  /** Replaces the touched ranges by `inner`. */
  private put({ block, index, left, right, touched }: Window, inner: ReadonlyArray<Range>): void {
    const after = joinAll([...left, ...inner, ...right])
    let old = left.length + touched.length + right.length
    this.size += sizeOf(inner) - sizeOf(touched)
    this.count += after.length - old
    const into = this.blocks[block]
    if (into === undefined) return void this.blocks.push(after)
    const here = Math.min(old, into.length - index)
    into.splice(index, here, ...after)
    for (old -= here; old > 0;) {
      const next = this.blocks[block + 1]?.splice(0, old)
      old -= next?.length ?? old
      if (this.blocks[block + 1]?.length === 0) this.blocks.splice(block + 1, 1)
    }
    if (into.length === 0) this.blocks.splice(block, 1)
    else if (into.length > maxBlock) this.blocks.splice(block + 1, 0, into.splice(into.length >> 1))
  }
}
