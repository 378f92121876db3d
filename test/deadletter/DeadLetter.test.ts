import { fromBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as Delimited from "../../src/domain/Delimited.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import { DeadLetterMessageSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/system_contracts_pb.ts"
import { KeyConflict, StorageError } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { letter, noSpace } from "./letters.ts"

class Plain extends Schema.TaggedError<Plain>()("Plain", { text: Schema.String }) {
  override get message() {
    return this.text
  }
}

const source = { service: "persistence-1", queue: "raw-tick-data" }

const failure = (error: Error): DeadLetter.Failure => ({
  reason: "internal",
  error,
  retries: 0,
  firstFailureMs: 1,
  lastFailureMs: 2
})

const about = (...ticks: [Tick.Tick, ...Array<Tick.Tick>]) =>
  Effect.map(DeadLetter.make(ticks, failure(new Plain({ text: "no" })), source), ({ message }) => message)

describe("a dead letter", () => {
  it.effect("has a name that is safe as a file, whatever its service is called", () =>
    Effect.gen(function* () {
      const ticks = [TestTick.make("run", 1)] as const
      const { id, message } = yield* DeadLetter.make([...ticks], failure(new Plain({ text: "no" })), {
        service: "writer:eu?/1",
        queue: "q"
      })
      assert.match(id, /^0{14}1-writer_eu__1-[0-9a-f]+$/u)
      assert.strictEqual(message.sourceService, "writer:eu?/1")
    })
  )

  it.effect("has every field of the message", () =>
    Effect.gen(function* () {
      const { bytes, message, reason, tickCount } = yield* letter(5, 7, 1_700_000_000_000)
      assert.strictEqual(message.messageType, "List<TickData>")
      assert.strictEqual(message.firstFailureTimeMs, 1_700_000_000_000n)
      assert.strictEqual(message.lastFailureTimeMs, 1_700_000_007_000n)
      assert.strictEqual(message.retryCount, 3)
      assert.strictEqual(message.sourceService, "persistence-1")
      assert.strictEqual(message.sourceQueue, "raw-tick-data")
      assert.deepStrictEqual(message.metadata, {
        simulationRunId: "run",
        startTick: "5",
        endTick: "7",
        tickCount: "3",
        storageKey: "run/batch_0000000000000000005_0000000000000000007.pb",
        exceptionType: "StorageError.NoSpace"
      })
      assert.deepStrictEqual([reason, tickCount], ["storage", 3])
      assert.deepStrictEqual(fromBinary(DeadLetterMessageSchema, bytes), message)
    })
  )

  it.effect("holds the ticks in the delimited format, to be stored later as they would have been", () =>
    Effect.gen(function* () {
      const { message } = yield* letter(5, 7, 0)
      const ticks = yield* Stream.runCollect(Delimited.ticks(Stream.make(message.originalMessage)))
      assert.deepStrictEqual(ticks, TestTick.range("run", 5, 7))
    })
  )

  it.effect("gives the reason with all that caused it, outermost first", () =>
    Effect.gen(function* () {
      const { message } = yield* letter(1, 1, 0)
      assert.strictEqual(
        message.failureReason,
        `${noSpace.message}; caused by: write failed; caused by: ENOSPC: no space left on device`
      )
    })
  )

  it.effect("survives a cause that is its own, that is no error, or that has no text", () =>
    Effect.gen(function* () {
      const circular = new Error("round")
      circular.cause = circular
      const parts = (yield* letter(1, 1, 0, circular)).message.failureReason.split("; caused by: ")
      assert.deepStrictEqual(
        parts,
        Array.from({ length: 10 }, () => "round")
      )
      const odd = yield* letter(1, 1, 0, new Error("", { cause: "a word" }))
      assert.strictEqual(odd.message.failureReason, "Error; caused by: a word")
    })
  )

  it.effect("names the type of the failure, and its reason when it has one", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* about(TestTick.make("run", 1))).metadata["exceptionType"], "Plain")
      const conflict = new StorageError({ operation: "commit", key: "a", reason: new KeyConflict() })
      const { message } = yield* letter(1, 1, 0, conflict)
      assert.strictEqual(message.metadata["exceptionType"], "StorageError.KeyConflict")
    })
  )

  it.effect("has the first ten lines of the stack", () =>
    Effect.gen(function* () {
      const deep = new Error("deep")
      deep.stack = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`).join("\n")
      const { message } = yield* letter(1, 1, 0, deep)
      assert.deepStrictEqual(
        message.stackTraceLines,
        Array.from({ length: 10 }, (_, index) => `line ${index + 1}`)
      )
      const none = new Error("none")
      delete none.stack
      assert.deepStrictEqual((yield* letter(1, 1, 0, none)).message.stackTraceLines, ["Error: none"])
    })
  )

  it.effect("names the smallest and the largest tick, in whatever order they are", () =>
    Effect.gen(function* () {
      const { metadata } = yield* about(TestTick.make("run", 9), TestTick.make("run", 3), TestTick.make("run", 5))
      assert.deepInclude(metadata, { startTick: "3", endTick: "9", tickCount: "3" })
    })
  )

  it.effect("has no storage key when the run id is none that could be stored, or a tick number is negative", () =>
    Effect.gen(function* () {
      const unsafe = yield* about(TestTick.make("../etc", 1))
      assert.deepInclude(unsafe.metadata, { simulationRunId: "../etc", storageKey: "" })
      const negative = yield* about(TestTick.make("run", -5))
      assert.deepInclude(negative.metadata, { startTick: "-5", storageKey: "" })
    })
  )

  it.effect("has an id that is safe as a file name, sorts by the first failure, and is its own", () =>
    Effect.gen(function* () {
      const times = [0, 999, 1000, 1_700_000_000_000, 99_999_999_999_999]
      const ids = (yield* Effect.forEach(times, (time) => letter(1, 1, time))).map(({ id }) => id)
      assert.deepStrictEqual(ids, ids.toSorted())
      for (const id of ids) assert.isTrue(StorageKey.is(`${id}.pb`), id)
      const same = yield* Effect.forEach(Array.from({ length: 100 }), () => letter(1, 1, 5))
      assert.strictEqual(new Set(same.map(({ id }) => id)).size, 100)
    })
  )
})
