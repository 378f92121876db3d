/**
 * Loaded before a process of the command line (`node --import`): kills it at one of its calls that change a file.
 *
 * KILL_AT_STEP_FOLDER names the folder whose files count. Each call that would change something in it is a step,
 * numbered from 1; a write is two, before its first byte and after half of them. At step KILL_AT_STEP the
 * process kills itself, as a power cut would: nothing after it happens. With another signal in KILL_AT_STEP_SIGNAL it sends
 * itself that one. Steps are noted in KILL_AT_STEP_RECORD.
 */
// This is no part of what is tested. @effect-diagnostics nodeBuiltinImport:off processEnv:off
import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"

const folder = process.env["KILL_AT_STEP_FOLDER"] ?? ""
const killAt = Number(process.env["KILL_AT_STEP"] ?? 0)
const signal = process.env["KILL_AT_STEP_SIGNAL"] ?? "SIGKILL"
const record = process.env["KILL_AT_STEP_RECORD"]

const openFiles = new Map<number, string>()
const { appendFileSync, writeSync } = fs
let steps = 0

/** Counts a step on `path`; whether the process dies at it. */
const isLast = (call: string, path: string): boolean => {
  if (!path.startsWith(folder)) return false
  steps++
  const name = path.slice(folder.length + 1).replace(/\.tickvault-[0-9a-f]+\.tmp/u, "TMP")
  if (record !== undefined) appendFileSync(record, `${steps} ${call} ${name === "" ? "." : name}\n`)
  return steps === killAt
}

const die = (): void => void process.kill(process.pid, signal)

type Call = (...args: ReadonlyArray<unknown>) => unknown

const patch = (name: string, make: (real: Call) => Call): void => {
  const real = Reflect.get(fs, name) as Call
  Reflect.set(
    fs,
    name,
    make((...args) => Reflect.apply(real, fs, args))
  )
}

for (const name of ["mkdir", "rm", "rename", "link", "copyFile", "truncate"]) {
  patch(name, (real) => (...args) => {
    if (isLast(name, String(args[0]))) die()
    return real(...args)
  })
}

patch("open", (real) => (...args) => {
  const [path, flags] = args
  if (typeof flags === "string" && flags !== "r" && isLast("open", String(path))) die()
  const callback = args.at(-1) as Call
  return real(...args.slice(0, -1), (error: unknown, fd: number) => {
    if (error === null) openFiles.set(fd, String(path))
    return callback(error, fd)
  })
})

for (const name of ["fsync", "close"]) {
  patch(name, (real) => (...args) => {
    const path = openFiles.get(Number(args[0]))
    if (path !== undefined && isLast(name, path)) die()
    if (name === "close") openFiles.delete(Number(args[0]))
    return real(...args)
  })
}

patch("write", (real) => (...args) => {
  const [fd, bytes] = args
  const path = openFiles.get(Number(fd))
  if (path !== undefined && bytes instanceof Uint8Array) {
    if (isLast("write", path)) die()
    if (isLast("half-write", path)) {
      writeSync(Number(fd), bytes, 0, bytes.length >> 1)
      die()
    }
  }
  return real(...args)
})

syncBuiltinESMExports()
