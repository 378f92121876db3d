// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off processEnv:off globalTimers:off newPromise:off asyncFunction:off preferSchemaOverJson:off
import { type ChildProcessWithoutNullStreams, execFileSync, spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { mainModule } from "./commandLine.ts"

/** How a process ended: by itself with `code`, or by `signal`. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A process of the command line that has been started. */
export interface Started {
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Promise<Ended>
  /** What it has written to standard error so far. */
  readonly stderr: () => string
  /** Waits until standard error matches; fails when the process ends before. */
  readonly logs: (pattern: RegExp) => Promise<void>
  readonly signal: (name: NodeJS.Signals) => void
}

export interface Options {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Runs it as a user with no rights beyond the common ones. */
  readonly asNobody?: boolean
  /** Largest file it can write, in KiB, until `makeRoom`: what goes beyond fails as on a full disk (`EFBIG`). */
  readonly fileSizeLimitKiB?: number
  /** The script to run; by default the bundled command line. */
  readonly main?: string
}

/** Variables of the tests' own environment that have no influence on what is tested. */
const neutralEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || /^(?:TICKVAULT_|VITEST|NODE_OPTIONS|NODE_ENV)/u.test(name) ? [] : [[name, value]]
    )
  )

/** Starts `tickvault` with `args`. Killed at the end of the test if it is still there. */
export const start = (args: ReadonlyArray<string>, options: Options = {}): Started => {
  const command = [process.execPath, options.main ?? mainModule(), ...args]
  const { fileSizeLimitKiB: limit } = options
  // The shell replaces itself with the command, so that the process is the one that was started.
  const limited = limit === undefined ? command : ["bash", "-c", `ulimit -S -f ${limit}; exec "$@"`, "bash", ...command]
  const child = spawn(limited[0] ?? "", limited.slice(1), {
    env: { ...neutralEnvironment(), ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.asNobody === true ? { uid: 65_534, gid: 65_534 } : {})
  })
  const out: Array<Buffer> = []
  const err: Array<Buffer> = []
  const watchers = new Set<() => void>()
  const stderr = () => Buffer.concat(err).toString()
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk))
  child.stderr.on("data", (chunk: Buffer) => {
    err.push(chunk)
    for (const watcher of watchers) watcher()
  })
  // A process that ends without reading all of its input is no failure of the test.
  child.stdin.on("error", () => undefined)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject)
    child.once("close", (code, signal) => {
      resolve({ code, signal, stdout: Buffer.concat(out).toString(), stderr: stderr() })
    })
  })
  onTestFinished(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
  })
  const logs = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(stderr())) return
        watchers.delete(look)
        resolve()
      }
      watchers.add(look)
      look()
      void ended.then(() => reject(new Error(`ended before ${pattern} was logged:\n${stderr()}`)))
    })
  return { child, ended, stderr, logs, signal: (name) => void child.kill(name) }
}

/** Takes the limit of `fileSizeLimitKiB` off a running process. */
export const makeRoom = ({ child }: Started): void => {
  execFileSync("prlimit", [`--pid=${child.pid}`, "--fsize=unlimited"])
}

/** Whether this system can set and lift limits of processes. */
export const canLimit = ["bash", "prlimit"].every((name) => spawnSync(name, ["--version"]).status === 0)

/** Runs `tickvault` to its end with `input` on standard input. */
export const run = (args: ReadonlyArray<string>, options: Options & { readonly input?: Uint8Array } = {}) => {
  const { child, ended } = start(args, options)
  child.stdin.end(options.input ?? new Uint8Array())
  return ended
}

/** A folder that is removed at the end of the test. */
export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "tickvault-test-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The account that `--json` prints. */
export interface Account {
  readonly runIds: ReadonlyArray<string>
  readonly received: number
  readonly written: number
  readonly duplicate: number
  readonly deadLettered: number
  readonly returned: number
  readonly lost: number
  readonly inFlight: number
  readonly batches: number
  readonly writtenBytes: number
  readonly storedBytes: number
  readonly seconds: number
  /** Only when something was wrong. */
  readonly problems?: ReadonlyArray<string>
  readonly resumed?: { readonly after: string | null; readonly stored: number; readonly inLetters: number }
}

/** The account on the last line of standard output. */
export const accountOf = ({ stderr, stdout }: Ended): Account => {
  const last = stdout.trimEnd().split("\n").at(-1)
  if (last === undefined || last === "") throw new Error(`no account was printed; standard error:\n${stderr}`)
  return JSON.parse(last) as Account
}

/** Resolves after `milliseconds`. */
export const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

/** Waits until `condition` holds, looking often. */
export const until = async (condition: () => boolean, what: string): Promise<void> => {
  for (let looked = 0; looked < 1500; looked++) {
    if (condition()) return
    await pause(20)
  }
  throw new Error(`waited in vain until ${what}`)
}
