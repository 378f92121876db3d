// Tests are told by the environment how much to try. @effect-diagnostics processEnv:off

/**
 * How much the tests try: `short` is `npm test` (minutes), `long` is `npm run test:long` (all cases, under half an hour),
 * `soak` is `npm run test:soak` (hours, by hand). A file that asks for it has the tag `long`: `test:long` runs those.
 */
export type Effort = "short" | "long" | "soak"

const wanted = process.env["TEST_EFFORT"]

export const effort: Effort = wanted === "long" || wanted === "soak" ? wanted : "short"

/** Whether all cases are wanted, not only those that stand for the others. */
export const isExhaustive = effort !== "short"

/** The value for the effort of this run. */
export const byEffort = <A>(choices: Readonly<Record<Effort, A>>): A => choices[effort]

/** All of them when all cases are wanted, otherwise each `every`th, the first of them at `offset`. */
export const some = <A>(all: ReadonlyArray<A>, every: number, offset = 0): ReadonlyArray<A> =>
  isExhaustive ? all : all.filter((_, index) => index % every === offset % every)

/** The seeds to try, from `from` on, as many as `counts` says; with SEED=N only that one, wherever it belongs. */
export const seeds = (from: number, counts: Readonly<Record<Effort, number>>): ReadonlyArray<number> => {
  const only = process.env["SEED"]
  if (only !== undefined && only !== "") return [Number(only)]
  return Array.from({ length: byEffort(counts) }, (_, index) => from + index)
}
