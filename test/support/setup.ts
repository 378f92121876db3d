/** Gives each run of the tests a folder of its own for the command line, and removes it at the end. */
// This is no part of what is tested. @effect-diagnostics nodeBuiltinImport:off
import { rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  export interface ProvidedContext {
    /** Where `commandLine.ts` makes the command line. */
    readonly commandLineFolder: string
  }
}

export default ({ provide }: TestProject) => {
  // Its imports are found in `node_modules` above it.
  const folder = fileURLToPath(new URL(`../../node_modules/.tickvault-test/${process.pid}`, import.meta.url))
  provide("commandLineFolder", folder)
  return () => rmSync(folder, { recursive: true, force: true })
}
