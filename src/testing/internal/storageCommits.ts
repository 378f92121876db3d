/**
 * The part of the storage's contract that is about commits: those that don't come, and those that meet.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Storage from "../../storage/Storage.ts"
import { type Test, test } from "../Contract.ts"
import { isFalse, same } from "./expect.ts"
import { get, key, list, put } from "./storageCalls.ts"

/** What is not committed. */
export const aborts: ReadonlyArray<Test<Storage.Storage>> = [
  test("is nowhere to be seen when its scope closes", function* () {
    const storage = yield* Storage.Storage
    const name = yield* key("run/a")
    yield* Effect.scoped(
      Effect.gen(function* () {
        const writer = yield* storage.create(name)
        yield* writer.write(Uint8Array.of(1))
        isFalse(yield* Storage.exists(storage, name), "there is no object before its commit")
        same(yield* list(""), [])
      })
    )
    isFalse(yield* Storage.exists(storage, name), "there is no object before its commit")
    same(yield* list(""), [])
    same((yield* put("run/a", Uint8Array.of(2))).outcome, "created")
  }),
  test("is gone when the writer fails or dies on the way", function* () {
    const storage = yield* Storage.Storage
    const name = yield* key("run/a")
    const begin = Effect.tap(storage.create(name), (writer) => writer.write(Uint8Array.of(1)))
    yield* Effect.scoped(begin).pipe(Effect.andThen(Effect.fail("no")), Effect.exit)
    yield* Effect.exit(Effect.scoped(Effect.andThen(begin, Effect.die("no"))))
    same(yield* list(""), [])
    same((yield* put("run/a", Uint8Array.of(2))).outcome, "created")
  }),
  test("is gone when the writer is interrupted between two pieces", function* () {
    const storage = yield* Storage.Storage
    const name = yield* key("run/a")
    const written = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(
      Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* storage.create(name)
          yield* writer.write(Uint8Array.of(1))
          yield* Deferred.succeed(written, undefined)
          return yield* Effect.never
        })
      )
    )
    yield* Deferred.await(written)
    yield* Fiber.interrupt(fiber)
    same(yield* list(""), [])
    isFalse(yield* Storage.exists(storage, name), "there is no object before its commit")
  }),
  test("is published whole or not at all, whenever the writer is interrupted", function* () {
    for (let round = 0; round < 40; round++) {
      const name = `run/a${round}`
      const fiber = yield* Effect.forkChild(put(name, Uint8Array.of(1, 2), Uint8Array.of(3)))
      yield* Effect.repeat(Effect.yieldNow, { times: round })
      yield* Fiber.interrupt(fiber)
      const bytes = yield* Effect.option(get(name))
      if (bytes._tag === "Some") same(bytes.value, Uint8Array.of(1, 2, 3))
      yield* put(name, Uint8Array.of(1, 2, 3))
      same(yield* get(name), Uint8Array.of(1, 2, 3))
    }
    same((yield* list("")).length, 40)
  })
]

/** Commits that meet. */
export const races: ReadonlyArray<Test<Storage.Storage>> = [
  test("create an object once when they bring the same bytes", function* () {
    const results = yield* Effect.all(
      Array.from({ length: 12 }, () => put("run/a", Uint8Array.of(1, 2, 3))),
      { concurrency: "unbounded" }
    )
    const outcomes = results.map(({ outcome }) => outcome).sort()
    same(outcomes, ["created", ...Array.from({ length: 11 }, () => "identical" as const)])
    same(yield* list(""), ["run/a"])
  }),
  test("leave one winner and conflicts for all others when they bring different bytes", function* () {
    const results = yield* Effect.all(
      Array.from({ length: 12 }, (_, index) => Effect.result(put("run/a", Uint8Array.of(index, index)))),
      { concurrency: "unbounded" }
    )
    const winner = results.findIndex((result) => result._tag === "Success")
    same(yield* get("run/a"), Uint8Array.of(winner, winner))
    for (const [index, result] of results.entries()) {
      if (index !== winner) same(result._tag === "Failure" ? result.failure.reason._tag : "Success", "KeyConflict")
    }
  }),
  test("do not disturb each other under different keys", function* () {
    yield* Effect.forEach(
      Array.from({ length: 30 }, (_, index) => index),
      (index) => put(`run-${index % 3}/${index}`, Uint8Array.of(index)),
      { concurrency: "unbounded", discard: true }
    )
    for (let index = 0; index < 30; index++) {
      same(yield* get(`run-${index % 3}/${index}`), Uint8Array.of(index))
    }
  })
]
