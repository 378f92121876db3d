/**
 * The part of the storage's contract that is about objects that leave their keys.
 */
import * as Effect from "effect/Effect"
import * as Storage from "../../storage/Storage.ts"
import { type Test, test } from "../Contract.ts"
import { failureFor, isFalse, isTrue, same } from "./expect.ts"
import { append, get, key, list, put, sizeOf } from "./storageCalls.ts"

/** That nothing is under the key, and that it takes other bytes. */
const isFree = Effect.fnUntraced(function* (name: string) {
  same(yield* sizeOf(name), undefined, "the size of what is gone")
  yield* failureFor(get(name), "ObjectMissing")
  same((yield* put(name, Uint8Array.of(9, 9))).outcome, "created", "the outcome of a commit under a free key")
  same(yield* get(name), Uint8Array.of(9, 9))
})

/** What is removed. */
export const removals: ReadonlyArray<Test<Storage.Storage>> = [
  test("is gone, and its key is free again", function* () {
    const storage = yield* Storage.Storage
    yield* put("run/a", Uint8Array.of(1))
    yield* put("run/b", Uint8Array.of(2))
    isTrue(yield* storage.remove(yield* key("run/a")), "it removes the object")
    same(yield* list(""), ["run/b"], "the keys that are left")
    same(yield* get("run/b"), Uint8Array.of(2))
    yield* isFree("run/a")
  }),
  test("was there: of what is missing it is said that there was none", function* () {
    const storage = yield* Storage.Storage
    isFalse(yield* storage.remove(yield* key("absent/a")), "there is nothing to remove")
    yield* put("run/a", Uint8Array.of(1))
    isFalse(yield* storage.remove(yield* key("run/b")), "there is nothing to remove")
    isTrue(yield* storage.remove(yield* key("run/a")), "it removes the object")
    isFalse(yield* storage.remove(yield* key("run/a")), "the object is gone already")
  }),
  test("may be a log, which begins anew", function* () {
    const storage = yield* Storage.Storage
    yield* append("run/log", Uint8Array.of(1, 2))
    isTrue(yield* storage.remove(yield* key("run/log")), "it removes the log")
    same(yield* list(""), [])
    yield* append("run/log", Uint8Array.of(3))
    same(yield* get("run/log"), Uint8Array.of(3))
  })
]

/** What is set aside. */
export const setAside: ReadonlyArray<Test<Storage.Storage>> = [
  test("has no key any more, which is free again, and a place that people can read", function* () {
    const storage = yield* Storage.Storage
    yield* put("run/a", Uint8Array.of(1))
    yield* put("run/b", Uint8Array.of(2))
    const place = yield* storage.setAside(yield* key("run/a"))
    isTrue(place.trim().length > 0, "the new place, as text")
    same(yield* list(""), ["run/b"], "the keys that are left")
    same(yield* get("run/b"), Uint8Array.of(2))
    yield* isFree("run/a")
  }),
  test("may be another object of the same key later", function* () {
    const storage = yield* Storage.Storage
    for (const number of [1, 2, 3]) {
      yield* put("run/a", Uint8Array.of(number))
      yield* storage.setAside(yield* key("run/a"))
    }
    same(yield* list(""), [])
    yield* isFree("run/a")
  }),
  test("may be a log, which begins anew", function* () {
    const storage = yield* Storage.Storage
    yield* append("run/log", Uint8Array.of(1, 2))
    yield* storage.setAside(yield* key("run/log"))
    same(yield* list(""), [])
    yield* append("run/log", Uint8Array.of(3))
    same(yield* get("run/log"), Uint8Array.of(3))
  }),
  test("was there: what is missing can't be set aside", function* () {
    const storage = yield* Storage.Storage
    yield* put("run/a", Uint8Array.of(1))
    for (const name of ["run/b", "absent/a"]) {
      const error = yield* failureFor(storage.setAside(yield* key(name)), "ObjectMissing")
      same([error.operation, error.key], ["set-aside", name])
      isFalse(error.isRetryable, "the error is not retryable")
    }
    yield* storage.setAside(yield* key("run/a"))
    yield* failureFor(storage.setAside(yield* key("run/a")), "ObjectMissing")
    same(yield* list(""), [])
  })
]
