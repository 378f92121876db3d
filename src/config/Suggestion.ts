/** Finds the known name that a misspelled one probably means. */

/** Edits (insert, delete, replace, swap neighbours) between two names. */
const distance = (from: string, to: string): number => {
  let beforeLast: ReadonlyArray<number> = []
  let last: ReadonlyArray<number> = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const replace = (last[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1)
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current.push(
        Math.min(
          (last[column] ?? 0) + 1,
          (current[column - 1] ?? 0) + 1,
          replace,
          swapped ? (beforeLast[column - 2] ?? 0) + 1 : Infinity
        )
      )
    }
    beforeLast = last
    last = current
  }
  return last[to.length] ?? 0
}

/** The known name nearest to `name`, if it is near enough. Longer names may differ more. */
export const nearest = (name: string, known: Iterable<string>): string | undefined => {
  const found = name.toLowerCase().slice(0, 200)
  let best: { readonly candidate: string; readonly edits: number } | undefined
  for (const candidate of known) {
    const edits = distance(found, candidate.toLowerCase())
    if (best === undefined || edits < best.edits) best = { candidate, edits }
  }
  if (best === undefined) return undefined
  const bearable = Math.max(1, Math.floor(best.candidate.length / 4))
  return best.edits <= bearable && best.edits < best.candidate.length ? best.candidate : undefined
}

/** "did you mean `x`?", or else the known names, or `none` when there are no names. */
export const didYouMean = (name: string, known: ReadonlyArray<string>, none: string): string => {
  const near = nearest(name, known)
  if (near !== undefined) return `did you mean \`${near}\`?`
  return known.length === 0 ? none : `known: ${known.join(", ")}`
}
