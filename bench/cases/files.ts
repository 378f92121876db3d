// @effect-diagnostics nodeBuiltinImport:off
/**
 * Storing into a run that has 100,000 files already, of a tick each and plain, beside an empty one.
 */
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Case } from "../Case.ts"
import type { Batch } from "../../src/domain/Tick.ts"
import * as Delimited from "../../src/domain/Delimited.ts"
import { ticks } from "../data.ts"
import { rebuildLedger, storeOnce } from "../turns.ts"

const there = 100_000
const count = 100_000

/** Makes a run of 100,000 files of a tick each, with its ledger. */
const fill = (folder: string) =>
  Effect.suspend(() => {
    for (let from = 1; from <= there; from += 10_000) {
      for (const tick of ticks("3 KB", 10_000, from)) {
        const run = join(folder, tick.simulationRunId)
        if (tick.tickNumber === 1n) mkdirSync(run, { recursive: true })
        const number = `${tick.tickNumber}`.padStart(19, "0")
        writeFileSync(join(run, `batch_${number}_${number}.pb`), Buffer.concat([...Delimited.encode([tick])]))
      }
    }
    return rebuildLedger(folder)
  })

const more = (folder: string) => {
  const next = ticks("3 KB", count + 20_000, there + 1)
  const part = (from: number, until: number) => next.slice(from, until) as unknown as Batch
  // What is known of the run is read before its first batch is stored: that is no matter of every batch.
  return Effect.andThen(storeOnce(folder, part(0, 20_000), { instances: 2 }, { by: "account" }), () =>
    storeOnce(folder, part(20_000, next.length), { instances: 2 }, { by: "account" })
  )
}

export const cases: ReadonlyArray<Case> = [
  {
    name: "files",
    settings: { payload: "3 KB", batch: 1000, codec: "zstd", durability: "full", instances: 2 },
    peer: "into an empty run",
    ours: "into a run of 100,000 files",
    goal: { of: "speed", atLeast: 0.95 },
    turns: { in: "processes", peer: more, ours: (folder) => Effect.andThen(fill(folder), more(folder)) }
  }
]
