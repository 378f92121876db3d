// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { run, temporaryFolder } from "./process.ts"

const preload = fileURLToPath(new URL("killAt.ts", import.meta.url))

/** Runs `tickvault` with `args` and sends `signal` at its call number `step` that changes something in `folder`; 0 for none. */
export const runKilledAt = async (
  args: ReadonlyArray<string>,
  folder: string,
  step: number,
  signal: NodeJS.Signals = "SIGKILL"
) => {
  const record = join(temporaryFolder(), "steps")
  const ended = await run(args, {
    env: {
      NODE_OPTIONS: `--import=${preload}`,
      KILL_AT_STEP: String(step),
      KILL_AT_STEP_SIGNAL: signal,
      KILL_AT_STEP_FOLDER: folder,
      KILL_AT_STEP_RECORD: record
    }
  })
  const steps = existsSync(record) ? readFileSync(record, "utf8").trimEnd().split("\n") : []
  return { ended, steps }
}

/** Does `of` for each step in its turn, as many at a time as there are processors for. */
export const forEachStep = async (steps: ReadonlyArray<number>, of: (step: number) => Promise<void>): Promise<void> => {
  const left = [...steps]
  const worker = async () => {
    for (let step = left.shift(); step !== undefined; step = left.shift()) await of(step)
  }
  await Promise.all([worker(), worker()])
}
