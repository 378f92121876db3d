/**
 * Storing encoded ticks, compared with a plain loop that writes, fsyncs and renames the same prepared bytes, in files of
 * the same size.
 */
import type { Case } from "../Case.ts"
import { batchFiles, many, payloads, ticks } from "../data.ts"
import { loop, store as storeAll } from "../turns.ts"
import * as VersionTurns from "../versionTurns.ts"

const batch = 1000

const store = (instances: number, codec: "none" | "zstd", atLeast: number): ReadonlyArray<Case> =>
  payloads.map((payload) => {
    const all = () => ticks(payload, many[payload])
    return {
      name: `store ${payload} ${codec === "zstd" ? "zstd " : ""}${instances}`,
      settings: { payload, batch, codec, durability: "full", instances },
      peer: "loop: write, fsync, rename",
      ours: "pipeline",
      version: VersionTurns.store(all, { instances, compression: codec }),
      goal: { of: "speed", atLeast, ...(codec === "zstd" ? { storedAtMost: 0.01 } : {}) },
      turns: {
        in: "processes",
        peer: loop(many[payload], () => batchFiles(all(), batch)),
        ours: storeAll(all, { instances, compression: codec })
      }
    }
  })

export const cases: ReadonlyArray<Case> = [
  ...store(1, "none", 0.7),
  ...store(2, "none", 0.95),
  ...store(2, "zstd", 1.1)
]
