import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { DeadLetterQueue } from "../../src/deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "../../src/deadletter/FileDeadLetterQueue.ts"
import * as Replay from "../../src/recovery/Replay.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { temporaryFolder } from "../support/temporaryFolder.ts"
import { letterOf, makeReplays, watched } from "./replays.ts"

describe("dropping a letter", () => {
  it.effect("notes nothing when the queue was opened to be read: the letter stays", () =>
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const directory = yield* temporaryFolder
        const letter = yield* letterOf(TestTick.range("run", 5, 8))
        yield* (yield* FileDeadLetterQueue.make("letters", { directory })).offer(letter)
        const stored = yield* FileDeadLetterQueue.makeStored("letters", { directory })
        const replays = yield* Replay.make("replay").pipe(
          Effect.provideService(DeadLetterQueue, stored),
          Effect.provideContext(bench.context)
        )
        const error = yield* Effect.flip(replays.drop(letter.id, "made by mistake"))
        assert.include(error.message, "opened to be read")
        assert.deepStrictEqual(yield* bench.entries("run"), [])
        assert.deepStrictEqual(yield* Stream.runCollect(stored.ids), [letter.id])
      })
    ).pipe(Effect.provide(NodeServices.layer))
  )
})
