#!/usr/bin/env node
/**
 * The Node main. First it checks the version of Node, before it loads modules that an older one can't load. Then it listens
 * for signals (the first process of a container ignores signals without a handler). Then it runs the command line.
 */
import * as nodeModule from "node:module"
import { complaint } from "./cli/nodeVersion.ts"
import * as Signals from "./cli/Signals.ts"

const problem = complaint(process.versions.node)
if (problem === undefined) {
  Signals.listen()
  // Keeps compiled code between starts, which halves the time of a start. Where that isn't possible, code is compiled again.
  nodeModule.enableCompileCache?.()
  const { main } = await import("./cli/Cli.ts")
  main()
} else {
  process.stderr.write(`${problem}\n`)
  process.exitCode = 1
}
