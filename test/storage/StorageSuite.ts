import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Storage from "../../src/storage/Storage.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"

const key = (name: string) => Effect.orDie(StorageKey.parse(name))

const put = Effect.fnUntraced(function* (name: string, ...pieces: ReadonlyArray<Uint8Array>) {
  return yield* Storage.write(yield* Storage.Storage, yield* key(name), pieces)
})

const get = Effect.fnUntraced(function* (name: string) {
  return Bytes.concat(yield* Stream.runCollect((yield* Storage.Storage).read(yield* key(name))))
})

const list = Effect.fnUntraced(function* (prefix: string) {
  return [...(yield* Stream.runCollect((yield* Storage.Storage).list(prefix)))]
})

const pattern = (size: number) => Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 0xff)

/** The contract of `Storage`; run it against every implementation. Each test gets a storage of its own, empty. */
export const suite = <E>(name: string, storage: Layer.Layer<Storage.Storage, E>): void => {
  describe(`Storage (${name})`, () => {
    describe("objects", () => objects(storage))
    describe("what is not committed", () => aborts(storage))
    describe("commits that meet", () => races(storage))
    describe("listing", () => listing(storage))
  })
}

const objects = <E>(storage: Layer.Layer<Storage.Storage, E>): void => {
  it.effect("reads back exactly the bytes that were written", () =>
    Effect.gen(function* () {
      const committed = yield* put("run/a.pb", Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3))
      assert.deepStrictEqual(committed, { outcome: "created", bytes: 3 })
      assert.deepStrictEqual(yield* get("run/a.pb"), Uint8Array.of(1, 2, 3))
    }).pipe(Effect.provide(storage))
  )

  it.effect("holds empty objects", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* put("run/empty"), { outcome: "created", bytes: 0 })
      assert.deepStrictEqual(yield* put("run/empty"), { outcome: "identical", bytes: 0 })
      assert.strictEqual((yield* get("run/empty")).length, 0)
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* list(""), ["run/empty"])
    }).pipe(Effect.provide(storage))
  )

  it.effect("holds large objects, written and read in pieces", () =>
    Effect.gen(function* () {
      const bytes = pattern(3_000_001)
      yield* put("run/large", bytes.subarray(0, 1), bytes.subarray(1, 2_000_000), bytes.subarray(2_000_000))
      assert.isTrue(Bytes.Equivalence(yield* get("run/large"), bytes))
    }).pipe(Effect.provide(storage))
  )

  it.effect("reads chunks that stay what they are while others are read", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.Storage
      const [first, second] = [pattern(2_000_001), pattern(1_700_000).reverse()]
      yield* put("run/a", first)
      yield* put("run/b", second)
      const [a, b] = [yield* key("run/a"), yield* key("run/b")]
      const kept = yield* Stream.runCollect(storage.read(a, "kept"))
      yield* Effect.all([Stream.runDrain(storage.read(b, "lent")), Stream.runDrain(storage.read(a, "lent"))], {
        concurrency: 2
      })
      yield* Stream.runDrain(storage.read(b))
      assert.isTrue(Bytes.Equivalence(Bytes.concat(kept), first))
    }).pipe(Effect.provide(storage))
  )

  it.effect("lends chunks that are right until the next is asked for, to several at the same time", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.Storage
      const objects = [pattern(2_000_001), pattern(1_700_000).reverse(), pattern(3), pattern(1_048_576)]
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
      for (const [index, bytes] of objects.entries()) assert.isTrue(Bytes.Equivalence(read[index]!, bytes))
    }).pipe(Effect.provide(storage))
  )

  it.effect("keeps the bytes it was given when the caller uses its buffer again", () =>
    Effect.gen(function* () {
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
      assert.deepStrictEqual(yield* get("run/a"), Uint8Array.of(1, 2))
    }).pipe(Effect.provide(storage))
  )

  it.effect("takes the same bytes again, in other pieces, and says that they were there", () =>
    Effect.gen(function* () {
      yield* put("run/a", Uint8Array.of(1, 2, 3))
      const again = yield* put("run/a", Uint8Array.of(1), Uint8Array.of(2, 3))
      assert.deepStrictEqual(again, { outcome: "identical", bytes: 3 })
      assert.deepStrictEqual(yield* get("run/a"), Uint8Array.of(1, 2, 3))
    }).pipe(Effect.provide(storage))
  )

  it.effect.each([
    ["other bytes", Uint8Array.of(1, 2, 4)],
    ["fewer", Uint8Array.of(1, 2)],
    ["more", Uint8Array.of(1, 2, 3, 4)],
    ["none", Uint8Array.of()]
  ] as const)("refuses different bytes under a taken key and keeps the first: %s", ([, others]) =>
    Effect.gen(function* () {
      yield* put("run/a", Uint8Array.of(1, 2, 3))
      const error = yield* Effect.flip(put("run/a", others))
      assert.strictEqual(error.operation, "commit")
      assert.strictEqual(error.key, "run/a")
      assert.strictEqual(error.reason._tag, "KeyConflict")
      assert.isFalse(error.isRetryable)
      assert.deepStrictEqual(yield* get("run/a"), Uint8Array.of(1, 2, 3))
    }).pipe(Effect.provide(storage))
  )

  it.effect("finds a difference in the last byte of large objects", () =>
    Effect.gen(function* () {
      const bytes = pattern(2_500_000)
      const other = bytes.slice()
      other[other.length - 1] = (bytes.at(-1) ?? 0) ^ 1
      yield* put("run/a", bytes)
      assert.strictEqual((yield* put("run/a", bytes)).outcome, "identical")
      assert.strictEqual((yield* Effect.flip(put("run/a", other))).reason._tag, "KeyConflict")
    }).pipe(Effect.provide(storage))
  )

  it.effect("names the operation, the key and a remedy when an object is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(get("run/absent"))
      assert.strictEqual(error.reason._tag, "ObjectMissing")
      assert.isFalse(error.isRetryable)
      assert.strictEqual(
        error.message,
        'storage read of "run/absent" failed: nothing is stored under this key: list the keys that exist'
      )
    }).pipe(Effect.provide(storage))
  )

  it.effect("secures what is there, and does nothing about what is not", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.Storage
      yield* put("run/a", Uint8Array.of(1))
      yield* storage.secure(yield* key("run/a"))
      yield* storage.secure(yield* key("run/b"))
      assert.deepStrictEqual(yield* get("run/a"), Uint8Array.of(1))
      assert.isFalse(yield* Storage.exists(storage, yield* key("run/b")))
    }).pipe(Effect.provide(storage))
  )

  it.effect("knows what exists, a prefix of a key not among it", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.Storage
      yield* put("run/deep/a", Uint8Array.of(1))
      assert.isTrue(yield* Storage.exists(storage, yield* key("run/deep/a")))
      assert.isFalse(yield* Storage.exists(storage, yield* key("run/deep/b")))
      assert.isFalse(yield* Storage.exists(storage, yield* key("other/a")))
      assert.isFalse(yield* Storage.exists(storage, yield* key("run/deep")))
    }).pipe(Effect.provide(storage))
  )
}

const aborts = <E>(storage: Layer.Layer<Storage.Storage, E>): void => {
  it.effect("is nowhere to be seen when its scope closes", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.Storage
      const name = yield* key("run/a")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* storage.create(name)
          yield* writer.write(Uint8Array.of(1))
          assert.isFalse(yield* Storage.exists(storage, name))
          assert.deepStrictEqual(yield* list(""), [])
        })
      )
      assert.isFalse(yield* Storage.exists(storage, name))
      assert.deepStrictEqual(yield* list(""), [])
      assert.strictEqual((yield* put("run/a", Uint8Array.of(2))).outcome, "created")
    }).pipe(Effect.provide(storage))
  )

  it.effect("is gone when the writer fails or dies on the way", () =>
    Effect.gen(function* () {
      const storage = yield* Storage.Storage
      const name = yield* key("run/a")
      const begin = Effect.tap(storage.create(name), (writer) => writer.write(Uint8Array.of(1)))
      yield* Effect.scoped(begin).pipe(Effect.andThen(Effect.fail("no")), Effect.exit)
      yield* Effect.exit(Effect.scoped(Effect.andThen(begin, Effect.die("no"))))
      assert.deepStrictEqual(yield* list(""), [])
      assert.strictEqual((yield* put("run/a", Uint8Array.of(2))).outcome, "created")
    }).pipe(Effect.provide(storage))
  )

  it.effect("is gone when the writer is interrupted between two pieces", () =>
    Effect.gen(function* () {
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
      assert.deepStrictEqual(yield* list(""), [])
      assert.isFalse(yield* Storage.exists(storage, name))
    }).pipe(Effect.provide(storage))
  )

  it.effect("is published whole or not at all, whenever the writer is interrupted", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 40; round++) {
        const name = `run/a${round}`
        const fiber = yield* Effect.forkChild(put(name, Uint8Array.of(1, 2), Uint8Array.of(3)))
        yield* Effect.repeat(Effect.yieldNow, { times: round })
        yield* Fiber.interrupt(fiber)
        const bytes = yield* Effect.option(get(name))
        if (bytes._tag === "Some") assert.deepStrictEqual(bytes.value, Uint8Array.of(1, 2, 3))
        yield* put(name, Uint8Array.of(1, 2, 3))
        assert.deepStrictEqual(yield* get(name), Uint8Array.of(1, 2, 3))
      }
      assert.strictEqual((yield* list("")).length, 40)
    }).pipe(Effect.provide(storage))
  )
}

const races = <E>(storage: Layer.Layer<Storage.Storage, E>): void => {
  it.effect("create an object once when they bring the same bytes", () =>
    Effect.gen(function* () {
      const results = yield* Effect.all(
        Array.from({ length: 12 }, () => put("run/a", Uint8Array.of(1, 2, 3))),
        { concurrency: "unbounded" }
      )
      const outcomes = results.map(({ outcome }) => outcome).sort()
      assert.deepStrictEqual(outcomes, ["created", ...Array.from({ length: 11 }, () => "identical" as const)])
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* list(""), ["run/a"])
    }).pipe(Effect.provide(storage))
  )

  it.effect("leave one winner and conflicts for all others when they bring different bytes", () =>
    Effect.gen(function* () {
      const results = yield* Effect.all(
        Array.from({ length: 12 }, (_, index) => Effect.result(put("run/a", Uint8Array.of(index, index)))),
        { concurrency: "unbounded" }
      )
      const winner = results.findIndex((result) => result._tag === "Success")
      assert.deepStrictEqual(yield* get("run/a"), Uint8Array.of(winner, winner))
      for (const [index, result] of results.entries()) {
        if (index !== winner) assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "KeyConflict")
      }
    }).pipe(Effect.provide(storage))
  )

  it.effect("do not disturb each other under different keys", () =>
    Effect.gen(function* () {
      yield* Effect.forEach(
        Array.from({ length: 30 }, (_, index) => index),
        (index) => put(`run-${index % 3}/${index}`, Uint8Array.of(index)),
        { concurrency: "unbounded", discard: true }
      )
      for (let index = 0; index < 30; index++) {
        assert.deepStrictEqual(yield* get(`run-${index % 3}/${index}`), Uint8Array.of(index))
      }
    }).pipe(Effect.provide(storage))
  )
}

const listing = <E>(storage: Layer.Layer<Storage.Storage, E>): void => {
  it.effect("gives the keys that start with the prefix", () =>
    Effect.gen(function* () {
      for (const name of ["run/b", "run/a", "run-2/c", "ru/n", "top"]) yield* put(name, Uint8Array.of(0))
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* list("run/"), ["run/a", "run/b"])
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* list("run/b"), ["run/b"])
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* list("run"), ["run-2/c", "run/a", "run/b"])
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* list("t"), ["top"])
      assert.deepStrictEqual(yield* list("absent/"), [])
      assert.deepStrictEqual(yield* list("run/a/"), [])
    }).pipe(Effect.provide(storage))
  )

  it.effect("is in ascending order of whole keys, whatever characters stand around the slash", () =>
    Effect.gen(function* () {
      const keys = "a/z,a-b/c,a.b/c,a0/c,a/b/c,a/b-c,a/b.c,b/a b,a b/c,ab,a/ä,Z".split(",")
      for (const name of keys) yield* put(name, Uint8Array.of(0))
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* list(""), keys.toSorted())
      assert.deepStrictEqual<ReadonlyArray<string>>(
        yield* list("a"),
        keys.toSorted().filter((name) => name.startsWith("a"))
      )
    }).pipe(Effect.provide(storage))
  )

  it.effect("sorts batches like their ticks", () =>
    Effect.gen(function* () {
      const names = [9n, 10n, 100n, 9_223_372_036_854_775_807n].map(
        (tick) => `run/batch_${tick.toString().padStart(19, "0")}_${tick.toString().padStart(19, "0")}.pb`
      )
      for (const name of names.toReversed()) yield* put(name, Uint8Array.of(0))
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* list("run/batch_"), names)
    }).pipe(Effect.provide(storage))
  )
}
