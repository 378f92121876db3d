import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { complaint } from "./src/cli/nodeVersion.ts"
import { reporter, tags } from "./test/support/tags.ts"

const problem = complaint(process.versions.node)
if (problem !== undefined) throw new Error(problem)

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
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    testTimeout: mode === "soak" ? 3_600_000 : 60_000,
    env: mode === "soak" ? { SOAK: "1" } : {},
    tags,
    sequence: { shuffle: true },
    reporters: ["default", reporter]
  }
}))
