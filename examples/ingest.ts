import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Pipeline from "tickvault/Pipeline"
import * as Ingest from "tickvault/simulation/Ingest"

/** Stores the recorded ticks of `file` (delimited, plain or zstd) in `directory`. A damaged file fails with its place. */
export const ingest = (file: string, directory: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const ticks = yield* Ingest.ingest(file, fs.stream(file))
    const balance = yield* Pipeline.Pipeline.use((pipeline) => pipeline.drain)
    return { ticks, balance }
  }).pipe(Effect.provide(Pipeline.layer({ directory, instances: 1 }).pipe(Layer.provideMerge(NodeServices.layer))))
