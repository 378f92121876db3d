// @effect-diagnostics nodeBuiltinImport:off
/**
 * The start time of the command line, compared with Node alone.
 */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Case, Turn } from "../Case.ts"
import { timed } from "../turns.ts"

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

const run = (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv): void => {
  const { error, status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env })
  if (error !== undefined || status !== 0) throw new Error(`${args.join(" ")}: ${error?.message ?? stderr}`)
}

/** Starts the process once, so that its files are cached, then once for the measurement. */
const start = (args: ReadonlyArray<string>, more: NodeJS.ProcessEnv = {}): Turn => {
  const env = { ...process.env, ...more }
  return () =>
    Effect.sync(() => {
      run(args, env)
      return { seconds: timed(() => run(args, env)), ticks: 0, bytes: 0, peakKilobytes: null }
    })
}

/** Like the very first start: no compiled code is cached. */
const firstTime = { NODE_DISABLE_COMPILE_CACHE: "1" }

export const cases: ReadonlyArray<Case> = [
  {
    name: "start",
    settings: {},
    peer: "node -e 0",
    ours: "tickvault --help",
    goal: { of: "delay", atMost: 0.35 },
    turns: { in: "processes", peer: start(["-e", "0"]), ours: start([main, "--help"]) }
  },
  {
    name: "start, the first time",
    settings: {},
    peer: "node -e 0",
    ours: "tickvault --help",
    goal: { of: "delay", atMost: 0.35 },
    turns: { in: "processes", peer: start(["-e", "0"], firstTime), ours: start([main, "--help"], firstTime) }
  }
]
