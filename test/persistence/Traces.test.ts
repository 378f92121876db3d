// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Span } from "effect/Tracer"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { isChildOf, makeTracer, traceOf } from "../support/traces.ts"
import { advance, failing, io, onBench, settleDown } from "./harness.ts"

/** The trace of the one batch that was taken. */
const batchOf = (spans: ReadonlyArray<Span>) => {
  const batches = spans.filter(({ attributes, name }) => name === "PersistenceService.batch" && attributes.has("ticks"))
  assert.lengthOf(batches, 1)
  return traceOf(spans, batches[0]!)
}

const key = "run/batch_0000000000000000001_0000000000000000003.pb"
const facts = "run=run firstTick=1 lastTick=3 ticks=3"

describe("the trace of a batch", () => {
  it.effect("shows taking, claim, every attempt, commit and what is noted, with run and range", () => {
    const { record, spans } = makeTracer()
    return record(
      onBench({ persistence: { maxBatchSize: 3 } }, failing, ({ faults, first, queue }) =>
        Effect.gen(function* () {
          yield* faults.next("commit", [FaultyStorage.fail(io)])
          yield* first.start
          yield* queue.offerAll(TestTick.range("run", 1, 3))
          yield* settleDown
          yield* advance(1000, 500)
          assert.deepStrictEqual(batchOf(spans), [
            "PersistenceService.batch ticks=3 reason=size",
            "  TickQueue.take",
            `  PersistenceService.portion ${facts}`,
            `    BatchWriter.store ${facts}`,
            "      IdempotencyTracker.claim",
            `      BatchWriter.write FAILED key=${key} attempt=1`,
            "        Storage.create",
            `      BatchWriter.write key=${key} attempt=2`,
            "        Storage.create",
            `        Storage.commit key=${key}`,
            "        IdempotencyTracker.commit",
            "        TickQueue.settle",
            "        RunLedger.record"
          ])
        })
      )
    )
  })

  it.effect("shows the letter of one that is dead-lettered, and that its claim is released", () => {
    const { record, spans } = makeTracer()
    return record(
      onBench({ persistence: { maxBatchSize: 3, maxRetries: 0 } }, failing, ({ faults, first, letters, queue }) =>
        Effect.gen(function* () {
          yield* faults.next("create", [FaultyStorage.fail(io)])
          yield* first.start
          yield* queue.offerAll(TestTick.range("run", 1, 3))
          yield* settleDown
          assert.lengthOf(yield* letters, 1)
          const letter = spans.find(({ name }) => name === "DeadLettering.offer")?.attributes.get("letter")
          assert.match(String(letter), /^\d{15}-persistence-1-/u)
          assert.deepStrictEqual(batchOf(spans), [
            "PersistenceService.batch ticks=3 reason=size",
            "  TickQueue.take",
            `  PersistenceService.portion ${facts}`,
            `    BatchWriter.store FAILED ${facts}`,
            "      IdempotencyTracker.claim",
            `      BatchWriter.write FAILED key=${key} attempt=1`,
            `    DeadLettering.offer letter=${String(letter)}`,
            "      DeadLetterQueue.offer",
            "      IdempotencyTracker.release",
            "      TickQueue.settle",
            "      RunLedger.record"
          ])
        })
      )
    )
  })

  it.effect("is linked from the steps that settle it at a stop, with run and range", () => {
    const { record, spans } = makeTracer()
    return record(
      onBench({ persistence: { maxBatchSize: 3, shutdownTimeout: "10 seconds" } }, failing, (bench) =>
        Effect.gen(function* () {
          yield* LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
          yield* LogWatch.expect("Error", "Batch could not be settled in time, returned to the queue", { times: 1 })
          yield* bench.faults.always("commit", FaultyStorage.hang)
          bench.setLetters("hang")
          yield* bench.first.start
          yield* bench.queue.offerAll(TestTick.range("run", 1, 3))
          yield* settleDown
          const stop = yield* Effect.forkChild(bench.first.stop)
          yield* advance(10_000, 1000)
          yield* Fiber.join(stop)
          const batch = spans.find(({ name }) => name === "PersistenceService.batch")
          const windUp = spans.find(({ name }) => name === "PersistenceService.windUp")
          assert(batch !== undefined && windUp !== undefined)
          const steps = spans.filter(isChildOf(windUp))
          assert.deepStrictEqual(
            steps.flatMap((step) => traceOf(spans, step)[0] ?? []),
            ["storeLast", "deadLetterLast", "giveBack"].map(
              (step) => `PersistenceService.${step}${step === "giveBack" ? "" : " FAILED"} ${facts}`
            )
          )
          for (const { links } of steps) {
            assert.deepStrictEqual(
              links.map(({ span }) => span.spanId),
              [batch.spanId]
            )
          }
          assert.isTrue(spans.some(({ name }) => name === "BatchWriter.storeOnce"))
        })
      )
    )
  })
})
