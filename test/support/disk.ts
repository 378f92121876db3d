// For tests of real processes. @effect-diagnostics nodeBuiltinImport:off
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { temporaryFolder } from "./process.ts"

/** Whether this process may mount file systems. */
export const canMount = (() => {
  if (process.getuid?.() !== 0) return false
  const probe = `/tmp/tickvault-mount-probe-${process.pid}`
  mkdirSync(probe, { recursive: true })
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", probe]).status === 0
  if (mounted) execFileSync("umount", [probe])
  rmSync(probe, { recursive: true })
  return mounted
})()

/** A disk of 8 MiB with `leftKiB` left, full otherwise. Gone at the end of the test. */
export const makeDisk = (leftKiB = 1024) => {
  const disk = temporaryFolder()
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk])
  onTestFinished(() => void execFileSync("umount", ["--lazy", disk]))
  const ballast = join(disk, "ballast")
  writeFileSync(ballast, Buffer.alloc((8 * 1024 - leftKiB) * 1024))
  return { data: join(disk, "data"), ballast, free: () => statfsSync(disk).bavail * statfsSync(disk).bsize }
}
