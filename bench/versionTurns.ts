// @effect-diagnostics nodeBuiltinImport:off
/**
 * Turns that any version of tickvault can take. They use what versions have in common: `Pipeline`, `TickQueue` and the
 * command line.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Batch } from "../src/domain/Tick.ts"
import type { Measured } from "./Measured.ts"
import type { PipelineOptions } from "./turns.ts"
import type { Usage } from "./usage.ts"
import type { Version, VersionTurn } from "./Version.ts"

const bytesOf = (ticks: Batch): number => ticks.reduce((total, { payload }) => total + payload.length, 0)

/** Stores `ticks` with a pipeline of the version, from the first offer until everything is settled. */
const storeOnce = (version: Version, directory: string, ticks: Batch, options: PipelineOptions): Promise<Measured> => {
  const { Effect, Layer, Logger, NodeServices, tickvault } = version
  const layer = tickvault.Pipeline.layer({ ...options, directory }).pipe(
    Layer.provideMerge(NodeServices.layer),
    Layer.provideMerge(Logger.layer([]))
  )
  const work = Effect.gen(function* () {
    const queue = yield* tickvault.TickQueue.TickQueue
    const pipeline = yield* tickvault.Pipeline.Pipeline
    const cpu = process.cpuUsage()
    const start = performance.now()
    yield* queue.offerAll(ticks)
    const { written } = yield* pipeline.drain
    const seconds = (performance.now() - start) / 1000
    const { system, user } = process.cpuUsage(cpu)
    const measured: Measured = {
      seconds,
      cpuSeconds: (user + system) / 1e6,
      ticks: ticks.length,
      bytes: bytesOf(ticks),
      lost: ticks.length - written
    }
    return measured
  })
  return Effect.runPromise(work.pipe(Effect.provide(layer), Effect.orDie))
}

/** Stores the ticks, after a warm-up with some of them. */
export const store =
  (ticks: () => Batch, options: PipelineOptions): VersionTurn =>
  (version, folder) => {
    const all = ticks()
    const some = all.slice(0, 20_000) as unknown as Batch
    return storeOnce(version, join(folder, "warm-up"), some, options).then(() =>
      storeOnce(version, join(folder, "run"), all, options)
    )
  }

/** Runs the command line of the version to its end. */
const command = ({ main }: Version, args: ReadonlyArray<string>) => {
  const { error, output, status, stderr } = spawnSync(
    process.execPath,
    ["--import", fileURLToPath(new URL("usage.ts", import.meta.url)), main, ...args],
    { encoding: "utf8", stdio: ["ignore", "pipe", "pipe", "pipe"] }
  )
  if (error !== undefined || status !== 0) throw new Error(`${args.join(" ")}: ${error?.message ?? stderr}`)
  return { stdout: output[1] ?? "", usage: JSON.parse(output[3] ?? "") as Usage }
}

/** Verifies a run of `ticks` that the version has stored, with its command. The start of the command isn't counted. */
export const verify =
  (ticks: () => Batch, options: PipelineOptions): VersionTurn =>
  (version, folder) => {
    const all = ticks()
    return storeOnce(version, folder, all, options).then(() => {
      command(version, ["--help"])
      const start = command(version, ["--help"]).usage
      const { stdout, usage } = command(version, ["verify", "--json", "--data", folder])
      const found = JSON.parse(stdout) as { readonly ticks: number }
      return {
        seconds: usage.seconds - start.seconds,
        cpuSeconds: usage.cpuSeconds - start.cpuSeconds,
        peakKilobytes: null,
        ticks: all.length,
        bytes: bytesOf(all),
        lost: all.length - found.ticks
      }
    })
  }
