/**
 * Storing encoded ticks against a plain loop that writes, fsyncs and renames the same bytes, made ready before, in files
 * of the same size.
 */
import type { Case } from "../Case.ts"
import { batchFiles, many, payloads, ticks } from "../data.ts"
import { loop, store } from "../turns.ts"

const batch = 1000

const plain = (instances: number, atLeast: number): ReadonlyArray<Case> =>
  payloads.map((payload) => {
    const all = () => ticks(payload, many[payload])
    return {
      name: `store ${payload} ${instances}`,
      settings: { payload, batch, codec: "none", durability: "full", instances },
      peer: "loop: write, fsync, rename",
      ours: "pipeline",
      goal: { of: "speed", atLeast },
      turns: {
        in: "processes",
        peer: loop(many[payload], () => batchFiles(all(), batch)),
        ours: store(all, { instances })
      }
    }
  })

export const cases: ReadonlyArray<Case> = [...plain(1, 0.7), ...plain(2, 0.95)]
