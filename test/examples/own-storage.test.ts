// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { layer } from "../../examples/own-storage.ts"
import * as Compression from "../../src/batch/Compression.ts"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import * as DeadLetterQueues from "../../src/deadletter/DeadLetterQueues.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as Pipeline from "../../src/Pipeline.ts"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as Recall from "../../src/recall/Recall.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import * as Verify from "../../src/verify/Verify.ts"

it.live("a pipeline stores a run in the example's database, and another process finds it whole", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const database = layer(`${yield* fs.makeTempDirectoryScoped()}/ticks.sqlite`)
    const parts = Layer.mergeAll(
      RunLedger.layer,
      Recall.layer(),
      DeadLetterQueue.layerMemory(),
      Compression.layer(),
      TickQueue.layer("ticks")
    )
    yield* Effect.gen(function* () {
      const queue = yield* TickQueue.TickQueue
      yield* queue.offerAll(TestTick.range("run-1", 1, 2500))
      yield* Pipeline.Pipeline.use((pipeline) => pipeline.drain)
    }).pipe(
      Effect.provide(
        Pipeline.layerServices(["one", "two"], Duration.seconds(20)).pipe(
          Layer.provideMerge(parts),
          Layer.provide(Layer.fresh(database))
        )
      )
    )
    const verdict = yield* Verify.verify(RunId.make("run-1")).pipe(
      Effect.provide(Layer.merge(Layer.fresh(database), DeadLetterQueues.layerNone))
    )
    assert.strictEqual(verdict.state, "whole")
    assert.strictEqual(verdict.ticks, 2500)
    assert.strictEqual(verdict.files, 3)
  }).pipe(Effect.provide(Layer.merge(NodeServices.layer, Logger.layer([]))), Effect.scoped)
)
