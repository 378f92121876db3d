// @module-tag integration
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { platform, setup } from "./letterFolder.ts"
import { extended, fileOf, letter } from "./letters.ts"

describe("a folder of dead letters in which a call hangs", () => {
  it.effect("keeps, lists, gives, updates and removes the other letters", () =>
    Effect.gen(function* () {
      const { files, queue, script } = yield* setup()
      const [one, two] = [yield* letter(1, 3, 1000), yield* letter(4, 6, 2000)]
      const hangs = yield* script.hang("link", new RegExp(one.id, "u"))
      const hung = yield* Effect.forkDetach(queue.offer(one))
      yield* hangs
      assert.strictEqual(yield* queue.offer(two), "kept")
      assert.deepStrictEqual(yield* Stream.runCollect(queue.ids), [two.id])
      const newer = yield* extended(two, 5, 6, 9000)
      yield* queue.update(newer)
      assert.deepStrictEqual((yield* queue.get(two.id)).bytes, newer.bytes)
      assert.isTrue(yield* queue.remove(two.id))
      assert.deepStrictEqual(
        (yield* files).filter((file) => file.endsWith(".pb")),
        []
      )
      assert.isUndefined(hung.pollUnsafe())
    }).pipe(Effect.provide(platform))
  )

  it.effect("takes the letter of the call when it is offered again", () =>
    Effect.gen(function* () {
      const { queue, script } = yield* setup(1)
      const one = yield* letter(1, 3, 1000)
      const hangs = yield* script.hang("link", new RegExp(one.id, "u"))
      yield* Effect.forkDetach(queue.offer(one))
      yield* hangs
      assert.strictEqual(yield* queue.offer(one), "kept")
      assert.strictEqual(yield* queue.size, 1)
    }).pipe(Effect.provide(platform))
  )

  it.effect("leaves room for the letter of the call, which may be kept late", () =>
    Effect.gen(function* () {
      const { queue, script } = yield* setup(2)
      const hangs = yield* script.hang("link", /./u)
      yield* Effect.forkDetach(queue.offer(yield* letter(1, 1, 1000)))
      yield* hangs
      assert.strictEqual(yield* queue.offer(yield* letter(2, 2, 2000)), "kept")
      assert.strictEqual((yield* Effect.flip(queue.offer(yield* letter(3, 3, 3000)))).reason._tag, "QueueFull")
      assert.strictEqual(yield* queue.size, 1)
    }).pipe(Effect.provide(platform))
  )

  it.effect("doesn't exceed its capacity when letters are offered at the same time", () =>
    Effect.gen(function* () {
      const { files, queue } = yield* setup(3)
      const letters = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => letter(n, n, n * 1000))
      const exits = yield* Effect.forEach(letters, (one) => Effect.exit(queue.offer(one)), { concurrency: "unbounded" })
      assert.lengthOf(exits.filter(Exit.isSuccess), 3)
      assert.lengthOf(yield* files, 3)
    }).pipe(Effect.provide(platform))
  )

  it.effect("updates a letter only after the update before it", () =>
    Effect.gen(function* () {
      const { queue, script } = yield* setup()
      const one = yield* letter(1, 9, 1000)
      yield* queue.offer(one)
      const second = yield* extended(one, 5, 9, 9000)
      const hangs = yield* script.hang("remove", new RegExp(`${fileOf(one)}$`, "u"))
      yield* Effect.forkDetach(queue.update(second))
      yield* hangs
      const third = yield* Effect.forkDetach(queue.update(yield* extended(second, 7, 9, 10_000)))
      const removal = yield* Effect.forkDetach(queue.remove(one.id))
      assert.strictEqual(yield* queue.offer(yield* letter(10, 12, 2000)), "kept")
      assert.deepStrictEqual((yield* queue.get(one.id)).bytes, second.bytes)
      assert.deepStrictEqual([third.pollUnsafe(), removal.pollUnsafe()], [undefined, undefined])
      yield* Fiber.interruptAll([third, removal]) // waiting can be given up
    }).pipe(Effect.provide(platform))
  )
})
