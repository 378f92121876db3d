#!/usr/bin/env node
/**
 * The Node main: checks the version of Node before anything is loaded that an older one can't load, listens for signals
 * before anything else (the first process of a container ignores those it has no handler for), then runs the CLI.
 */
import * as nodeModule from "node:module"
import { complaint } from "./cli/nodeVersion.ts"
import * as Signals from "./cli/Signals.ts"

const problem = complaint(process.versions.node)
if (problem === undefined) {
  Signals.listen()
  // Keeps compiled code between starts, which halves the time of a start. Nothing depends on it: where it can't be kept
  // it is compiled again.
  nodeModule.enableCompileCache?.()
  const { main } = await import("./cli/Cli.ts")
  main()
} else {
  process.stderr.write(`${problem}\n`)
  process.exitCode = 1
}
