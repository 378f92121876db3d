// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import { IoFailure, StorageError } from "../../src/storage/StorageError.ts"
import * as DeadLetterQueueContract from "../../src/testing/DeadLetterQueueContract.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyDeadLetterQueue from "../../src/testing/FaultyDeadLetterQueue.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestLetter from "../../src/testing/TestLetter.ts"
import { contract } from "../support/contract.ts"

contract(
  "DeadLetterQueue (faulty, without faults)",
  DeadLetterQueueContract.cases((capacity) =>
    Layer.merge(FaultyDeadLetterQueue.layerOver(DeadLetterQueue.layerMemory({ capacity })), LogWatch.layer())
  )
)

const full = new DeadLetterQueue.QueueFull({ capacity: 1 })

const notWritten = new DeadLetterQueue.LetterNotWritten({
  cause: new StorageError({ operation: "commit", key: "letter", reason: new IoFailure({ code: "EIO" }) })
})

const setup = Effect.gen(function* () {
  const faults = yield* FaultyDeadLetterQueue.FaultyDeadLetterQueue
  const queue = yield* DeadLetterQueue.DeadLetterQueue
  return { faults, queue, letter: yield* TestLetter.make(1, 3, 1000) }
})

describe("faults of a dead-letter queue", () => {
  it.effect("are met one a call, in their order", () =>
    Effect.gen(function* () {
      const { faults, letter, queue } = yield* setup
      yield* faults.next("offer", [Fault.pass, Fault.fail(full)])
      assert.strictEqual(yield* queue.offer(letter), "kept")
      const error = yield* Effect.flip(queue.offer(letter))
      assert.strictEqual(error.reason, full)
      assert.strictEqual(error.queue, queue.name)
      assert.strictEqual(yield* queue.offer(letter), "kept")
      assert.deepStrictEqual(
        (yield* faults.calls).map(({ key, operation }) => [operation, key]),
        Array.from({ length: 3 }, () => ["offer", letter.id])
      )
    }).pipe(Effect.provide(FaultyDeadLetterQueue.layer))
  )

  it.effect("last until they are healed", () =>
    Effect.gen(function* () {
      const { faults, letter, queue } = yield* setup
      yield* faults.always("offer", Fault.fail(full))
      for (let offer = 0; offer < 3; offer++) yield* Effect.flip(queue.offer(letter))
      yield* faults.heal
      assert.strictEqual(yield* queue.offer(letter), "kept")
    }).pipe(Effect.provide(FaultyDeadLetterQueue.layer))
  )

  it.effect("may come after the work: the letter is kept, and the caller hears of a failure", () =>
    Effect.gen(function* () {
      const { faults, letter, queue } = yield* setup
      yield* faults.next("offer", [Fault.failAfter(notWritten)])
      assert.strictEqual((yield* Effect.flip(queue.offer(letter))).reason, notWritten)
      assert.strictEqual(yield* faults.underneath.size, 1)
      yield* faults.next("remove", [Fault.failAfter(notWritten)])
      yield* Effect.flip(queue.remove(letter.id))
      assert.strictEqual(yield* faults.underneath.size, 0)
    }).pipe(Effect.provide(FaultyDeadLetterQueue.layer))
  )

  it.effect("hold a call up, which can be interrupted, or not", () =>
    Effect.gen(function* () {
      const { faults, letter, queue } = yield* setup
      const latch = yield* Latch.make(false)
      yield* faults.next("offer", [Fault.hang, Fault.late(latch.await)])
      const hanging = yield* Effect.forkChild(queue.offer(letter))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.interrupt(hanging)
      assert.strictEqual(yield* faults.underneath.size, 0)
      const late = yield* Effect.forkChild(queue.offer(letter))
      yield* TestClock.adjust("1 hour")
      const interruption = yield* Effect.forkChild(Fiber.interrupt(late))
      yield* latch.open
      yield* Fiber.join(interruption)
      assert.strictEqual(yield* faults.underneath.size, 1)
    }).pipe(Effect.provide(FaultyDeadLetterQueue.layer))
  )

  it.effect("are met by those who read all letters, too", () =>
    Effect.gen(function* () {
      const { faults, letter, queue } = yield* setup
      yield* queue.offer(letter)
      yield* faults.next("ids", [Fault.fail(notWritten)])
      yield* Effect.flip(Stream.runDrain(queue.letters))
      yield* faults.next("get", [Fault.fail(notWritten)])
      yield* LogWatch.expect("Warn", "A dead letter can't be read and is left out", { times: 1 })
      assert.deepStrictEqual(yield* Stream.runCollect(queue.letters), [])
      assert.lengthOf(yield* Stream.runCollect(queue.letters), 1)
    }).pipe(Effect.provide(Layer.merge(FaultyDeadLetterQueue.layer, LogWatch.layer())))
  )
})
