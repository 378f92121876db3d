/**
 * Numbers that look random and are the same for the same seed.
 */

/** The numbers of `seed`. */
export const randomFrom = (seed: number) => {
  let state = (seed * 2_654_435_761 + 1) >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  /** A whole number from `first` to `last`, both included. */
  const between = (first: number, last: number) => first + Math.floor(next() * (last - first + 1))
  return {
    between,
    chance: (probability: number) => next() < probability,
    pick: <A>(values: readonly [A, ...Array<A>]): A => values[between(0, values.length - 1)] ?? values[0]
  }
}

export type Random = ReturnType<typeof randomFrom>
