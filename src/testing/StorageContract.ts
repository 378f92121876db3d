/**
 * What each `Storage` must do, as cases for any test runner.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Storage from "tickvault/storage/Storage"
 * import * as StorageContract from "tickvault/testing/StorageContract"
 * import { test } from "node:test"
 *
 * // Your own storage in the place of this one.
 * for (const { effect, name } of StorageContract.cases(Storage.layerMemory)) {
 *   test(name, () => Effect.runPromise(effect))
 * }
 * ```
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Storage from "../storage/Storage.ts"
import { type Case, caseOf, group, type Test, test } from "./Contract.ts"
import { failureFor, isFalse, isTrue, same } from "./internal/expect.ts"
import { append, get, key, list, pattern, put, sizeOf } from "./internal/storageCalls.ts"
import * as Commits from "./internal/storageCommits.ts"
import { logs } from "./internal/storageLogs.ts"
import * as Removals from "./internal/storageRemovals.ts"

const objects: ReadonlyArray<Test<Storage.Storage>> = [
  test("reads back exactly the bytes that were written", function* () {
    const committed = yield* put("run/a.pb", Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3))
    same(committed, { outcome: "created", bytes: 3 })
    same(yield* get("run/a.pb"), Uint8Array.of(1, 2, 3))
  }),
  test("holds empty objects", function* () {
    same(yield* put("run/empty"), { outcome: "created", bytes: 0 })
    same(yield* put("run/empty"), { outcome: "identical", bytes: 0 })
    same((yield* get("run/empty")).length, 0)
    same(yield* list(""), ["run/empty"])
  }),
  test("holds large objects, written and read in pieces", function* () {
    const bytes = pattern(3_000_001)
    yield* put("run/large", bytes.subarray(0, 1), bytes.subarray(1, 2_000_000), bytes.subarray(2_000_000))
    isTrue(Bytes.Equivalence(yield* get("run/large"), bytes), "it reads the bytes that were written")
  }),
  test("reads chunks that stay what they are while others are read", function* () {
    const storage = yield* Storage.Storage
    const [first, second] = [pattern(2_000_001), pattern(1_700_000).toReversed()]
    yield* put("run/a", first)
    yield* put("run/b", second)
    const [a, b] = [yield* key("run/a"), yield* key("run/b")]
    const kept = yield* Stream.runCollect(storage.read(a, "kept"))
    yield* Effect.all([Stream.runDrain(storage.read(b, "lent")), Stream.runDrain(storage.read(a, "lent"))], {
      concurrency: 2
    })
    yield* Stream.runDrain(storage.read(b))
    isTrue(Bytes.Equivalence(Bytes.concat(kept), first), "no chunk changes after it was read")
  }),
  test("lends chunks that are right until the next is asked for, to several at the same time", function* () {
    const storage = yield* Storage.Storage
    const objects = [pattern(2_000_001), pattern(1_700_000).toReversed(), pattern(3), pattern(1_048_576)]
    for (const [index, bytes] of objects.entries()) yield* put(`run/${index}`, bytes)
    const readSlowly = Effect.fnUntraced(function* (name: string) {
      const copies: Array<Uint8Array> = []
      yield* Stream.runForEach(storage.read(yield* key(name), "lent"), (chunk) =>
        Effect.andThen(
          Effect.repeat(Effect.yieldNow, { times: 20 }),
          Effect.sync(() => copies.push(new Uint8Array(chunk)))
        )
      )
      return Bytes.concat(copies)
    })
    const read = yield* Effect.all(
      objects.map((_, index) => readSlowly(`run/${index}`)),
      { concurrency: "unbounded" }
    )
    for (const [index, bytes] of objects.entries()) {
      isTrue(Bytes.Equivalence(read[index]!, bytes), "no chunk changes before the next is asked for")
    }
  }),
  test("fills the memory of the reader, or gives chunks that may be kept", function* () {
    const storage = yield* Storage.Storage
    const bytes = pattern(2500)
    yield* put("run/a", bytes)
    const memories: Array<Uint8Array> = []
    const room = () => {
      const memory = new Uint8Array(1000)
      memories.push(memory)
      return memory
    }
    const chunks = yield* Stream.runCollect(storage.read(yield* key("run/a"), room))
    isTrue(Bytes.Equivalence(Bytes.concat(chunks), bytes), "it reads the bytes that were written")
    for (const [index, memory] of memories.slice(0, -1).entries()) {
      const part = bytes.subarray(1000 * index, 1000 * (index + 1))
      isTrue(Bytes.Equivalence(memory, part), "it asks for more memory only when the last is full")
    }
  }),
  test("keeps the bytes it was given when the caller uses its buffer again", function* () {
    const storage = yield* Storage.Storage
    const name = yield* key("run/a")
    const buffer = Uint8Array.of(1, 2)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const writer = yield* storage.create(name)
        yield* writer.write(buffer)
        buffer.fill(9)
        yield* writer.commit
      })
    )
    same(yield* get("run/a"), Uint8Array.of(1, 2))
  }),
  test("takes the same bytes again, in other pieces, and says that they were there", function* () {
    yield* put("run/a", Uint8Array.of(1, 2, 3))
    const again = yield* put("run/a", Uint8Array.of(1), Uint8Array.of(2, 3))
    same(again, { outcome: "identical", bytes: 3 })
    same(yield* get("run/a"), Uint8Array.of(1, 2, 3))
  }),
  test("finds a difference in the last byte of large objects", function* () {
    const bytes = pattern(2_500_000)
    const other = bytes.slice()
    other[other.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    yield* put("run/a", bytes)
    same((yield* put("run/a", bytes)).outcome, "identical")
    yield* failureFor(put("run/a", other), "KeyConflict")
  }),
  test("names the operation, the key and a remedy when an object is missing", function* () {
    const error = yield* failureFor(get("run/absent"), "ObjectMissing")
    isFalse(error.isRetryable, "the error is not retryable")
    same(
      error.message,
      'storage read of "run/absent" failed: nothing is stored under this key: list the keys that exist'
    )
  }),
  test("knows the size of each object, and of nothing else", function* () {
    yield* put("run/a", Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3))
    yield* put("run/empty")
    yield* put("run/large", pattern(1_500_000))
    same(yield* sizeOf("run/a"), 3, "the size of an object of three bytes")
    same(yield* sizeOf("run/empty"), 0, "the size of an empty object")
    same(yield* sizeOf("run/large"), 1_500_000, "the size of a large object")
    for (const name of ["run/b", "other/a", "run"]) same(yield* sizeOf(name), undefined, "the size of what is missing")
  }),
  test("secures what is there, and does nothing about what is not", function* () {
    const storage = yield* Storage.Storage
    yield* put("run/a", Uint8Array.of(1))
    yield* storage.secure(yield* key("run/a"))
    yield* storage.secure(yield* key("run/b"))
    same(yield* get("run/a"), Uint8Array.of(1))
    isFalse(yield* Storage.exists(storage, yield* key("run/b")), "to secure a key makes no object")
  }),
  test("knows what exists, a prefix of a key not among it", function* () {
    const storage = yield* Storage.Storage
    yield* put("run/deep/a", Uint8Array.of(1))
    isTrue(yield* Storage.exists(storage, yield* key("run/deep/a")), "run/deep/a exists")
    isFalse(yield* Storage.exists(storage, yield* key("run/deep/b")), "run/deep/b doesn't exist")
    isFalse(yield* Storage.exists(storage, yield* key("other/a")), "other/a doesn't exist")
    isFalse(yield* Storage.exists(storage, yield* key("run/deep")), "run/deep doesn't exist")
  }),
  ...(
    [
      ["other bytes", Uint8Array.of(1, 2, 4)],
      ["fewer", Uint8Array.of(1, 2)],
      ["more", Uint8Array.of(1, 2, 3, 4)],
      ["none", Uint8Array.of()]
    ] as const
  ).map(([what, others]) =>
    test<Storage.Storage>(`refuses different bytes under a taken key and keeps the first: ${what}`, function* () {
      yield* put("run/a", Uint8Array.of(1, 2, 3))
      const error = yield* failureFor(put("run/a", others), "KeyConflict")
      same([error.operation, error.key], ["commit", "run/a"])
      isFalse(error.isRetryable, "the error is not retryable")
      same(yield* get("run/a"), Uint8Array.of(1, 2, 3))
    })
  )
]

const listing: ReadonlyArray<Test<Storage.Storage>> = [
  test("gives the keys that start with the prefix", function* () {
    for (const name of ["run/b", "run/a", "run-2/c", "ru/n", "top"]) yield* put(name, Uint8Array.of(0))
    same(yield* list("run/"), ["run/a", "run/b"])
    same(yield* list("run/b"), ["run/b"])
    same(yield* list("run"), ["run-2/c", "run/a", "run/b"])
    same(yield* list("t"), ["top"])
    same(yield* list("absent/"), [])
    same(yield* list("run/a/"), [])
  }),
  test("gives logs like objects", function* () {
    yield* append("run/b")
    for (const name of ["run/c", "run/a"]) yield* put(name, Uint8Array.of(0))
    same(yield* list("run/"), ["run/a", "run/b", "run/c"])
  }),
  test("is in ascending order of whole keys, whatever characters stand around the slash", function* () {
    const keys = "a/z,a-b/c,a.b/c,a0/c,a/b/c,a/b-c,a/b.c,b/a b,a b/c,ab,a/ä,Z".split(",")
    for (const name of keys) yield* put(name, Uint8Array.of(0))
    same(yield* list(""), keys.toSorted())
    same(
      yield* list("a"),
      keys.toSorted().filter((name) => name.startsWith("a"))
    )
  }),
  test("sorts batches like their ticks", function* () {
    const names = [9n, 10n, 100n, 9_223_372_036_854_775_807n].map(
      (tick) => `run/batch_${tick.toString().padStart(19, "0")}_${tick.toString().padStart(19, "0")}.pb`
    )
    for (const name of names.toReversed()) yield* put(name, Uint8Array.of(0))
    same(yield* list("run/batch_"), names)
  })
]

const tests = [
  ...group("objects", objects),
  ...group("what is not committed", Commits.aborts),
  ...group("commits that meet", Commits.races),
  ...group("listing", listing),
  ...group("logs", logs),
  ...group("what is removed", Removals.removals),
  ...group("what is set aside", Removals.setAside)
]

/** The cases for the storage that `layer` builds: each time another one, which is empty. */
export const cases = <E>(layer: Layer.Layer<Storage.Storage, E>): ReadonlyArray<Case> =>
  tests.map((test) => caseOf(test, layer))
