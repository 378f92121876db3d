/**
 * Peak memory when a hundred times as many ticks go through the pipeline.
 *
 * Node lets the young generation of its heap grow during the first 200,000 ticks, because ticks survive in the queue. The
 * first case shows that. The second case keeps it at its first size, so that it shows only the growth of tickvault.
 */
import type { Case } from "../Case.ts"
import { tickStream } from "../data.ts"
import { storeStreamed } from "../turns.ts"

const store = (count: number) =>
  storeStreamed((some) => tickStream("3 KB", some), count, { instances: 2, compression: "zstd" })

const memory = (name: string, nodeOptions: ReadonlyArray<string>): Case => ({
  name,
  settings: { payload: "3 KB", batch: 1000, codec: "zstd", durability: "full", instances: 2 },
  peer: "50,000 ticks",
  ours: "5,000,000 ticks",
  goal: { of: "memory", atMost: 1.1 },
  nodeOptions,
  turns: {
    in: "processes",
    peer: store(50_000),
    ours: store(5_000_000)
  }
})

export const cases: ReadonlyArray<Case> = [
  memory("memory", []),
  memory("memory, young generation of 16 MB", ["--max-semi-space-size=16"])
]
