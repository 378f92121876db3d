// This runs real processes. @effect-diagnostics nodeBuiltinImport:off
/** Tools from the npm registry that an app may use with this package. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { attempt, sh } from "../support/packed.ts"

/** The tools and their versions. */
const versions = {
  pnpm: "12.21.0",
  deno: "2.9.6",
  bun: "1.4.5",
  "typescript-5": "npm:typescript@5.9.3",
  "typescript-6": "npm:typescript@6.0.3"
}

export type Tool = keyof typeof versions

/** Makes a folder with a `package.json` in `folder`. */
export const makeApp = (folder: string, name: string, dependencies: Readonly<Record<string, string>> = {}): string => {
  const app = join(folder, name)
  mkdirSync(app)
  const manifest = { name, version: "1.0.0", private: true, type: "module", dependencies }
  writeFileSync(join(app, "package.json"), JSON.stringify(manifest))
  return app
}

/** Installs tools into a folder of their own, whose path it gives. Fails when the npm registry can't be reached. */
export const installTools = (folder: string, ...tools: ReadonlyArray<Tool>): string => {
  const { output, status } = attempt(folder, "npm", "view", "effect", "version", "--fetch-retries=1")
  if (status !== 0) throw new Error(`These tests install packages, but the npm registry gives no answer:\n${output}`)
  const app = makeApp(folder, "tools", Object.fromEntries(tools.map((tool) => [tool, versions[tool]])))
  sh(app, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund")
  return join(app, "node_modules")
}

/**
 * The binary for this machine that npm chose for a tool. Its path from `scope`, the folder of the tool's own packages, is
 * that of the only package there, then `file`.
 */
export const binary = (modules: string, scope: string, file: string): string => {
  const packages = readdirSync(join(modules, scope))
  if (packages.length !== 1) throw new Error(`One package of ${scope} should be here, not ${packages.join(", ")}`)
  return join(modules, scope, ...packages, file)
}

/** The main module of an app beside `examples/app.ts`. */
export const mainOfApp = `import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { app } from "./app.ts"

app("ticks").pipe(
  Effect.flatMap((account) => Console.log("written:", account.written, "lost:", account.lost)),
  NodeRuntime.runMain
)
`
