import { defineConfig } from "vitest/config"
import { reporter, tags } from "../support/tags.ts"

/** The tests that install packages from the npm registry: `npm run test:package`. */
export default defineConfig({
  test: {
    include: ["test/package/*.registry.ts"],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    tags,
    reporters: ["default", reporter]
  }
})
