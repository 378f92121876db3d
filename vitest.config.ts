import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { complaint } from "./src/cli/nodeVersion.ts"
import { reporter, tags } from "./test/support/tags.ts"

const problem = complaint(process.versions.node)
if (problem !== undefined) throw new Error(problem)

/** `--mode long` and `--mode soak` run longer forms of the tests that have one. */
const timeouts: Readonly<Record<string, number>> = { long: 600_000, soak: 3_600_000 }

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
    globalSetup: "test/support/setup.ts",
    testTimeout: timeouts[mode] ?? 60_000,
    env: { TEST_EFFORT: mode },
    tags,
    sequence: { shuffle: true },
    // Files share the modules that they import: to load them anew for each of 130 files takes as long as all tests.
    isolate: false,
    // All processors; without it, one is left idle, which is half of them on a small machine.
    maxWorkers: "100%",
    reporters: ["default", reporter]
  }
}))
