// Tests are told by the environment how long to go on. @effect-diagnostics processEnv:off

/** Whether there is time for the long forms (`npm run test:soak`). */
export const soak = process.env["SOAK"] === "1"

/** The seeds to try: `count` of them from `from` on, `long` when there is time; with SEED=N only that one, wherever it belongs. */
export const seeds = (from: number, count: number, long: number): ReadonlyArray<number> => {
  const only = process.env["SEED"]
  if (only !== undefined && only !== "") return [Number(only)]
  return Array.from({ length: soak ? long : count }, (_, index) => from + index)
}
