// @module-tag integration
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Compression from "../src/batch/Compression.ts"
import * as DeadLetter from "../src/deadletter/DeadLetter.ts"
import * as DeadLetterQueue from "../src/deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "../src/deadletter/FileDeadLetterQueue.ts"
import * as Tick from "../src/domain/Tick.ts"
import * as IdempotencyTracker from "../src/idempotency/IdempotencyTracker.ts"
import * as RunLedger from "../src/ledger/RunLedger.ts"
import * as PersistenceService from "../src/persistence/PersistenceService.ts"
import * as Pipeline from "../src/Pipeline.ts"
import * as TickQueue from "../src/queue/TickQueue.ts"
import * as BatchFile from "./support/batchFiles.ts"
import * as RecoveryService from "../src/replay/RecoveryService.ts"
import * as Replay from "../src/replay/Replay.ts"
import type * as FileStorage from "../src/storage/FileStorage.ts"
import * as Storage from "../src/storage/Storage.ts"
import * as FaultyStorage from "../src/testing/FaultyStorage.ts"
import * as LogWatch from "../src/testing/LogWatch.ts"
import * as TestTick from "../src/testing/TestTick.ts"
import * as ScriptedFileSystem from "./support/ScriptedFileSystem.ts"
import { lifecycle, numbers, settleDown, whileTimePasses } from "./persistence/harness.ts"

const watched = <A, E>(
  test: Effect.Effect<A, E, LogWatch.LogWatch | FileSystem.FileSystem | NodeServices.NodeServices | Scope.Scope>
) =>
  test.pipe(
    Effect.scoped,
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.provide(Layer.mergeAll(LogWatch.layer({ allow: lifecycle }), NodeServices.layer))
  )

const temporary = FileSystem.FileSystem.use((fs) => fs.makeTempDirectoryScoped({ prefix: "tickvault-pipeline-" }))

/** What lies in `directory`, read by a storage of its own. */
const filesOf = (directory: string) =>
  Effect.gen(function* () {
    const storage = yield* Storage.Storage
    const keys = (yield* Stream.runCollect(storage.list(""))).filter((key) => key.includes("/batch_"))
    return yield* Effect.forEach(keys, (key) =>
      Effect.map(Stream.runCollect(BatchFile.read(storage, key)), (ticks) => [key as string, numbers(ticks)] as const)
    )
  }).pipe(Effect.provide(Pipeline.layer({ directory })))

it.effect("closing the scope stores all that is in the queue, without a call to drain it", () =>
  watched(
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* Effect.provide(
        Effect.gen(function* () {
          const queue = yield* TickQueue.TickQueue
          yield* queue.offerAll(TestTick.range("run", 1, 25))
        }),
        Pipeline.layer({ directory, persistence: { maxBatchSize: 10 } })
      )
      const files = yield* filesOf(directory)
      assert.deepStrictEqual(
        files.flatMap(([, ticks]) => ticks),
        numbers(TestTick.range("run", 1, 25))
      )
      assert.strictEqual(files[0]?.[0], "run/batch_0000000000000000001_0000000000000000010.pb.zst")
    })
  )
)

it.effect("drains on request and gives the balance, which stays readable", () =>
  watched(
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* LogWatch.expect("Error", "Batch consistency violation", { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* LogWatch.expect("Error", "Duplicate tick detected", { times: 1 })
      yield* Effect.provide(
        Effect.gen(function* () {
          const queue = yield* TickQueue.TickQueue
          const { balance, drain } = yield* Pipeline.Pipeline
          const { instances } = yield* PersistenceService.PersistenceService
          assert.deepStrictEqual([...instances.keys()], ["persistence-1", "persistence-2", "persistence-3"])
          const ticks = [...TestTick.range("run", 1, 9), TestTick.make("run", 9), TestTick.make("run", -1)]
          yield* queue.offerAll(ticks)
          assert.deepInclude(yield* balance, { received: 11, written: 0, inFlight: 11 })
          const settled = yield* drain
          assert.deepInclude(settled, {
            received: 11,
            written: 9,
            duplicate: 1,
            deadLettered: 1,
            returned: 0,
            lost: 0,
            inFlight: 0,
            batches: 1
          })
          assert.deepStrictEqual(yield* balance, settled)
          assert.deepStrictEqual(yield* drain, settled, "drained again")
          assert.isFalse(yield* queue.offer(TestTick.make("run", 10)), "the queue has ended")
          assert.strictEqual(yield* (yield* DeadLetterQueue.DeadLetterQueue).size, 1)
          const stored = yield* Stream.runCollect((yield* Storage.Storage).list(""))
          const fs = yield* FileSystem.FileSystem
          const sizes = yield* Effect.forEach(stored, (key) => fs.stat(`${directory}/${key}`))
          assert.strictEqual(Number(sizes[0]?.size), settled.storedBytes)
        }),
        Pipeline.layer({ directory, instances: 3 })
      )
    })
  )
)

it.effect("takes the storage's name, a durability for all files, and the folder and capacity of dead letters", () =>
  watched(
    Effect.gen(function* () {
      const [directory, letters] = [yield* temporary, yield* temporary]
      yield* LogWatch.allow("Error", "Batch consistency violation")
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* LogWatch.expect("Error", /^Storage and dead-letter queue both refuse/u, { times: 1 })
      yield* LogWatch.allow("Info", "Shutdown requested, writing partial batch")
      yield* LogWatch.allow("Error", /returned to the queue|not settled$/u)
      const options = {
        directory,
        storageName: "archive",
        durability: "none",
        instances: 1,
        shutdownTimeout: 1,
        persistence: { maxBatchSize: 1, shutdownTimeout: 1 },
        deadLetters: { directory: letters, capacity: 1 }
      } as const
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Pipeline.layer(options), scope)
      const storage = Context.get(context, Storage.Storage)
      assert.strictEqual(storage.name, "archive")
      assert.strictEqual((storage as FileStorage.FileStorage).medium.durability, "none")
      const queue = Context.get(context, TickQueue.TickQueue)
      yield* queue.offerAll([TestTick.make("../one", 1), TestTick.make("../two", 1)])
      const service = Context.get(context, PersistenceService.PersistenceService).instances.get("persistence-1")
      assert(service !== undefined)
      // One batch becomes a letter. The other one finds no room among the letters, which may come first.
      yield* Effect.repeat(Effect.andThen(settleDown, Effect.all([service.degraded, queue.account])), {
        until: ([degraded, { deadLettered }]) => degraded !== undefined && deadLettered === 1
      })
      const files = yield* FileSystem.FileSystem.use((fs) => fs.readDirectory(letters))
      assert.lengthOf(files, 1)
      assert.deepInclude(yield* queue.account, { deadLettered: 1, inHand: 1 })
      yield* whileTimePasses(Scope.close(scope, Exit.void))
    })
  )
)

it.effect(
  "makes neither batches nor letters durable with durability none: a folder that can't be synced is no failure",
  () =>
    watched(
      Effect.gen(function* () {
        const directory = yield* temporary
        yield* LogWatch.expect("Error", "Batch consistency violation", { times: 1 })
        yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
        yield* (yield* ScriptedFileSystem.ScriptedFileSystem).failAlways("sync", /./u, "EIO")
        const settled = yield* Effect.gen(function* () {
          yield* (yield* TickQueue.TickQueue).offerAll([TestTick.make("run", 1), TestTick.make("../unsafe", 2)])
          return yield* (yield* Pipeline.Pipeline).drain
        }).pipe(
          Effect.provide(
            Pipeline.layer({ directory, durability: "none", persistence: { maxBatchSize: 1, maxRetries: 0 } })
          )
        )
        assert.deepInclude(settled, { written: 1, deadLettered: 1 })
      }).pipe(Effect.provide(ScriptedFileSystem.layer))
    )
)

const letter = (ticks: Tick.Batch) =>
  DeadLetter.make(
    ticks,
    { reason: "storage", error: new Error("full"), retries: 3, firstFailureMs: 0, lastFailureMs: 0 },
    { service: "persistence-1", queue: "raw-tick-data" }
  )

it.effect.each([
  ["replays dead letters with recovery", { recovery: { interval: "10 seconds" } }, 0],
  ["leaves dead letters alone without it", {}, 1]
] as const)("%s", ([, options, left]) =>
  watched(
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* LogWatch.allow("Info", /.*/u)
      const ticks = TestTick.range("run", 1, 4)
      assert(Tick.isBatch(ticks))
      const letters = yield* FileDeadLetterQueue.make("before", { directory: `${directory}/.dead-letters` })
      yield* letters.offer(yield* letter(ticks))
      yield* Effect.gen(function* () {
        const queue = yield* DeadLetterQueue.DeadLetterQueue
        yield* TestClock.adjust("10 seconds")
        yield* TestClock.withLive(
          Effect.repeat(Effect.andThen(Effect.sleep("10 millis"), Stream.runCollect(queue.ids)), {
            until: (ids) => ids.length === 0,
            times: left === 0 ? 500 : 20
          })
        )
        assert.lengthOf(yield* Stream.runCollect(queue.ids), left)
      }).pipe(Effect.provide(Pipeline.layer({ directory, ...options })))
      const files = yield* filesOf(directory)
      assert.deepStrictEqual(
        files.flatMap(([, stored]) => stored),
        left === 0 ? [1, 2, 3, 4] : []
      )
    })
  )
)

it.effect("with recovery gives an app the service that replays, to look at and to wait for", () =>
  watched(
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* Effect.gen(function* () {
        const recovery = yield* RecoveryService.RecoveryService
        yield* TestClock.adjust("25 seconds")
        yield* settleDown
        assert.isAtLeast((yield* recovery.metrics).looks, 1)
        yield* recovery.stop
        yield* recovery.await
      }).pipe(Effect.provide(Pipeline.layer({ directory, recovery: { interval: "10 seconds" } })))
    })
  )
)

it.effect("gives its tracker to replays by hand: it knows what they have stored", () =>
  watched(
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* LogWatch.allow("Info", /.*/u)
      yield* LogWatch.expect("Error", "Duplicate tick detected", { times: 1 })
      const pipeline = Pipeline.layer({ directory, idempotency: { memory: "keys" } })
      yield* Effect.gen(function* () {
        const queue = yield* DeadLetterQueue.DeadLetterQueue
        const ticks = TestTick.range("run", 1, 4)
        assert(Tick.isBatch(ticks))
        const failed = yield* letter(ticks)
        yield* queue.offer(failed)
        assert.deepInclude(yield* Replay.Replay.use(({ replay }) => replay(failed.id)), { stored: 4, remaining: 0 })
        yield* (yield* TickQueue.TickQueue).offerAll(TestTick.range("run", 4, 6))
        const settled = yield* (yield* Pipeline.Pipeline).drain
        assert.deepInclude(settled, { written: 2, duplicate: 1 })
      }).pipe(Effect.provide(Layer.provideMerge(Replay.layer(), pipeline)))
    })
  )
)

it.effect("resumes paused services to drain", () =>
  watched(
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* Effect.provide(
        Effect.gen(function* () {
          const { drain } = yield* Pipeline.Pipeline
          const { instances } = yield* PersistenceService.PersistenceService
          for (const { pause } of instances.values()) yield* pause
          yield* (yield* TickQueue.TickQueue).offerAll(TestTick.range("run", 1, 3))
          assert.deepInclude(yield* drain, { written: 3, inFlight: 0 })
        }),
        Pipeline.layer({ directory })
      )
    })
  )
)

it.effect.each([
  [{ instances: 0 }, "instances"],
  [{ directory: "" }, "directory"],
  [{ shutdownTimeout: "0 seconds" }, "shutdownTimeout"],
  [{ queue: { capacity: 0 } }, "capacity"],
  [{ persistence: { maxBatchSize: 0 } }, "maxBatchSize"],
  [{ idempotency: { maxKeys: 0 } }, "must be a whole number of 1 or more"]
] as const)("refuses %j at its start", ([options, named]) =>
  watched(
    Effect.gen(function* () {
      const directory = yield* temporary
      const error = yield* Effect.flip(Effect.provide(Effect.void, Pipeline.layer({ directory, ...options })))
      assert.include(error.message, named)
    })
  )
)

/** A pipeline on a storage with faults, in a scope that the test closes. */
const openFaulty = Effect.fnUntraced(function* (options: typeof PersistenceService.Options.Encoded) {
  const parts = Layer.mergeAll(
    TickQueue.layer("raw-tick-data"),
    Layer.fresh(FaultyStorage.layer),
    Compression.layerNone,
    IdempotencyTracker.layerMemory(),
    DeadLetterQueue.layerMemory()
  )
  const scope = yield* Scope.make()
  const layer = Pipeline.layerServices(["only"], Duration.seconds(10), options).pipe(
    Layer.provide(RunLedger.layer),
    Layer.provideMerge(parts)
  )
  const context = yield* Layer.buildWithScope(layer, scope)
  return { scope, context }
})

it.effect("gives the storage shutdownTimeout at the close of its scope, and names what is not settled by then", () =>
  watched(
    Effect.gen(function* () {
      const message = "Pipeline ends with ticks that are not settled"
      yield* LogWatch.expect("Error", message, { times: 1 })
      yield* LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 3 })
      const { context, scope } = yield* openFaulty({ maxBatchSize: 3, shutdownTimeout: "2 seconds" })
      const queue = Context.get(context, TickQueue.TickQueue)
      yield* Context.get(context, FaultyStorage.FaultyStorage).always("commit", FaultyStorage.hang)
      yield* queue.offerAll(TestTick.range("run", 1, 11))
      yield* settleDown
      const closed = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* settleDown
      yield* TestClock.adjust("9999 millis")
      yield* settleDown
      assert.isUndefined(closed.pollUnsafe())
      yield* whileTimePasses(Fiber.join(closed))
      const line = (yield* LogWatch.lines).find((each) => each.message === message)
      assert.deepInclude(line?.annotations, { received: 11, written: 0, deadLettered: 9, inFlight: 2, lost: 0 })
      assert.deepInclude(yield* queue.account, { deadLettered: 9, waiting: 2, inHand: 0 })
    })
  )
)

it.effect("fails to drain when a service has failed, after the others have settled all that they can", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", "Service failed", { times: 1 })
      const queue = yield* TickQueue.make("raw-tick-data")
      let takes = 0
      const faulty = TickQueue.TickQueue.of({
        ...queue,
        take: (policy, receive) => (++takes === 1 ? Effect.die("a fault of the queue") : queue.take(policy, receive))
      })
      const parts = Layer.mergeAll(
        Layer.succeed(TickQueue.TickQueue, faulty),
        Layer.provideMerge(RunLedger.layer, Storage.layerMemory),
        Compression.layerNone,
        IdempotencyTracker.layerMemory(),
        DeadLetterQueue.layerMemory()
      )
      const layer = Pipeline.layerServices(["first", "second"], Duration.seconds(10)).pipe(Layer.provide(parts))
      const context = yield* Layer.build(layer)
      const { balance, drain } = Context.get(context, Pipeline.Pipeline)
      yield* queue.offerAll(TestTick.range("run", 1, 8))
      const exit = yield* Effect.exit(drain)
      assert.strictEqual(Exit.isFailure(exit) && Cause.squash(exit.cause), "a fault of the queue")
      assert.deepInclude(yield* balance, { received: 8, written: 8, inFlight: 0 })
      assert.isFalse(yield* queue.offer(TestTick.make("run", 10)), "the queue has ended")
    })
  )
)

it.effect("says nothing at the close when all is settled in time", () =>
  watched(
    Effect.gen(function* () {
      const { context, scope } = yield* openFaulty({ maxBatchSize: 3 })
      const queue = Context.get(context, TickQueue.TickQueue)
      yield* Context.get(context, FaultyStorage.FaultyStorage).always(
        "commit",
        FaultyStorage.wait(Effect.sleep("2 seconds"))
      )
      yield* queue.offerAll(TestTick.range("run", 1, 8))
      yield* whileTimePasses(Scope.close(scope, Exit.void))
      assert.deepInclude(yield* queue.account, { stored: 8, waiting: 0, inHand: 0 })
    })
  )
)
