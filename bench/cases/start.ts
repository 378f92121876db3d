// @effect-diagnostics nodeBuiltinImport:off
/**
 * How long it takes until the command line is there, beside Node alone.
 */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Case, Turn } from "../Case.ts"
import { timed } from "../turns.ts"

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

const run = (args: ReadonlyArray<string>): void => {
  const { error, status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" })
  if (error !== undefined || status !== 0) throw new Error(`${args.join(" ")}: ${error?.message ?? stderr}`)
}

/** Starts the process once to warm the caches, then once for the figure. */
const start = (...args: ReadonlyArray<string>): Turn => {
  return () =>
    Effect.sync(() => {
      run(args)
      return { seconds: timed(() => run(args)), ticks: 0, bytes: 0 }
    })
}

export const cases: ReadonlyArray<Case> = [
  {
    name: "start",
    settings: {},
    peer: "node -e 0",
    ours: "tickvault --help",
    goal: { of: "delay", atMost: 0.35 },
    turns: { in: "processes", peer: start("-e", "0"), ours: start(main, "--help") }
  }
]
