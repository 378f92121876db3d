// @effect-diagnostics nodeBuiltinImport:off
/**
 * Imported into a measured command: at its end, it writes the resource usage of the process to descriptor 3.
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
