// @module-tag unit
import { fromBinary } from "@bufbuild/protobuf"
import { assert, it } from "@effect/vitest"
import * as Bytes from "effect/Bytes"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Struct from "effect/Struct"
import * as TestClock from "effect/testing/TestClock"
import * as RunId from "../../src/domain/RunId.ts"
import { SimulationMetadataSchema } from "../../src/gen/org/evochora/datapipeline/api/contracts/metadata_contracts_pb.ts"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as RunSettings from "../../src/simulation/RunSettings.ts"
import type { Simulation } from "../../src/simulation/Simulation.ts"
import * as SimulationEngine from "../../src/simulation/SimulationEngine.ts"
import * as World from "../../src/simulation/World.ts"
import * as Storage from "../../src/storage/Storage.ts"
import { IoFailure, PermissionDenied } from "../../src/storage/StorageError.ts"
import * as StorageKey from "../../src/storage/StorageKey.ts"
import * as FaultyStorage from "../../src/testing/FaultyStorage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import { advance, numbers, settleDown } from "../persistence/harness.ts"
import { randomFrom } from "../support/random.ts"
import { type Bench, makeEngine, type Options, watched } from "./engines.ts"

const io = new IoFailure({ code: "EIO" })
const upTo = (last: number, step = 1) =>
  Array.from({ length: Math.floor(last / step) }, (_, index) => (index + 1) * step)
const metadataKey = StorageKey.metadata(RunId.make("run"))

const metadataOf = ({ faults }: Bench) =>
  Effect.map(Stream.runCollect(faults.underneath.read(metadataKey)), (chunks) =>
    fromBinary(SimulationMetadataSchema, Bytes.concat(chunks))
  )

/** All ticks of an engine with these options, once it is done. */
const ticksOf = (options: Options, seed?: number) =>
  Effect.gen(function* () {
    const bench = yield* makeEngine({ runId: "run", maxTicks: 20, ...options }, {}, seed === undefined ? {} : { seed })
    yield* bench.engine.start
    yield* bench.engine.await
    yield* bench.queue.end
    yield* Effect.ignore(Effect.forever(bench.take(1000)))
    return bench.taken
  })

it.effect("stores the metadata of the run before it offers a tick", () =>
  watched(
    Effect.gen(function* () {
      const bench = yield* makeEngine({ runId: "run", maxTicks: 3 })
      let held = true
      yield* bench.faults.next("commit", [FaultyStorage.wait(Effect.repeat(Effect.yieldNow, { while: () => held }))])
      yield* TestClock.adjust(1234)
      yield* bench.engine.start
      yield* settleDown
      assert.strictEqual((yield* bench.queue.account).accepted, 0)
      held = false
      yield* bench.engine.await
      assert.strictEqual((yield* bench.queue.account).accepted, 3)
      const metadata = yield* metadataOf(bench)
      assert.strictEqual(metadata.simulationRunId, "run")
      assert.strictEqual(metadata.startTimeMs, 1234n)
      assert.strictEqual(metadata.initialSeed, 42n)
      assert.deepStrictEqual(metadata.userMetadata, {
        samplingInterval: "1",
        firstTick: "1",
        maxTicks: "3",
        simulationKind: "tickvault/World"
      })
      assert.strictEqual(metadata.resolvedConfigJson, '{"shape":[8,8],"organisms":2,"seed":42}')
    })
  )
)

it.effect("keeps what a simulation says in its metadata, except under the keys of the engine", () =>
  watched(
    Effect.gen(function* () {
      const own = { samplingInterval: "9", firstTick: "9", maxTicks: "none", simulationKind: "test/own", lab: "north" }
      const bench = yield* makeEngine({ runId: "run" }, { capacity: 1 }, {}, undefined, (world) => ({
        ...Struct.omit(world, ["settings"]),
        metadata: (run, startTimeMs) =>
          Effect.map(world.metadata(run, startTimeMs), (metadata) => ({ ...metadata, userMetadata: own }))
      }))
      yield* bench.engine.start
      yield* settleDown
      const metadata = yield* metadataOf(bench)
      assert.deepStrictEqual(metadata.userMetadata, { samplingInterval: "1", firstTick: "1", lab: "north" })
      assert.deepInclude(yield* RunSettings.recorded(metadata), { maxTicks: undefined, simulation: undefined })
    })
  )
)

it.effect("makes the same bytes of the same seed and run, and others of another seed", () =>
  watched(
    Effect.gen(function* () {
      const first = yield* ticksOf({})
      assert.deepStrictEqual(numbers(first), upTo(20))
      assert.deepStrictEqual(yield* ticksOf({}), first)
      assert.notDeepEqual(yield* ticksOf({}, 43), first)
    })
  )
)

it.effect("captures every tick that samplingInterval asks for, each as if all were captured", () =>
  watched(
    Effect.gen(function* () {
      const all = yield* ticksOf({})
      const sampled = yield* ticksOf({ samplingInterval: 5 })
      assert.deepStrictEqual(
        sampled,
        all.filter(({ tickNumber }) => tickNumber % 5n === 0n)
      )
    })
  )
)

it.effect("ends at maxTicks, and does nothing more when it is started again", () =>
  watched(
    Effect.gen(function* () {
      const { engine, queue } = yield* makeEngine({ maxTicks: 7 })
      for (let round = 0; round < 2; round++) {
        yield* engine.start
        yield* engine.await
        assert.strictEqual(yield* engine.state, "STOPPED")
        assert.deepStrictEqual(yield* engine.metrics, { current_tick: 7, ticks_produced: 7 })
        assert.strictEqual((yield* queue.account).accepted, 7)
      }
    })
  )
)

it.effect("pauses at its pauseTicks, and goes on with the tick that follows", () =>
  watched(
    Effect.gen(function* () {
      const { engine, queue } = yield* makeEngine({ maxTicks: 10, pauseTicks: [3, 8] })
      yield* engine.start
      for (const tick of [3, 8]) {
        yield* settleDown
        assert.strictEqual(yield* engine.state, "PAUSED")
        assert.strictEqual((yield* queue.account).accepted, tick)
        yield* engine.resume
      }
      yield* engine.await
      assert.strictEqual((yield* queue.account).accepted, 10)
    })
  )
)

it.effect("makes ticksPerSecond ticks a second from its first tick on", () =>
  watched(
    Effect.gen(function* () {
      const { engine, queue } = yield* makeEngine({ ticksPerSecond: 4 })
      yield* engine.start
      yield* settleDown
      for (let tick = 1; tick <= 12; tick++) {
        assert.strictEqual((yield* queue.account).accepted, tick)
        yield* TestClock.adjust(249)
        yield* settleDown
        assert.strictEqual((yield* queue.account).accepted, tick)
        yield* TestClock.adjust(1)
        yield* settleDown
      }
    })
  )
)

it.effect("keeps a pace that is no whole number of milliseconds", () =>
  watched(
    Effect.gen(function* () {
      const { engine, queue } = yield* makeEngine({ ticksPerSecond: 3 })
      yield* engine.start
      yield* advance(10_000, 100)
      const { accepted } = yield* queue.account
      assert.isAtLeast(accepted, 30)
      assert.isAtMost(accepted, 31)
      assert.strictEqual(yield* engine.state, "RUNNING")
    })
  )
)

it.effect("names its run by its start and by chance, unless it is told how", () =>
  watched(
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 31, 23, 59, 58, 42))
      const ids = new Set<string>()
      for (let index = 0; index < 20; index++) {
        const { engine } = yield* makeEngine({})
        assert.isTrue(RunId.is(engine.runId))
        assert.match(engine.runId, /^20260131-235958-042-[0-9a-f]{8}$/u)
        ids.add(engine.runId)
      }
      assert.strictEqual(ids.size, 20)
      assert.strictEqual((yield* makeEngine({ runId: "mine" })).engine.runId, "mine")
    })
  )
)

it.effect.each([
  [{ runId: "../up" }, "runId"],
  [{ samplingInterval: 0 }, "samplingInterval"],
  [{ maxTicks: 0 }, "maxTicks"],
  [{ ticksPerSecond: 0 }, "ticksPerSecond"],
  [{ pauseTicks: [0] }, "pauseTicks"]
] as const)("refuses %j", ([options, named]) =>
  Effect.map(Effect.flip(makeEngine(options)), (error) => assert.include(error.message, named)).pipe(watched)
)

it.effect("ends when the queue has ended", () =>
  watched(
    Effect.gen(function* () {
      const { engine, queue } = yield* makeEngine({}, { capacity: 5 })
      yield* engine.start
      yield* settleDown
      assert.strictEqual(yield* engine.state, "RUNNING")
      yield* queue.end
      yield* engine.await
      assert.strictEqual(yield* engine.state, "STOPPED")
      assert.deepInclude(yield* engine.metrics, { ticks_produced: 5 })
    })
  )
)

it.effect("misses and doubles no tick however it is stopped, started, paused and held back by the queue", () =>
  watched(
    Effect.gen(function* () {
      for (let seed = 0; seed < 100; seed++) {
        const random = randomFrom(seed)
        const options: Options = { runId: "run", maxTicks: 60, ...(random.chance(0.3) ? { ticksPerSecond: 500 } : {}) }
        const { engine, queue, take, taken } = yield* makeEngine(options, { capacity: random.between(1, 5) })
        yield* engine.start
        for (let turn = 0; turn < 500 && taken.length < 60; turn++) {
          yield* Effect.repeat(Effect.yieldNow, { times: random.between(0, 12) })
          if (random.chance(0.3)) yield* random.pick([engine.stop, engine.pause, engine.restart])
          if (random.chance(0.5)) yield* Effect.andThen(engine.resume, engine.start)
          if (random.chance(0.3)) yield* TestClock.adjust(random.between(1, 10))
          if ((yield* queue.account).waiting > 0) {
            const taking = yield* Effect.forkChild(take(random.between(1, 4)))
            yield* TestClock.adjust(1)
            yield* Fiber.join(taking)
          }
        }
        yield* engine.stop
        assert.deepStrictEqual(numbers(taken), upTo(60), `seed ${seed}`)
        assert.deepStrictEqual(yield* engine.metrics, { current_tick: 60, ticks_produced: 60 })
      }
    })
  )
)

it.effect("makes the same ticks of a simulation that only tells messages", () =>
  watched(
    Effect.gen(function* () {
      const bench = yield* makeEngine(
        { runId: "run", maxTicks: 20 },
        {},
        {},
        undefined,
        ({ metadata, restore, snapshot, step, tickNumber }) => ({ metadata, restore, snapshot, step, tickNumber })
      )
      yield* bench.engine.start
      yield* bench.engine.await
      yield* bench.queue.end
      yield* Effect.ignore(Effect.forever(bench.take(1000)))
      assert.deepStrictEqual(bench.taken, yield* ticksOf({}))
    })
  )
)

it.effect("offers the ticks of a fast world many at a time, and makes few ahead of a queue that is full", () =>
  watched(
    Effect.gen(function* () {
      const { engine, queue } = yield* makeEngine({}, { capacity: 1000 })
      yield* engine.start
      const counts: Array<number> = []
      for (let last = 0; last < 1000; last = counts.at(-1) ?? 0) {
        yield* Effect.yieldNow
        const { accepted } = yield* queue.account
        if (accepted > last) counts.push(accepted)
      }
      assert.isBelow(counts.length, 100)
      const small = yield* makeEngine({}, { capacity: 1 })
      yield* small.engine.start
      yield* settleDown
      const { current_tick: current } = yield* small.engine.metrics
      assert.isAbove(current, 1)
      assert.isAtMost(current, 64)
    })
  )
)

it.effect("offers each tick of a slow world as soon as it is there", () =>
  watched(
    Effect.gen(function* () {
      const { engine, queue } = yield* makeEngine({ maxTicks: 5 }, {}, {}, undefined, (world) => ({
        ...world,
        step: Effect.andThen(Effect.sleep("1 second"), world.step)
      }))
      yield* engine.start
      for (let tick = 0; tick < 5; tick++) {
        yield* settleDown
        assert.strictEqual((yield* queue.account).accepted, tick)
        yield* TestClock.adjust("1 second")
      }
      yield* engine.await
      assert.strictEqual((yield* queue.account).accepted, 5)
    })
  )
)

it.effect("keeps what it has made when a step fails, and offers it when it is started again", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", "Service failed")
      let steps = 0
      const { engine, queue, take, taken } = yield* makeEngine({ maxTicks: 20 }, {}, {}, undefined, (world) => ({
        ...world,
        step: Effect.suspend(() => (++steps === 8 ? Effect.die("a fault of the world") : world.step))
      }))
      yield* engine.start
      yield* settleDown
      assert.strictEqual(yield* engine.state, "ERROR")
      yield* engine.start
      yield* engine.await
      yield* queue.end
      yield* Effect.ignore(Effect.forever(take(1000)))
      assert.deepStrictEqual(numbers(taken), upTo(20))
    })
  )
)

/** A world whose step dies at tick `last` + 1, once. */
const dyingAfter =
  (last: number) =>
  (world: Simulation["Service"]): Simulation["Service"] => {
    let isDue = true
    return {
      ...world,
      step: Effect.flatMap(world.tickNumber, (tickNumber) => {
        if (Number(tickNumber) < last || !isDue) return world.step
        isDue = false
        return Effect.die(new Error("a fault of the world"))
      })
    }
  }

/** What an engine died of. */
const diedOf = ({ engine }: Bench) =>
  Effect.map(Effect.exit(engine.await), (exit) => (Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "nothing"))

it.effect("fails its await when a step dies, after the ticks before it are in the queue", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", "Service failed", { times: 1 })
      const bench = yield* makeEngine({ maxTicks: 20 }, { capacity: 5 }, {}, undefined, dyingAfter(17))
      yield* bench.engine.start
      const died = yield* Effect.forkChild(diedOf(bench), { startImmediately: true })
      while (died.pollUnsafe() === undefined) {
        yield* settleDown
        if ((yield* bench.queue.account).waiting > 0) yield* Effect.raceFirst(bench.take(5), TestClock.adjust(1))
      }
      assert.strictEqual(yield* Fiber.join(died), "Error: a fault of the world")
      assert.strictEqual(yield* bench.engine.state, "ERROR")
      assert.strictEqual((yield* bench.queue.account).accepted, 17)
      assert.strictEqual(yield* diedOf(bench), "Error: a fault of the world", "whoever asks later learns it, too")
    })
  )
)

it.effect("stays failed when it is stopped while the queue has no room for its last ticks", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", "Service failed", { times: 1 })
      const bench = yield* makeEngine({ maxTicks: 20 }, { capacity: 5 }, {}, undefined, dyingAfter(7))
      yield* bench.engine.start
      yield* settleDown
      assert.strictEqual(yield* bench.engine.state, "RUNNING")
      yield* bench.engine.stop
      assert.strictEqual(yield* bench.engine.state, "ERROR")
      assert.strictEqual(yield* diedOf(bench), "Error: a fault of the world")
      yield* bench.engine.start
      yield* settleDown
      yield* bench.queue.end
      yield* bench.engine.await
      yield* Effect.ignore(Effect.forever(bench.take(1000)))
      assert.deepStrictEqual(numbers(bench.taken), upTo(5))
    })
  )
)

it.effect("captures the tick that it failed to capture when it is started again", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", "Service failed", { times: 2 })
      let captures = 0
      const { engine, queue, take, taken } = yield* makeEngine({ maxTicks: 20 }, {}, {}, undefined, (world) => ({
        ...world,
        tick: (id, captureTimeMs) => {
          captures++
          return captures === 8 || captures === 21 ? Effect.die("no memory") : world.tick!(id, captureTimeMs)
        }
      }))
      for (let starts = 0; starts < 3; starts++) {
        yield* engine.start
        yield* settleDown
        assert.strictEqual(yield* engine.state, starts < 2 ? "ERROR" : "STOPPED")
      }
      yield* queue.end
      yield* Effect.ignore(Effect.forever(take(1000)))
      assert.deepStrictEqual(numbers(taken), upTo(20))
    })
  )
)

it.effect("fails its await when the storage has a run of its id, and makes no tick", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", "Service failed", { times: 1 })
      const { engine, faults, queue } = yield* makeEngine({ runId: "run", maxTicks: 2 })
      yield* Storage.write(faults.underneath, metadataKey, [Uint8Array.of(1)])
      yield* engine.start
      const failure = yield* Effect.flip(engine.await)
      assert.strictEqual(failure._tag, "RunIdTaken")
      assert.strictEqual(
        failure.message,
        'the run id "run" is taken: memory has a run with this id. Choose another id, or resume that run'
      )
      assert.deepStrictEqual(yield* engine.metrics, { current_tick: 0, ticks_produced: 0 })
      assert.strictEqual((yield* queue.account).accepted, 0)
    })
  )
)

it.effect("runs while its layer lives, for the simulation of the context", () =>
  watched(
    Effect.gen(function* () {
      const layer = SimulationEngine.layer({ runId: "run", name: "mine", maxTicks: 20, ticksPerSecond: 10 }).pipe(
        Layer.provide(World.layer({ shape: [8, 8], organisms: 2 })),
        Layer.provideMerge(TickQueue.layer("raw-tick-data")),
        Layer.provideMerge(Storage.layerMemory)
      )
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layer, scope)
      const engine = Context.get(context, SimulationEngine.SimulationEngine)
      assert.strictEqual(engine.name, "mine")
      assert.strictEqual(engine.runId, "run")
      yield* settleDown
      yield* TestClock.adjust("400 millis")
      yield* settleDown
      assert.strictEqual(yield* engine.state, "RUNNING")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* engine.state, "STOPPED")
      assert.deepInclude(yield* engine.metrics, { ticks_produced: 5 })
      assert.isTrue(yield* Storage.exists(Context.get(context, Storage.Storage), metadataKey))
    })
  )
)

it.effect("tries to store the metadata again, and begins when that succeeds", () =>
  watched(
    Effect.gen(function* () {
      const bench = yield* makeEngine({ runId: "run", maxTicks: 2 })
      yield* bench.faults.next("commit", FaultyStorage.repeat(FaultyStorage.fail(io), 3))
      yield* bench.engine.start
      yield* settleDown
      yield* advance(6000, 1000)
      assert.strictEqual((yield* bench.queue.account).accepted, 0)
      yield* advance(1000, 1000)
      assert.strictEqual((yield* bench.queue.account).accepted, 2)
    })
  )
)

it.effect("is in ERROR with its cause when the metadata can't be stored, and can be started again", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", "Service failed", { times: 2 })
      const { engine, faults, queue } = yield* makeEngine({ runId: "run", maxTicks: 2 })
      yield* faults.next("commit", FaultyStorage.repeat(FaultyStorage.failAfter(io), 4))
      yield* engine.start
      yield* settleDown
      yield* advance(7000, 1000)
      assert.strictEqual(yield* engine.state, "ERROR")
      assert.include(String((yield* engine.error)?.reasons[0]), "EIO")
      yield* faults.next("create", [FaultyStorage.fail(new PermissionDenied({ code: "EACCES" }))])
      yield* engine.start
      yield* settleDown
      assert.strictEqual(yield* engine.state, "ERROR", "at once: that does not pass")
      yield* TestClock.adjust("1 hour")
      yield* engine.start
      yield* engine.await
      assert.strictEqual(yield* engine.state, "STOPPED")
      assert.strictEqual((yield* queue.account).accepted, 2)
    })
  )
)

it.effect("stopped while it stores the metadata, finds them stored when it is started later", () =>
  watched(
    Effect.gen(function* () {
      const bench = yield* makeEngine({ runId: "run", maxTicks: 2 })
      yield* bench.engine.start
      for (let turn = 0; turn < 100 && !(yield* Storage.exists(bench.faults.underneath, metadataKey)); turn++) {
        yield* Effect.yieldNow
      }
      yield* bench.engine.stop
      assert.strictEqual((yield* bench.queue.account).accepted, 0)
      yield* TestClock.adjust("1 hour")
      yield* bench.engine.start
      yield* bench.engine.await
      assert.strictEqual((yield* bench.queue.account).accepted, 2)
      assert.strictEqual((yield* metadataOf(bench)).startTimeMs, 0n)
    })
  )
)
