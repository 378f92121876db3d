// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { ingest } from "../../examples/ingest.ts"
import { readRun } from "../../examples/read-run.ts"
import { pathOf } from "../support/recordedFiles.ts"

it.live("the examples store the ticks of a file and read them again", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const { balance, ticks } = yield* ingest(pathOf("evochora-60-organisms.pb.zst"), directory)
    assert.strictEqual(ticks, 100)
    assert.strictEqual(balance.written, 100)

    const [run = ""] = (yield* fs.readDirectory(directory)).filter((name) => !name.startsWith("."))
    const read = yield* readRun(directory, run, 510n)
    assert.strictEqual(read.state, "whole")
    assert.strictEqual(read.ticks, 100)
    assert.deepStrictEqual(
      read.messages.map(({ tickNumber }) => tickNumber),
      Array.from({ length: 50 }, (_, index) => BigInt(510 + 10 * index))
    )
    assert.isAbove(read.messages[0]?.organisms.length ?? 0, 10)
  }).pipe(Effect.provide(Layer.merge(NodeServices.layer, Logger.layer([]))), Effect.scoped)
)
