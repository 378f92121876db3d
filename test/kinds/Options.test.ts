// @module-tag integration
import type * as FileSystem from "effect/FileSystem"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Compression from "../../src/batch/Compression.ts"
import * as FileDeadLetterQueue from "../../src/deadletter/FileDeadLetterQueue.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as Pipeline from "../../src/Pipeline.ts"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as Recall from "../../src/recall/Recall.ts"
import * as World from "../../src/simulation/World.ts"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import * as Storage from "../../src/storage/Storage.ts"

type Row = readonly [
  layer: Layer.Layer<never, { readonly message: string }, FileSystem.FileSystem | Path.Path>,
  ...named: ReadonlyArray<string>
]

/** Each module's layer with two options that are wrong. */
const layers: Readonly<Record<string, Row>> = {
  TickQueue: [TickQueue.layer("ticks", { capacity: 0, maxBytes: 0 }), "capacity", "maxBytes"],
  FileStorage: [
    FileStorage.layer({ rootDirectory: "", temporaryFileMaxAge: "0 seconds" }),
    "rootDirectory",
    "temporaryFileMaxAge"
  ],
  Compression: [
    Compression.layer({ compression: "gzip" as "zstd", compressionLevel: 99 }),
    'compression"',
    "compressionLevel"
  ],
  FileDeadLetterQueue: [FileDeadLetterQueue.layer({ directory: "", capacity: 0 }), "directory", "capacity"],
  "tracker of keys": [IdempotencyTracker.layerMemory({ ttl: "0 seconds", maxKeys: 0 }), "ttl", "maxKeys"],
  Recall: [Layer.provide(Recall.layer({ maxRanges: 0, maxKeys: 0 }), Storage.layerMemory), "maxRanges", "maxKeys"],
  World: [World.layer({ shape: [], organisms: 0 }), "shape", "organisms"],
  Pipeline: [Pipeline.layer({ instances: 0, directory: "" }), "instances", "directory"],
  "a part of the pipeline": [Pipeline.layer({ queue: { capacity: 0, maxBytes: 0 } }), "capacity", "maxBytes"]
}

it.effect.each(Object.entries(layers))("the layer of %s names all of its wrong options", ([, [layer, ...named]]) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Effect.provide(Effect.void, layer))
    for (const name of named) assert.include(error.message, name)
  }).pipe(Effect.provide(NodeServices.layer))
)
