/**
 * The command line that tests start as a process.
 *
 * It is bundled as for the published package, which starts four times as fast as the sources. The first test of a run
 * that needs it makes it, from the sources as they are then.
 */
// This is no part of what is tested. @effect-diagnostics nodeBuiltinImport:off
import { execFileSync } from "node:child_process"
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))

const bundle = (folder: string): void => {
  mkdirSync(dirname(folder), { recursive: true })
  const half = mkdtempSync(`${folder}-`)
  // Processes of other users start it, too.
  chmodSync(half, 0o755)
  const args = ["--config", "rolldown.config.ts", "--log-level", "warn", "--dir", join(half, "dist")]
  execFileSync(process.execPath, [join(root, "node_modules/rolldown/bin/cli.mjs"), ...args], { cwd: root })
  cpSync(join(root, "package.json"), join(half, "package.json"))
  try {
    renameSync(half, folder)
  } catch (error) {
    // Another worker of this run was first.
    rmSync(half, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
}

/** The path of the main module. Makes it when it is not there yet. */
export const mainModule = (): string => {
  const folder = inject("commandLineFolder")
  if (!existsSync(folder)) bundle(folder)
  return join(folder, "dist/main.js")
}
