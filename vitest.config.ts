import { defineConfig } from "vitest/config"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  throw new Error(`tests need Node 22.19 or newer, this is ${process.versions.node}: run them with \`npm test\``)
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    sequence: { shuffle: true }
  }
})
