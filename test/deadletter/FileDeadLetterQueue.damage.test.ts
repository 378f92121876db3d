// @module-tag integration
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { platform, setup } from "./letterFolder.ts"
import { fileOf, letter } from "./letters.ts"

const leftOut = "A dead letter can't be read and is left out"

/** Every damage of `bytes` by one byte, of which these bits are changed, and every shorter file. */
function* damages(bytes: Uint8Array, ...masks: ReadonlyArray<number>): Generator<readonly [string, Uint8Array]> {
  for (let at = 0; at < bytes.length; at++) {
    yield [`cut at byte ${at}`, bytes.subarray(0, at)]
    for (const bits of masks) {
      yield [`byte ${at} changed by ${bits}`, bytes.map((byte, index) => (index === at ? byte ^ bits : byte))]
    }
  }
}

/** Short, so that a letter about it has few bytes. */
const short = new Error("no")
short.stack = "at home"

/** A folder with a letter between two others, of which it is told apart. */
const withThree = Effect.fnUntraced(function* () {
  const folder = yield* setup()
  const [before, one, after] = [yield* letter(1, 1, 1000), yield* letter(2, 3, 2000, short), yield* letter(4, 4, 3000)]
  for (const each of [before, one, after]) yield* folder.queue.offer(each)
  return { ...folder, before, one, after, ids: [before.id, one.id, after.id] }
})

describe("a damaged letter in a folder", () => {
  it.effect("is found whatever byte is changed and wherever it is cut, and is in nobody's way", () =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Warn", leftOut)
      const { after, before, ids, one, put, queue } = yield* withThree()
      let round = 0
      for (const [what, bytes] of damages(one.bytes, 0x10)) {
        yield* put(fileOf(one), bytes)
        const { reason } = yield* Effect.flip(queue.get(one.id))
        assert.strictEqual(reason._tag, "LetterDamaged", what)
        assert.include(reason.message, "doesn't match the checksum in its name", what)
        if (round++ % 20 !== 0) continue
        assert.deepStrictEqual(yield* Stream.runCollect(queue.ids), ids, what)
        assert.deepStrictEqual(yield* Stream.runCollect(queue.letters), [before.message, after.message], what)
      }
      yield* put(fileOf(one), one.bytes)
      assert.deepStrictEqual(yield* queue.get(one.id), one)
    }).pipe(Effect.provide(platform))
  )

  it.effect("does no harm also when nothing tells that it is damaged", () =>
    Effect.gen(function* () {
      const { bytes: whole } = yield* letter(2, 3, 2000)
      const found = new Set<string>()
      for (const [what, bytes] of damages(whole, 0xff, 0x01, 0x80)) {
        const read = yield* Effect.result(Effect.flatMap(DeadLetter.fromBytes("other", bytes), DeadLetter.ticks))
        if (read._tag === "Failure") assert.strictEqual(read.failure._tag, "LetterDamaged", what)
        found.add(read._tag)
      }
      assert.deepStrictEqual([...found].toSorted(), ["Failure", "Success"])
    })
  )

  it.effect("is named in a line at WARN when the letters are read", () =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Warn", leftOut, { times: 1 })
      const { one, put, queue } = yield* withThree()
      yield* put(fileOf(one), Uint8Array.of())
      yield* Stream.runDrain(queue.letters)
      const [line] = yield* LogWatch.lines
      assert.deepInclude(line?.annotations, { deadLetterQueue: "dlq", letter: one.id })
      assert.include(String(line?.annotations["error"]), `letter "${one.id}" can't be read: file "${fileOf(one)}"`)
    }).pipe(Effect.provide(platform))
  )

  it.effect("takes a place until it is removed", () =>
    Effect.gen(function* () {
      const { open, put } = yield* setup(1)
      yield* put("000000000009000-other-1.pb", Uint8Array.of(10, 50, 1))
      const queue = yield* open
      assert.strictEqual(yield* queue.size, 1)
      const { reason } = yield* Effect.flip(queue.get("000000000009000-other-1"))
      assert.include(reason.message, "it is not a DeadLetterMessage")
      const one = yield* letter(1, 1, 1000)
      assert.strictEqual((yield* Effect.flip(queue.offer(one))).reason._tag, "QueueFull")
      assert.isTrue(yield* queue.remove("000000000009000-other-1"))
      assert.strictEqual(yield* queue.offer(one), "kept")
    }).pipe(Effect.provide(platform))
  )
})
