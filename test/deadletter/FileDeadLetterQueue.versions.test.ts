// @module-tag integration
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type * as ScriptedFileSystem from "../support/ScriptedFileSystem.ts"
import { platform, setup } from "./letterFolder.ts"
import { extended, fileOf, letter } from "./letters.ts"

/** A folder with a letter, and the next version of it that is not there yet. */
const withLetter = Effect.fnUntraced(function* () {
  const folder = yield* setup()
  const one = yield* letter(1, 9, 1000)
  yield* folder.queue.offer(one)
  return { ...folder, one, next: yield* extended(one, 4, 5, 70_000) }
})

/** Every step of an update or removal that changes anything, and what it is done to. */
const steps = (names: ReadonlyArray<string>): ReadonlyArray<readonly [ScriptedFileSystem.Call, RegExp]> => [
  ["open", /\.tmp$/u],
  ["write", /\.tmp$/u],
  ["sync", /\.tmp$/u],
  ["close", /\.tmp$/u],
  ["link", /\.tmp$/u],
  ["sync", /letters$/u],
  ...names.map((name) => ["remove", new RegExp(`${name.replaceAll(".", "[.]")}$`, "u")] as const)
]

describe("the next version of a letter in a folder", () => {
  it.effect("is durable before the old one goes", () =>
    Effect.gen(function* () {
      const { directory, next, one, queue, script } = yield* withLetter()
      yield* script.takeRecord(directory)
      yield* queue.update(next)
      const record = (yield* script.takeRecord(directory)).filter((line) => /^(write|sync|link|remove)/u.test(line))
      assert.deepStrictEqual(record, [
        "write TMP",
        "sync TMP",
        `link TMP ${fileOf(next)}`,
        "sync .",
        "remove TMP",
        `remove ${fileOf(one)}`,
        "sync ."
      ])
    }).pipe(Effect.provide(platform))
  )

  it.effect("or the old one is held whole whatever step fails, and repeating the update settles it", () =>
    Effect.gen(function* () {
      const { one: first } = yield* withLetter()
      for (const [call, path] of steps([fileOf(first)])) {
        const { files, next, one, open, queue, script } = yield* withLetter()
        const target = call === "remove" ? new RegExp(`${one.id}[.][0-9a-f]{8}[.]pb$`, "u") : path
        yield* script.fail(call, target, "EIO")
        const error = yield* Effect.flip(queue.update(next))
        assert.strictEqual(error.reason._tag, "LetterNotWritten", call)
        for (const any of [queue, yield* open]) {
          const held = yield* any.get(one.id)
          assert.include([fileOf(one), fileOf(next)], fileOf(held), call)
          assert.deepStrictEqual(yield* Stream.runCollect(any.ids), [one.id], call)
          assert.strictEqual(yield* any.size, 1, call)
        }
        yield* queue.update(next)
        assert.deepStrictEqual(yield* queue.get(one.id), next, call)
        assert.deepStrictEqual(yield* files, [fileOf(next)], call)
      }
    }).pipe(Effect.provide(platform))
  )

  it.effect(
    "counts when a crash has left both, for who was there and for who comes; the next update takes both away",
    () =>
      Effect.gen(function* () {
        const { files, next, one, open, queue, script } = yield* withLetter()
        yield* script.fail("remove", new RegExp(`${fileOf(one)}$`, "u"), "EIO")
        yield* Effect.flip(queue.update(next))
        assert.deepStrictEqual(yield* files, [fileOf(one), fileOf(next)].toSorted())
        const again = yield* open
        for (const any of [queue, again]) {
          assert.deepStrictEqual(yield* any.get(one.id), next)
          assert.deepStrictEqual(yield* Stream.runCollect(any.ids), [one.id])
          assert.deepStrictEqual(yield* Stream.runCollect(any.letters), [next.message])
          assert.strictEqual(yield* any.size, 1)
        }
        const last = yield* extended(next, 5, 5, 80_000)
        yield* again.update(last)
        assert.deepStrictEqual(yield* files, [fileOf(last)])
        assert.deepStrictEqual(yield* queue.get(one.id), last)
      }).pipe(Effect.provide(platform))
  )

  it.effect("is all that there is when the old one is offered again, which is kept when the new one has gone", () =>
    Effect.gen(function* () {
      const { files, next, one, queue, take } = yield* withLetter()
      yield* queue.update(next)
      assert.strictEqual(yield* queue.offer(one), "kept")
      assert.deepStrictEqual(yield* files, [fileOf(next)])
      yield* take(fileOf(next))
      assert.strictEqual(yield* queue.offer(one), "kept")
      assert.deepStrictEqual(yield* files, [fileOf(one)])
      assert.deepStrictEqual(yield* queue.get(one.id), one)
    }).pipe(Effect.provide(platform))
  )

  it.effect("goes with all other versions when the letter is removed", () =>
    Effect.gen(function* () {
      const { files, next, one, put, queue } = yield* withLetter()
      yield* put(fileOf(next), next.bytes)
      yield* put(`${one.id}.pb`, one.bytes)
      assert.isTrue(yield* queue.remove(one.id))
      assert.deepStrictEqual(yield* files, [])
    }).pipe(Effect.provide(platform))
  )

  it.effect("is the one that failed last when both were tried as often, and one that is damaged doesn't count", () =>
    Effect.gen(function* () {
      const { next, one, open, put, take } = yield* withLetter()
      const later = yield* extended(one, 5, 5, 70_001)
      yield* put(fileOf(later), later.bytes)
      yield* put(fileOf(next), next.bytes)
      assert.deepStrictEqual(yield* (yield* open).get(one.id), later)
      yield* put(fileOf(later), later.bytes.subarray(1))
      assert.deepStrictEqual(yield* (yield* open).get(one.id), next)
      yield* put(fileOf(next), next.bytes.subarray(1))
      yield* take(fileOf(one))
      assert.strictEqual((yield* Effect.flip((yield* open).get(one.id))).reason._tag, "LetterDamaged")
    }).pipe(Effect.provide(platform))
  )

  it.effect("or the old one is there wherever an update is interrupted, and repeating it settles it", () =>
    Effect.gen(function* () {
      const ends = new Set<string>()
      for (let yields = 0; yields < 120; yields += 3) {
        const { files, next, one, queue } = yield* withLetter()
        const fiber = yield* Effect.forkChild(queue.update(next), { startImmediately: true })
        yield* Effect.repeat(Effect.yieldNow, { times: yields })
        yield* Fiber.interrupt(fiber)
        const left = yield* files
        ends.add([left.includes(fileOf(one)), left.includes(fileOf(next))].join())
        assert.isTrue(left.includes(fileOf(one)) || left.includes(fileOf(next)))
        assert.deepStrictEqual(yield* queue.get(one.id), left.includes(fileOf(next)) ? next : one)
        yield* queue.update(next)
        assert.deepStrictEqual(yield* files, [fileOf(next)])
      }
      assert.isTrue(ends.has("true,false"), [...ends].join(" "))
    }).pipe(Effect.provide(platform))
  )
})

describe("the removal of a letter from a folder", () => {
  it.effect("is durable, and repeating it after a failure settles it", () =>
    Effect.gen(function* () {
      const { directory, files, one, open, queue, script } = yield* withLetter()
      yield* script.fail("remove", /\.pb$/u, "EIO")
      assert.strictEqual((yield* Effect.flip(queue.remove(one.id))).reason._tag, "LetterNotWritten")
      assert.deepStrictEqual(yield* queue.get(one.id), one)
      yield* script.fail("sync", new RegExp(`${directory}$`, "u"), "EIO")
      assert.strictEqual((yield* Effect.flip(queue.remove(one.id))).reason._tag, "LetterNotWritten")
      assert.strictEqual((yield* Effect.flip(queue.get(one.id))).reason._tag, "LetterMissing")
      assert.isFalse(yield* queue.remove(one.id))
      assert.strictEqual(yield* queue.size, 0)
      assert.deepStrictEqual(yield* files, [])
      yield* queue.offer(one)
      yield* script.takeRecord(directory)
      const again = yield* open
      yield* script.takeRecord(directory)
      assert.isTrue(yield* again.remove(one.id))
      const record = (yield* script.takeRecord(directory)).filter((line) => /^(sync|remove)/u.test(line))
      assert.deepStrictEqual(record, [`remove ${fileOf(one)}`, "sync ."])
    }).pipe(Effect.provide(platform))
  )
})
