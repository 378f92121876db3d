// @effect-diagnostics nodeBuiltinImport:off
/**
 * Imported into a command that is measured: writes what the process has used to its descriptor 3 when it ends.
 */
import { writeSync } from "node:fs"

export interface Usage {
  readonly seconds: number
  readonly cpuSeconds: number
}

process.once("exit", () => {
  const { system, user } = process.cpuUsage()
  const usage: Usage = {
    seconds: performance.now() / 1000,
    cpuSeconds: (user + system) / 1e6
  }
  writeSync(3, JSON.stringify(usage))
})
