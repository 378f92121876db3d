// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { io, whileTimePasses } from "../persistence/harness.ts"
import { makeTracer, traceOf } from "../support/traces.ts"
import { makeReplays, watched } from "./replays.ts"

it.effect("the trace of a replay shows the letter, the claim, every attempt, commit and what is noted", () => {
  const { record, spans } = makeTracer()
  return record(
    watched(
      Effect.gen(function* () {
        const bench = yield* makeReplays()
        const letter = yield* bench.give(TestTick.range("run", 1, 3))
        yield* bench.faults.next("commit", [FaultyStorage.fail(io)])
        yield* whileTimePasses(bench.replays.replay(letter))
        const root = spans.find(({ name }) => name === "Replay.replay")
        assert(root !== undefined)
        const key = "run/batch_0000000000000000001_0000000000000000003.pb"
        assert.deepStrictEqual(traceOf(spans, root), [
          `Replay.replay letter=${letter}`,
          "  DeadLetterQueue.get",
          "  Replay.resolve",
          "    Replay.redeliver",
          "      BatchWriter.store run=run firstTick=1 lastTick=3 ticks=3",
          "        IdempotencyTracker.claim",
          `        BatchWriter.write FAILED key=${key} attempt=1`,
          "          Storage.create",
          `        BatchWriter.write key=${key} attempt=2`,
          "          Storage.create",
          `          Storage.commit key=${key}`,
          "          IdempotencyTracker.commit",
          "          RunLedger.record",
          "  RunLedger.record",
          "  RunLedger.flush",
          "  DeadLetterQueue.remove"
        ])
      })
    )
  )
})
