// @effect-diagnostics nodeBuiltinImport:off globalDate:off
/**
 * Storing into a run with 100,000 files, compared with an empty one: the cost of every batch, and the cost of the
 * first look at the run.
 */
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Case, Turn } from "../Case.ts"
import * as Checksum from "../../src/domain/Checksum.ts"
import * as Delimited from "../../src/domain/Delimited.ts"
import * as RunId from "../../src/domain/RunId.ts"
import type { Batch, Tick } from "../../src/domain/Tick.ts"
import * as LedgerLine from "../../src/ledger/LedgerLine.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import { tickStream, ticks } from "../data.ts"
import { storeFirst, storeOnce, storeWarm } from "../turns.ts"

const there = 100_000
const count = 100_000
const warmUp = 20_000

const options = { instances: 2, compression: "zstd" } as const

const settings = { payload: "3 KB", batch: 1000, codec: "zstd", durability: "full", instances: 2 }

/** Makes the file of a batch of one tick. Returns its line for the ledger. */
const fillOne = (folder: string, tick: Tick): Uint8Array => {
  const key = StorageKey.batch(RunId.make(tick.simulationRunId), [tick])
  const bytes = Buffer.concat([...Delimited.encode([tick])])
  writeFileSync(join(folder, key), bytes)
  const check = Checksum.of(bytes)
  return LedgerLine.encode(
    {
      _tag: "Commit",
      key,
      stretches: [[tick.tickNumber, tick.tickNumber, 0n]],
      count: 1,
      bytes: bytes.length,
      checksum: Checksum.toHex(check),
      committedAtMs: Date.now()
    },
    [check]
  )
}

/** Makes a run of 100,000 files of one tick each, with its ledger, and waits until they are on the disk. */
const fill = (folder: string): Effect.Effect<void> =>
  Effect.sync(() => {
    const [first] = ticks("3 KB", 1)
    const log = join(folder, StorageKey.ledger(RunId.make(first.simulationRunId), "filled"))
    mkdirSync(dirname(log), { recursive: true })
    writeFileSync(log, Buffer.concat([...tickStream("3 KB", there)].map((tick) => fillOne(folder, tick))))
    execFileSync("sync")
  })

const part = (from: number, length: number): Batch => ticks("3 KB", length, there + 1 + from)

/** In one pipeline that has listed the run before the measurement begins. */
const more: Turn = (folder) => storeWarm(folder, part(0, warmUp), part(warmUp, count), options)

/** From the start of a pipeline until a batch is stored. The code is warm from another run. */
const first: Turn = (folder) =>
  Effect.andThen(
    storeOnce(join(folder, ".warm-up"), part(0, warmUp), options, { by: "account" }),
    storeFirst(folder, part(0, 1000), options)
  )

const of = (name: string, goal: Case["goal"], turn: Turn): Case => ({
  name,
  settings,
  peer: "into an empty run",
  ours: "into a run of 100,000 files",
  goal,
  turns: { in: "processes", peer: turn, ours: (folder) => Effect.andThen(fill(folder), turn(folder)) }
})

export const cases: ReadonlyArray<Case> = [
  of("files", { of: "speed", atLeast: 0.95 }, more),
  of("files, first look", { of: "delay", atMost: 1.5 }, first)
]
