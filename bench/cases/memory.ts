/**
 * Peak memory when a hundred times as many ticks go through the pipeline.
 */
import type { Case } from "../Case.ts"
import { tickStream } from "../data.ts"
import { storeStreamed } from "../turns.ts"

const store = (count: number) => storeStreamed((some) => tickStream("3 KB", some), count, { instances: 2 })

export const cases: ReadonlyArray<Case> = [
  {
    name: "memory",
    settings: { payload: "3 KB", batch: 1000, codec: "zstd", durability: "full", instances: 2 },
    peer: "50,000 ticks",
    ours: "5,000,000 ticks",
    goal: { of: "memory", atMost: 1.1 },
    turns: {
      in: "processes",
      peer: store(50_000),
      ours: store(5_000_000)
    }
  }
]
