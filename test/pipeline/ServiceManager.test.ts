// @module-tag integration
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import * as RunId from "../../src/domain/RunId.ts"
import * as Balance from "../../src/pipeline/Balance.ts"
import type { PipelineConfig } from "../../src/config/PipelineConfig.ts"
import * as ServiceManager from "../../src/pipeline/ServiceManager.ts"
import * as RunSettings from "../../src/simulation/RunSettings.ts"
import * as BatchFile from "../support/batchFiles.ts"
import type { Storage } from "../../src/storage/Storage.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { numbers, settleDown, whileTimePasses } from "../persistence/harness.ts"
import { engineOf, good, small } from "../config/harness.ts"
import { production, temporary, watched } from "./managers.ts"

type Manager = Effect.Success<ReturnType<typeof production>>

const names = ["simulation-engine", "persistence-1", "persistence-2"]

const states = ({ serviceStatus }: Manager) =>
  Effect.map(serviceStatus, (all) => Object.fromEntries(all.map(({ name, state }) => [name, state])))

const all = (state: string) => Object.fromEntries(names.map((name) => [name, state]))

const balanceOf = ({ balance }: Manager) => balance

const ticksIn = (storage: Storage["Service"]) =>
  storage.list("").pipe(
    Stream.filter((key) => key.includes("/batch_")),
    Stream.flatMap((key) => BatchFile.read(storage, key)),
    Stream.runCollect
  )

it.effect("builds the specification's example, stopped, in the order of the configuration", () =>
  watched(
    Effect.gen(function* () {
      const manager = yield* production(yield* temporary, 10)
      assert.deepStrictEqual([...manager.services.keys()], names)
      assert.deepStrictEqual(yield* states(manager), all("STOPPED"))
      assert.deepStrictEqual([...manager.engines.keys()], ["simulation-engine"])
      assert.deepStrictEqual([...manager.persistence.keys()], ["persistence-1", "persistence-2"])
      assert.deepStrictEqual([...manager.queues.keys()], ["raw-tick-data"])
      assert.deepStrictEqual([...manager.storages.keys()], ["storage-main"])
      assert.deepStrictEqual([...manager.deadLetterQueues.keys()], ["persistence-dlq"])
    })
  )
)

it.effect("runs from the simulation to the files, and ends in good order with every tick stored", () =>
  watched(
    Effect.gen(function* () {
      const manager = yield* production(yield* temporary, 500)
      yield* manager.startAll
      yield* manager.engines.get("simulation-engine")!.await
      yield* manager.shutdown
      assert.deepStrictEqual(yield* states(manager), all("STOPPED"))
      const balance = yield* balanceOf(manager)
      assert.deepInclude(balance, { received: 500, written: 500, inFlight: 0, lost: 0, duplicate: 0 })
      assert.isTrue(Balance.isSettled(balance))
      const stored = yield* ticksIn(manager.storages.get("storage-main")!)
      assert.deepStrictEqual(
        numbers(stored).toSorted((a, b) => a - b),
        numbers(TestTick.range("any", 1, 500))
      )
    })
  )
)

it.effect("starts in the order of startupSequence and stops the engines first", () =>
  watched(
    Effect.gen(function* () {
      const manager = yield* production(yield* temporary, 20_000)
      yield* manager.startAll
      yield* manager.stopAll
      yield* LogWatch.allow("Info", "Shutdown requested, writing partial batch")
      const lines = yield* LogWatch.lines
      const of = (message: string) =>
        lines.filter((line) => line.message === message).map(({ annotations }) => annotations["service"])
      assert.deepStrictEqual(of("Service started"), names)
      assert.strictEqual(of("Service stopped")[0], "simulation-engine")
      assert.sameMembers(of("Service stopped"), names)
    })
  )
)

it.effect("starts, pauses, resumes, restarts and stops a service by its name, and no other", () =>
  watched(
    Effect.gen(function* () {
      const manager = yield* production(yield* temporary, 10)
      for (const [operation, state] of [
        ["start", "RUNNING"],
        ["pause", "PAUSED"],
        ["resume", "RUNNING"],
        ["restart", "RUNNING"],
        ["stop", "STOPPED"]
      ] as const) {
        yield* manager[operation]("persistence-1")
        assert.deepStrictEqual(yield* states(manager), { ...all("STOPPED"), "persistence-1": state })
      }
    })
  )
)

it.effect("does the same to all", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.allow("Info", "Shutdown requested, writing partial batch")
      const manager = yield* production(yield* temporary, 20_000)
      for (const [operation, state] of [
        ["startAll", "RUNNING"],
        ["pauseAll", "PAUSED"],
        ["resumeAll", "RUNNING"],
        ["restartAll", "RUNNING"],
        ["stopAll", "STOPPED"]
      ] as const) {
        yield* manager[operation]
        assert.deepStrictEqual(yield* states(manager), all(state), operation)
      }
    })
  )
)

it.effect.each(["start", "stop", "pause", "resume", "restart"] as const)(
  "names the services there are when it is to %s another one",
  (operation) =>
    watched(
      Effect.gen(function* () {
        const manager = yield* production(yield* temporary, 10)
        const error = yield* Effect.flip(manager[operation]("persistence-3"))
        assert.strictEqual(error._tag, "UnknownService")
        assert.strictEqual(
          error.message,
          'there is no service "persistence-3"; known: simulation-engine, persistence-1, persistence-2'
        )
      })
    )
)

it.effect("gives the same statuses as often as they are read", () =>
  watched(
    Effect.gen(function* () {
      const manager = yield* production(yield* temporary, 50)
      yield* manager.startAll
      yield* manager.engines.get("simulation-engine")!.await
      yield* manager.shutdown
      const services = yield* manager.serviceStatus
      const resources = yield* manager.resourceStatus
      for (let read = 0; read < 3; read++) {
        assert.deepStrictEqual(yield* manager.serviceStatus, services)
        assert.deepStrictEqual(yield* manager.resourceStatus, resources)
      }
      assert.deepStrictEqual(services[0]?.metrics, { current_tick: 50, ticks_produced: 50 })
      assert.deepStrictEqual(
        resources.map(({ kind, name }) => [name, kind]),
        [
          ["storage-main", "FileStorage"],
          ["raw-tick-data", "TickQueue"],
          ["persistence-dlq", "InMemoryDeadLetterQueue"],
          ["persistence-idempotency", "IdempotencyTracker"]
        ]
      )
      assert.deepInclude(resources[1]?.metrics, { accepted: 50, stored: 50, waiting: 0, waitingBytes: 0 })
      assert.deepStrictEqual(resources[2]?.metrics, { current_size: 0 })
    })
  )
)

it.effect("has one failing service in ERROR with its cause, and the others at work", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.expect("Error", "Service failed", { times: 1 })
      const directory = yield* temporary
      // The engine is to store its metadata where there is a file already: the folder of its run can't be made.
      const config = small({
        resources: { store: { className: "FileStorage", options: { rootDirectory: directory } } },
        services: {
          engine: {
            className: "SimulationEngine",
            resources: { tickData: "queue-out:ticks", storage: "storage-write:store" },
            options: { runId: "taken" }
          }
        }
      })
      yield* FileSystem.FileSystem.use((fs) => fs.writeFileString(`${directory}/taken`, "in the way"))
      const manager = yield* ServiceManager.make((yield* good({ file: config })).config)
      yield* Effect.andThen(manager.start("engine"), manager.start("persist"))
      const failure = yield* Effect.flip(manager.engines.get("engine")!.await)
      assert.include(failure.message, "taken/metadata.pb")
      const [persist, engine] = yield* manager.serviceStatus
      assert.deepInclude(persist, { name: "persist", state: "RUNNING", error: undefined })
      assert.deepInclude(engine, { name: "engine", state: "ERROR" })
      assert.include(engine?.error, "taken/metadata.pb")
      yield* manager.queues.get("ticks")!.offerAll(TestTick.range("run", 1, 3))
      yield* manager.shutdown
      assert.deepInclude(yield* balanceOf(manager), { received: 3, written: 3 })
    })
  )
)

it.effect("tells of a service whose batch neither storage nor dead-letter queue takes", () =>
  watched(
    Effect.gen(function* () {
      yield* LogWatch.allow("Error", "Batch consistency violation")
      yield* LogWatch.expect("Info", "Sent failed batch to dead-letter queue", { times: 1 })
      yield* LogWatch.expect("Error", /^Storage and dead-letter queue both refuse/u, { times: 1 })
      yield* LogWatch.expect("Info", "Shutdown requested, writing partial batch", { times: 1 })
      yield* LogWatch.expect("Error", "Batch could not be settled in time, returned to the queue", { times: 1 })
      const { config } = yield* good({
        file: small({
          resources: { letters: { className: "InMemoryDeadLetterQueue", options: { capacity: 1 } } },
          ports: { dlq: "queue-out:letters" },
          options: { maxBatchSize: 1, shutdownTimeout: "2 seconds" }
        })
      })
      const manager = yield* ServiceManager.make(config)
      const status = Effect.map(manager.serviceStatus, ([persist]) => persist)
      yield* manager.start("persist")
      yield* manager.queues.get("ticks")!.offer(TestTick.make("../unsafe", 1))
      yield* settleDown
      assert.deepInclude(yield* status, { state: "RUNNING", degraded: undefined })
      yield* manager.queues.get("ticks")!.offer(TestTick.make("../unsafe", 2))
      yield* settleDown
      const { degraded, state } = (yield* status)!
      assert.strictEqual(state, "RUNNING")
      assert.deepInclude(degraded, { sinceMs: 0, nextTryMs: 1000 })
      assert.include(degraded?.cause, 'dead-letter queue "letters": it is full with 1 letters')
      yield* whileTimePasses(manager.stop("persist"))
      assert.deepInclude(yield* status, { state: "STOPPED", degraded: undefined })
    })
  )
)

it.effect("ends in good order although its services are paused", () =>
  watched(
    Effect.gen(function* () {
      const manager = yield* production(yield* temporary, 10)
      yield* manager.start("persistence-1")
      yield* manager.pauseAll
      yield* manager.queues.get("raw-tick-data")!.offerAll(TestTick.range("run", 1, 30))
      yield* settleDown
      assert.deepInclude(yield* balanceOf(manager), { inFlight: 30, written: 0 })
      yield* manager.shutdown
      assert.deepInclude(yield* balanceOf(manager), { inFlight: 0, written: 30 })
      assert.deepStrictEqual(yield* states(manager), all("STOPPED"))
    })
  )
)

const resumedConfig = (directory: string, samplingInterval: number, world: object) =>
  small({
    resources: { store: { className: "FileStorage", options: { rootDirectory: directory } } },
    services: {
      engine: {
        className: "SimulationEngine",
        resources: { tickData: "queue-out:ticks" },
        options: { runId: "run", maxTicks: 40, samplingInterval, ...world }
      }
    }
  })

const runOn = (config: PipelineConfig, resume?: ServiceManager.Resumption) =>
  Effect.gen(function* () {
    const options = resume === undefined ? {} : { resume: new Map([["engine", resume]]) }
    const manager = yield* ServiceManager.make(config, options)
    yield* manager.startAll
    yield* manager.engines.get("engine")!.await
    yield* manager.shutdown
    return { balance: yield* balanceOf(manager), stored: yield* ticksIn(manager.storages.get("store")!) }
  }).pipe(Effect.scoped)

it.effect("goes on with a run under the settings it began with, whatever the configuration says", () =>
  watched(
    Effect.gen(function* () {
      const [directory, other] = [yield* temporary, yield* temporary]
      const began = { shape: [8, 8], organisms: 2, seed: 5 }
      const { config } = yield* good({ file: resumedConfig(directory, 2, began) })
      const { stored: whole } = yield* runOn(config)
      const metadata = yield* FileSystem.FileSystem.use((fs) => fs.readFile(`${directory}/run/metadata.pb`))

      const another = resumedConfig(other, 3, { shape: [12, 12], seed: 99, runId: "another" })
      const resumption: ServiceManager.Resumption = {
        resume: { runId: RunId.make("run"), from: whole[9], settled: { has: (tickNumber) => tickNumber === 30n } },
        settings: yield* RunSettings.fromBytes("run", metadata)
      }
      const { balance, stored } = yield* runOn((yield* good({ file: another })).config, resumption)
      assert.deepInclude(balance, { received: 9, written: 9, duplicate: 0 })
      assert.deepStrictEqual(numbers(stored), [22, 24, 26, 28, 32, 34, 36, 38, 40])
      assert.deepStrictEqual(
        stored,
        whole.slice(10).filter(({ tickNumber }) => tickNumber !== 30n)
      )
      assert.deepStrictEqual(yield* FileSystem.FileSystem.use((fs) => fs.readDirectory(other)), ["run"])
    })
  )
)

it.effect("can't be built when a run is to go on from a tick that is not its own", () =>
  watched(
    Effect.gen(function* () {
      const { config } = yield* good({ file: resumedConfig(yield* temporary, 1, {}) })
      const resume = { runId: RunId.make("run"), from: TestTick.make("other", 3), settled: { has: () => false } }
      const { settings } = yield* engineOf(config, "engine")
      const error = yield* Effect.flip(
        ServiceManager.make(config, {
          resume: new Map([["engine", { resume, settings }]])
        })
      )
      assert.strictEqual(error._tag, "RestoreError")
      assert.include(error.message, 'it belongs to the run "other"')
    })
  )
)

it.effect("does not begin a new run where the engine that is to go on is not there", () =>
  watched(
    Effect.gen(function* () {
      const { config } = yield* good({ file: resumedConfig(yield* temporary, 1, {}) })
      const { world } = (yield* engineOf(config, "engine")).settings
      const resume = { runId: RunId.make("run"), from: undefined, settled: { has: () => false } }
      const resumption = { resume, settings: { world, samplingInterval: 1 } }
      const exit = yield* Effect.exit(ServiceManager.make(config, { resume: new Map([["persist", resumption]]) }))
      assert.isTrue(Exit.hasDies(exit))
    })
  )
)
