// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as StorageContract from "../../src/testing/StorageContract.ts"
import { contract } from "../support/contract.ts"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Storage from "../../src/storage/Storage.ts"
import { IoFailure, NoSpace } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"

const key = Effect.orDie(StorageKey.parse("run/a"))
const bytes = Uint8Array.of(1, 2, 3)
const noSpace = new NoSpace({ code: "ENOSPC" })
const io = new IoFailure({ code: "EIO" })

const setup = Effect.gen(function* () {
  const storage = yield* Storage.Storage
  const faults = yield* FaultyStorage.FaultyStorage
  const name = yield* key
  const write = Storage.write(storage, name, [bytes])
  const there = Storage.exists(faults.underneath, name)
  return { storage, faults, name, write, there }
})

contract("Storage (faulty, without faults)", StorageContract.cases(FaultyStorage.layer))

it.effect.each(["create", "write", "commit"] as const)("fails the next calls of %s and then none", (operation) =>
  Effect.gen(function* () {
    const { faults, there, write } = yield* setup
    yield* faults.next(operation, [FaultyStorage.fail(noSpace), FaultyStorage.fail(io)])
    const first = yield* Effect.flip(write)
    const second = yield* Effect.flip(write)
    assert.deepStrictEqual([first.operation, first.reason._tag], [operation, "NoSpace"])
    assert.deepStrictEqual([second.operation, second.reason._tag], [operation, "IoFailure"])
    assert.isFalse(yield* there)
    assert.strictEqual((yield* write).outcome, "created")
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("fails reads, lists and questions", () =>
  Effect.gen(function* () {
    const { faults, name, storage } = yield* setup
    for (const operation of ["read", "list", "stat"] as const) {
      yield* faults.next(operation, [FaultyStorage.fail(io)])
    }
    assert.strictEqual((yield* Effect.flip(Stream.runDrain(storage.read(name)))).operation, "read")
    assert.strictEqual((yield* Effect.flip(Stream.runDrain(storage.list("run/")))).operation, "list")
    assert.strictEqual((yield* Effect.flip(Storage.exists(storage, name))).operation, "stat")
    assert.isFalse(yield* Storage.exists(storage, name))
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("takes the bytes and publishes nothing when a commit fails", () =>
  Effect.gen(function* () {
    const { faults, there, write } = yield* setup
    yield* faults.next("commit", [FaultyStorage.fail(io)])
    assert.strictEqual((yield* Effect.flip(write)).operation, "commit")
    assert.isFalse(yield* there)
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("publishes and yet fails, so that a repeat finds the same bytes", () =>
  Effect.gen(function* () {
    const { faults, there, write } = yield* setup
    yield* faults.next("commit", [FaultyStorage.failAfter(io)])
    assert.strictEqual((yield* Effect.flip(write)).reason._tag, "IoFailure")
    assert.isTrue(yield* there)
    assert.strictEqual((yield* write).outcome, "identical")
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("lets calls pass before a fault", () =>
  Effect.gen(function* () {
    const { faults, name, storage, write } = yield* setup
    yield* faults.next("commit", [FaultyStorage.pass, ...FaultyStorage.repeat(FaultyStorage.fail(io), 2)])
    assert.strictEqual((yield* write).outcome, "created")
    yield* Effect.flip(write)
    yield* Effect.flip(Storage.write(storage, name, [bytes]))
    assert.strictEqual((yield* write).outcome, "identical")
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("hangs until it is interrupted, and leaves nothing", () =>
  Effect.gen(function* () {
    const { faults, there, write } = yield* setup
    yield* faults.next("commit", [FaultyStorage.hang])
    const fiber = yield* Effect.forkChild(write)
    yield* TestClock.adjust("1 day")
    assert.isUndefined(fiber.pollUnsafe())
    yield* Fiber.interrupt(fiber)
    assert.isFalse(yield* there)
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("does late work although it was interrupted meanwhile", () =>
  Effect.gen(function* () {
    const { faults, there, write } = yield* setup
    const committing = yield* Deferred.make<void>()
    const until = Effect.andThen(Deferred.succeed(committing, undefined), Effect.sleep("1 minute"))
    yield* faults.next("commit", [FaultyStorage.late(until)])
    const fiber = yield* Effect.forkChild(write)
    yield* Deferred.await(committing)
    fiber.interruptUnsafe()
    yield* TestClock.adjust("59 seconds")
    assert.isFalse(yield* there)
    yield* TestClock.adjust("1 second")
    yield* Fiber.await(fiber)
    assert.isTrue(yield* there)
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("is held by a latch and slowed down by the clock", () =>
  Effect.gen(function* () {
    const { faults, write } = yield* setup
    const latch = yield* Latch.make(false)
    const written = yield* Deferred.make<void>()
    const committing = yield* Deferred.make<void>()
    yield* faults.next("write", [FaultyStorage.wait(Effect.andThen(Deferred.succeed(written, undefined), latch.await))])
    yield* faults.next("commit", [
      FaultyStorage.wait(Effect.andThen(Deferred.succeed(committing, undefined), Effect.sleep("3 seconds")))
    ])
    const fiber = yield* Effect.forkChild(write)
    yield* Deferred.await(written)
    yield* latch.open
    yield* Deferred.await(committing)
    yield* TestClock.adjust("2999 millis")
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("1 millis")
    assert.strictEqual((yield* Fiber.join(fiber)).outcome, "created")
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("dies as a fault in an implementation does", () =>
  Effect.gen(function* () {
    const { faults, write } = yield* setup
    yield* faults.next("create", [FaultyStorage.die("a bug")])
    const exit = yield* Effect.exit(write)
    assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("stays at fault until it is healed", () =>
  Effect.gen(function* () {
    const { faults, write } = yield* setup
    yield* faults.always("create", FaultyStorage.fail(noSpace))
    for (let attempt = 0; attempt < 5; attempt++) yield* Effect.flip(write)
    yield* faults.heal
    assert.strictEqual((yield* write).outcome, "created")
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("records every call with its key", () =>
  Effect.gen(function* () {
    const { faults, storage, write } = yield* setup
    yield* faults.next("commit", [FaultyStorage.fail(io)])
    yield* Effect.flip(write)
    yield* Stream.runDrain(storage.list("run/"))
    assert.deepStrictEqual(yield* faults.calls, [
      { operation: "create", key: "run/a", atMs: 0 },
      { operation: "write", key: "run/a", atMs: 0 },
      { operation: "commit", key: "run/a", atMs: 0 },
      { operation: "list", key: "run/", atMs: 0 }
    ])
  }).pipe(Effect.provide(FaultyStorage.layer))
)

it.effect("publishes whole or not at all, whenever it is interrupted, and does not stop a commit it has begun", () =>
  Effect.gen(function* () {
    for (let yields = 0; yields < 12; yields++) {
      const { faults, name, storage } = yield* Effect.provide(setup, FaultyStorage.layer)
      const fiber = yield* Effect.forkChild(Storage.write(storage, name, [bytes, bytes]))
      yield* Effect.repeat(Effect.yieldNow, { times: yields })
      yield* Fiber.interrupt(fiber)
      const chunks = yield* Effect.option(Stream.runCollect(faults.underneath.read(name)))
      if (chunks._tag === "Some") assert.deepStrictEqual([...(chunks.value[0] ?? [])], [1, 2, 3, 1, 2, 3])
    }
  })
)
