// @effect-diagnostics globalConsole:off
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import type { Reporter } from "vitest/node"
import { complaint } from "./src/cli/nodeVersion.ts"

const problem = complaint(process.versions.node)
if (problem !== undefined) throw new Error(problem)

/** Ends the output with one plain line that scripts can read. */
const count: Reporter = {
  onTestRunEnd(modules) {
    const states = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state))
    const of = (state: string) => states.filter((one) => one === state).length
    console.log(`${of("passed")} passed, ${of("failed")} failed, ${of("skipped")} skipped`)
  }
}

/** `vitest run --mode soak` runs the long forms. */
export default defineConfig(({ mode }) => ({
  resolve: {
    // Examples import the package by its name, as its users do.
    alias: [
      { find: /^tickvault$/u, replacement: fileURLToPath(new URL("./src/index.ts", import.meta.url)) },
      { find: /^tickvault\/(.*)$/u, replacement: fileURLToPath(new URL("./src/$1.ts", import.meta.url)) }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: mode === "soak" ? 3_600_000 : 60_000,
    env: mode === "soak" ? { SOAK: "1" } : {},
    sequence: { shuffle: true },
    reporters: ["default", count]
  }
}))
