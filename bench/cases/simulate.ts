// @effect-diagnostics nodeBuiltinImport:off
/**
 * The speed of the built-in world with default options: alone with each tick encoded, and stored by the command line. The
 * peer is not a program but the required speed.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as World from "../../src/simulation/World.ts"
import type { Case, Turn } from "../Case.ts"
import { timed } from "../turns.ts"

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

const ticks = 200_000
const wanted = 20_000

const pace: Turn = () => Effect.succeed({ seconds: ticks / wanted, ticks, bytes: 0 })

/** Makes `count` ticks of a new world. Returns their bytes. */
const make = Effect.fnUntraced(function* (count: number) {
  const { step, tick } = yield* World.make(yield* Schema.decodeEffect(World.Options)({}))
  if (tick === undefined) throw new Error("the world encodes no ticks")
  let bytes = 0
  for (let made = 0; made < count; made++) {
    yield* step
    bytes += (yield* tick("20260131-235959-042-9f8e7d6c", 1_769_903_999_042n)).payload.length
  }
  return bytes
})

const alone: Turn = () =>
  Effect.gen(function* () {
    yield* make(20_000)
    const start = performance.now()
    const bytes = yield* make(ticks)
    return { seconds: (performance.now() - start) / 1000, ticks, bytes }
  }).pipe(Effect.orDie)

interface Account {
  readonly written: number
  readonly writtenBytes: number
  readonly storedBytes: number
}

/** Runs the command line from its start to its end. */
const run: Turn = (folder) =>
  Effect.sync(() => {
    const args = [main, "run", "--ticks", String(ticks), "--data", join(folder, "data"), "--json"]
    let account: Account | undefined
    const seconds = timed(() => {
      const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" })
      if (status !== 0) throw new Error(`tickvault run: ${stderr}`)
      account = JSON.parse(stdout) as Account
    })
    const { storedBytes, written, writtenBytes } = account!
    return { seconds, ticks, bytes: writtenBytes, storedBytes, lost: ticks - written, peakKilobytes: null }
  })

export const cases: ReadonlyArray<Case> = [
  {
    name: "simulate",
    settings: {},
    peer: "20,000 ticks a second",
    ours: "world, encoded",
    goal: { of: "speed", atLeast: 1 },
    turns: { in: "processes", peer: pace, ours: alone }
  },
  {
    name: "simulate and store",
    settings: { batch: 1000, codec: "zstd", durability: "full", instances: 2 },
    peer: "20,000 ticks a second",
    ours: "tickvault run",
    goal: { of: "speed", atLeast: 1 },
    turns: { in: "processes", peer: pace, ours: run }
  }
]
