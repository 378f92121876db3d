import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as DeadLetter from "../../src/deadletter/DeadLetter.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { platform, setup } from "./letterFolder.ts"
import { fileOf, letter } from "./letters.ts"

const leftOut = "A dead letter can't be read and is left out"

/** Every damage of `bytes` by one byte, in all of its bits and in one, and every shorter file. */
function* damages(bytes: Uint8Array): Generator<readonly [what: string, bytes: Uint8Array]> {
  for (let at = 0; at < bytes.length; at++) {
    yield [`cut at byte ${at}`, bytes.subarray(0, at)]
    for (const bits of [0xff, 0x01, 0x80]) {
      yield [`byte ${at} changed by ${bits}`, bytes.map((byte, index) => (index === at ? byte ^ bits : byte))]
    }
  }
}

/** A folder with a letter between two others, of which it is told apart. */
const withThree = Effect.fnUntraced(function* () {
  const folder = yield* setup()
  const [before, one, after] = [yield* letter(1, 1, 1000), yield* letter(2, 3, 2000), yield* letter(4, 4, 3000)]
  for (const each of [before, one, after]) yield* folder.queue.offer(each)
  return { ...folder, before, one, after, ids: [before.id, one.id, after.id] }
})

describe("a damaged letter in a folder", () => {
  it.effect("is found whatever byte is changed and wherever it is cut, and is in nobody's way", () =>
    Effect.gen(function* () {
      yield* LogWatch.expect("Warn", leftOut)
      const { after, before, ids, one, put, queue } = yield* withThree()
      for (const [what, bytes] of damages(one.bytes)) {
        yield* put(fileOf(one), bytes)
        const { reason } = yield* Effect.flip(queue.get(one.id))
        assert.strictEqual(reason._tag, "LetterDamaged", what)
        assert.include(reason.message, "doesn't match the checksum in its name", what)
        assert.deepStrictEqual(yield* Stream.runCollect(queue.ids), ids, what)
        assert.deepStrictEqual(yield* Stream.runCollect(queue.letters), [before.message, after.message], what)
      }
      yield* put(fileOf(one), one.bytes)
      assert.deepStrictEqual(yield* queue.get(one.id), one)
    }).pipe(Effect.provide(platform))
  )

  it.effect("is read without harm also when its name has no checksum to tell", () =>
    Effect.gen(function* () {
      const { put, queue } = yield* setup()
      const one = yield* letter(2, 3, 2000)
      for (const [what, bytes] of damages(one.bytes)) {
        yield* put(`${one.id}.pb`, bytes)
        const got = yield* Effect.result(queue.get(one.id))
        if (got._tag === "Failure") assert.strictEqual(got.failure.reason._tag, "LetterDamaged", what)
        else yield* Effect.ignore(DeadLetter.ticks(got.success))
      }
    }).pipe(Effect.provide(platform))
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
      assert.include(reason.message, "it is no DeadLetterMessage")
      const one = yield* letter(1, 1, 1000)
      assert.strictEqual((yield* Effect.flip(queue.offer(one))).reason._tag, "QueueFull")
      assert.isTrue(yield* queue.remove("000000000009000-other-1"))
      assert.strictEqual(yield* queue.offer(one), "kept")
    }).pipe(Effect.provide(platform))
  )
})
