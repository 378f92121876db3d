/**
 * Peak memory when a hundred times as many ticks go through the pipeline.
 */
import type { Case } from "../Case.ts"
import { storeStreamed } from "../turns.ts"

export const cases: ReadonlyArray<Case> = [
  {
    name: "memory",
    settings: { payload: "3 KB", batch: 1000, codec: "none", durability: "full", instances: 2 },
    peer: "50,000 ticks",
    ours: "5,000,000 ticks",
    goal: { of: "memory", atMost: 1.1 },
    turns: {
      in: "processes",
      peer: storeStreamed("3 KB", 50_000, { instances: 2 }),
      ours: storeStreamed("3 KB", 5_000_000, { instances: 2 })
    }
  }
]
