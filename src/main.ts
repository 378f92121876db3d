#!/usr/bin/env node
/**
 * The Node main: checks the version of Node before anything is loaded that an older one can't load, then runs the CLI.
 */
import { complaint } from "./cli/nodeVersion.ts"

const problem = complaint(process.versions.node)
if (problem === undefined) {
  const { main } = await import("./cli/Cli.ts")
  main()
} else {
  process.stderr.write(`${problem}\n`)
  process.exitCode = 1
}
