/**
 * The part of the storage's contract that is about logs.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Storage from "../../storage/Storage.ts"
import { type Test, test } from "../Contract.ts"
import { failureFor, isTrue, same } from "./expect.ts"
import { append, get, key, list, pattern, put, sizeOf } from "./storageCalls.ts"

export const logs: ReadonlyArray<Test<Storage.Storage>> = [
  test("are made empty when they are missing", function* () {
    const storage = yield* Storage.Storage
    const name = yield* key("run/deep/log")
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* storage.append(name)
        same(yield* sizeOf("run/deep/log"), 0, "the size of a log that is opened")
        same(yield* list(""), ["run/deep/log"], "the keys when a log is opened")
        same(yield* get("run/deep/log"), Uint8Array.of())
      })
    )
    same(yield* list("run/"), ["run/deep/log"], "the keys when the log is closed")
  }),
  test("show each piece at once, before it is synced and before the log is closed", function* () {
    const storage = yield* Storage.Storage
    const name = yield* key("run/log")
    yield* Effect.scoped(
      Effect.gen(function* () {
        const log = yield* storage.append(name)
        for (let count = 1; count <= 3; count++) {
          yield* log.append(Uint8Array.of(count, count))
          const bytes = Uint8Array.of(1, 1, 2, 2, 3, 3).subarray(0, 2 * count)
          same(yield* get("run/log"), bytes, "the bytes of an open log")
          same(yield* sizeOf("run/log"), bytes.length, "the size of an open log")
          if (count === 2) yield* log.sync
        }
      })
    )
    same(yield* get("run/log"), Uint8Array.of(1, 1, 2, 2, 3, 3), "the bytes of a closed log")
  }),
  test("keep what is in them when they are opened again", function* () {
    yield* append("run/log", Uint8Array.of(1, 2))
    yield* append("run/log")
    yield* append("run/log", Uint8Array.of(), Uint8Array.of(3))
    same(yield* get("run/log"), Uint8Array.of(1, 2, 3))
    same(yield* sizeOf("run/log"), 3, "the size of the log")
    same(yield* list(""), ["run/log"])
  }),
  test("keep large pieces whole", function* () {
    const bytes = pattern(3_000_001)
    yield* append("run/log", bytes.subarray(0, 2_500_000), bytes.subarray(2_500_000))
    isTrue(Bytes.Equivalence(yield* get("run/log"), bytes), "it reads the bytes that were appended")
    same(yield* sizeOf("run/log"), bytes.length, "the size of the log")
  }),
  test("keep the bytes they were given when the caller uses its buffer again", function* () {
    const buffer = Uint8Array.of(1, 2)
    yield* append("run/log", buffer)
    buffer.fill(9)
    same(yield* get("run/log"), Uint8Array.of(1, 2))
  }),
  test("do not disturb each other, nor the objects beside them", function* () {
    const storage = yield* Storage.Storage
    yield* put("run/object", Uint8Array.of(7))
    const [a, b] = [yield* key("run/a"), yield* key("run/b")]
    yield* Effect.scoped(
      Effect.gen(function* () {
        const [first, second] = [yield* storage.append(a), yield* storage.append(b)]
        for (const number of [1, 2, 3]) {
          yield* Effect.all([first.append(Uint8Array.of(number)), second.append(Uint8Array.of(10 * number))], {
            concurrency: 2
          })
        }
      })
    )
    same(yield* get("run/a"), Uint8Array.of(1, 2, 3))
    same(yield* get("run/b"), Uint8Array.of(10, 20, 30))
    same(yield* get("run/object"), Uint8Array.of(7))
    same(yield* list("run/"), ["run/a", "run/b", "run/object"])
  }),
  test("are never replaced by an object of the same key", function* () {
    yield* append("run/log", Uint8Array.of(1, 2))
    yield* failureFor(put("run/log", Uint8Array.of(3)), "KeyConflict")
    same(yield* get("run/log"), Uint8Array.of(1, 2))
  })
]
