// @module-tag unit
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
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
import { extended, letter, noSpace } from "./letters.ts"

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
        exceptionType: "StorageError.NoSpace",
        reason: "storage"
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

const other = (init: Parameters<typeof create<typeof DeadLetterMessageSchema>>[1]) => {
  const message = create(DeadLetterMessageSchema, init)
  return DeadLetter.fromBytes("other", toBinary(DeadLetterMessageSchema, message))
}

const reasonOf = (metadata: Record<string, string>) =>
  Effect.map(other({ metadata }), ({ reason, tickCount }) => [reason, tickCount])

const problemOf = (init: Parameters<typeof other>[0]) =>
  Effect.map(Effect.flip(Effect.flatMap(other(init), DeadLetter.ticks)), (error) => error.problem)

describe("a letter that is read", () => {
  it.effect("is the one that was written", () =>
    Effect.gen(function* () {
      const one = yield* letter(5, 7, 1000)
      assert.deepStrictEqual(yield* DeadLetter.fromBytes(one.id, one.bytes), one)
    })
  )

  it.effect("has the reason that it was given up for, and of letters without one what their exception says", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* reasonOf({ reason: "mixed_run", exceptionType: "StorageError.Io" }), [
        "mixed_run",
        0
      ])
      assert.deepStrictEqual(yield* reasonOf({ reason: "weather", tickCount: "12" }), ["internal", 12])
      assert.deepStrictEqual(yield* reasonOf({ tickCount: "-1" }), ["internal", 0])
      for (const [exceptionType, reason] of [
        ["InvalidTick", "validation"],
        ["MixedRuns", "mixed_run"],
        ["StorageError.KeyConflict", "key_conflict"],
        ["StorageError.NoSpace", "storage"],
        ["StorageError", "storage"],
        ["java.io.IOException", "internal"]
      ] as const) {
        assert.deepStrictEqual(yield* reasonOf({ exceptionType }), [reason, 0])
      }
    })
  )

  it.effect("is damaged when it is no message", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(DeadLetter.fromBytes("bad", Uint8Array.of(10, 50, 1)))
      assert.strictEqual(error._tag, "LetterDamaged")
      assert.include(error.message, 'letter "bad" can\'t be read: it is not a DeadLetterMessage')
    })
  )

  it.effect("gives its ticks, or says why not", () =>
    Effect.gen(function* () {
      const one = yield* letter(5, 7, 1000)
      assert.deepStrictEqual(yield* DeadLetter.ticks(one), TestTick.range("run", 5, 7))
      const messageType = "List<TickData>"
      assert.strictEqual(
        yield* problemOf({ messageType: "SystemEvent", originalMessage: one.message.originalMessage }),
        'its payload is "SystemEvent", not List<TickData>'
      )
      assert.strictEqual(yield* problemOf({}), 'its payload is "", not List<TickData>')
      assert.strictEqual(yield* problemOf({ messageType }), "it has no ticks")
      const cut = one.message.originalMessage.subarray(0, -1)
      assert.include(yield* problemOf({ messageType, originalMessage: cut }), "message 3 at byte")
      assert.include(
        yield* problemOf({ messageType, originalMessage: Uint8Array.of(1, 7) }),
        "message 1 at byte 0: not a TickData message"
      )
    })
  )
})

describe("the next version of a letter", () => {
  it.effect("keeps its id, its first failure and where it came from; the last failure and the ticks are new", () =>
    Effect.gen(function* () {
      const one = yield* letter(5, 9, 1000)
      const next = yield* extended(one, 8, 9, 50_000)
      assert.strictEqual(next.id, one.id)
      assert.strictEqual(next.reason, "key_conflict")
      assert.strictEqual(next.tickCount, 2)
      assert.deepStrictEqual(yield* DeadLetter.ticks(next), TestTick.range("run", 8, 9))
      const { message } = next
      assert.strictEqual(message.firstFailureTimeMs, 1000n)
      assert.strictEqual(message.lastFailureTimeMs, 50_000n)
      assert.deepStrictEqual([message.sourceService, message.sourceQueue], ["persistence-1", "raw-tick-data"])
      assert.include(message.failureReason, "the key holds different bytes")
      assert.include(message.stackTraceLines[0], "StorageError")
      assert.deepStrictEqual(message.metadata, {
        simulationRunId: "run",
        startTick: "8",
        endTick: "9",
        tickCount: "2",
        storageKey: "run/batch_0000000000000000008_0000000000000000009.pb",
        exceptionType: "StorageError.KeyConflict",
        reason: "key_conflict"
      })
      assert.deepStrictEqual(yield* DeadLetter.fromBytes(one.id, next.bytes), next)
    })
  )

  it.effect("counts every attempt as one more, also the only one of a replay, and stays within the field", () =>
    Effect.gen(function* () {
      const one = yield* letter(5, 9, 1000)
      const next = yield* extended(one, 8, 9, 50_000)
      assert.strictEqual(next.message.retryCount, 3 + 3)
      assert.strictEqual((yield* extended(next, 9, 9, 60_000)).message.retryCount, 6 + 3)
      const worn = yield* other({ retryCount: 2 ** 31 - 2 })
      assert.strictEqual((yield* extended(worn, 9, 9, 60_000)).message.retryCount, 2 ** 31 - 1)
    })
  )

  it.effect("keeps what another program has put beside it", () =>
    Effect.gen(function* () {
      const known = toBinary(
        DeadLetterMessageSchema,
        create(DeadLetterMessageSchema, { metadata: { operator: "eve" } })
      )
      const foreign = yield* DeadLetter.fromBytes("other", Uint8Array.from([...known, 0xa2, 0x06, 2, 104, 105]))
      const next = yield* extended(foreign, 1, 1, 1000)
      assert.strictEqual(next.message.metadata["operator"], "eve")
      const again = fromBinary(DeadLetterMessageSchema, next.bytes)
      assert.deepStrictEqual(again.$unknown, foreign.message.$unknown)
      assert.strictEqual(again.$unknown?.[0]?.no, 100)
    })
  )
})
