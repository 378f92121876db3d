// @effect-diagnostics nodeBuiltinImport:off
/**
 * Storing encoded ticks on a slow disk: the loop and the pipeline write to the same file system with 100 MB/s.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import type { Case, Turn } from "../Case.ts"
import { batchFiles, many, payloads, type Payload, ticks } from "../data.ts"
import * as SlowDisk from "../slowDisk.ts"
import { store } from "../turns.ts"

const batch = 1000

const slow = Layer.provideMerge(SlowDisk.layer, NodeServices.layer)

const loop = (payload: Payload): Turn => {
  return (folder) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const contents = batchFiles(ticks(payload, many[payload]), batch)
      const start = performance.now()
      for (const [index, bytes] of contents.entries()) {
        const temporary = join(folder, "temporary")
        yield* Effect.scoped(
          Effect.flatMap(fs.open(temporary, { flag: "w" }), (file) => Effect.andThen(file.writeAll(bytes), file.sync))
        )
        yield* fs.rename(temporary, join(folder, `${index}.pb`))
      }
      const seconds = (performance.now() - start) / 1000
      const bytes = contents.reduce((total, { length }) => total + length, 0)
      return { seconds, ticks: many[payload], bytes, storedBytes: bytes }
    }).pipe(Effect.provide(slow), Effect.orDie)
}

export const cases: ReadonlyArray<Case> = payloads.map((payload) => ({
  name: `slow disk ${payload}`,
  settings: { payload, batch, codec: "zstd", durability: "full", instances: 2 },
  peer: "the same loop",
  ours: "pipeline",
  goal: { of: "speed", atLeast: 5 },
  turns: {
    in: "processes",
    peer: loop(payload),
    ours: store(() => ticks(payload, many[payload]), { instances: 2, compression: "zstd" }, slow)
  }
}))
