// @module-tag integration
import type * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import type * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Compression from "../../src/batch/Compression.ts"
import * as DeadLetterQueue from "../../src/deadletter/DeadLetterQueue.ts"
import * as FileDeadLetterQueue from "../../src/deadletter/FileDeadLetterQueue.ts"
import { RunBatch } from "../../src/domain/RunBatch.ts"
import * as RunId from "../../src/domain/RunId.ts"
import * as IdempotencyTracker from "../../src/idempotency/IdempotencyTracker.ts"
import * as EmbeddedPipeline from "../../src/kinds/EmbeddedPipeline.ts"
import * as RunLedger from "../../src/ledger/RunLedger.ts"
import * as PersistenceService from "../../src/persistence/PersistenceService.ts"
import * as Pipeline from "../../src/Pipeline.ts"
import * as TickQueue from "../../src/queue/TickQueue.ts"
import * as Recall from "../../src/recall/Recall.ts"
import * as RecoveryService from "../../src/replay/RecoveryService.ts"
import { type RestoreError, Simulation } from "../../src/simulation/Simulation.ts"
import * as SimulationEngine from "../../src/simulation/SimulationEngine.ts"
import * as World from "../../src/simulation/World.ts"
import * as FileStorage from "../../src/storage/FileStorage.ts"
import * as Storage from "../../src/storage/Storage.ts"
import type { StorageError } from "../../src/storage/StorageError.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestTick from "../../src/testing/TestTick.ts"
import { resolve } from "../config/harness.ts"
import { settleDown } from "../persistence/harness.ts"
import { temporary, watched } from "../pipeline/managers.ts"

type Env = Readonly<Record<string, string>>

const environment = (env: Env) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

const memory = Layer.mergeAll(
  TickQueue.layer("ticks"),
  IdempotencyTracker.layerMemory(),
  DeadLetterQueue.layerMemory(),
  Compression.layerNone,
  Layer.provideMerge(RunLedger.layer, Storage.layerMemory)
)

type Row = readonly [
  layer: Layer.Layer<
    never,
    Config.ConfigError | Schema.SchemaError | StorageError | RestoreError | SimulationEngine.SettingsMismatch,
    NodeServices.NodeServices
  >,
  variable: string,
  found: string,
  allowed: string | undefined
]

/** Each module's layer, with a variable of its component, a wrong value, and what is allowed. */
const layers: Readonly<Record<string, Row>> = {
  TickQueue: [TickQueue.layerConfig(), "RAW_TICK_DATA_CAPACITY", "0", "must be a whole number of 1 or more"],
  FileStorage: [FileStorage.layerConfig(), "STORAGE_MAIN_DURABILITY", "some", 'must be "full" or "file" or "none"'],
  Compression: [Compression.layerConfig(), "STORAGE_MAIN_COMPRESSION", "gzip", 'must be "none" or "zstd"'],
  FileDeadLetterQueue: [FileDeadLetterQueue.layerConfig(), "PERSISTENCE_DLQ_DIRECTORY", " ", undefined],
  "DeadLetterQueue in memory": [
    DeadLetterQueue.layerMemoryConfig(),
    "PERSISTENCE_DLQ_CAPACITY",
    "few",
    "must be a whole number of 1 or more"
  ],
  IdempotencyTracker: [
    IdempotencyTracker.layerConfig(),
    "PERSISTENCE_IDEMPOTENCY_TTL",
    "5",
    "must be a duration above zero"
  ],
  Recall: [
    Layer.provide(Recall.layerConfig(), memory),
    "PERSISTENCE_IDEMPOTENCY_TTL_SECONDS",
    "soon",
    "must be a number of seconds above 0"
  ],
  PersistenceService: [
    Layer.provide(PersistenceService.layerConfig(), memory),
    "PERSISTENCE_1_BATCH_TIMEOUT_SECONDS",
    "0",
    "must be a number above 0"
  ],
  RecoveryService: [
    Layer.provide(RecoveryService.layerConfig(), memory),
    "RECOVERY_INTERVAL",
    "0s",
    "must be a duration above zero"
  ],
  SimulationEngine: [
    Layer.provide(SimulationEngine.layerConfig(), Layer.merge(World.layer(), memory)),
    "SIMULATION_ENGINE_MAX_TICKS",
    "-1",
    "must be a whole number of 1 or more"
  ],
  World: [World.layerConfig(), "SIMULATION_ENGINE_ORGANISMS", "none", "must be a whole number from 1 to 10000"],
  Pipeline: [Pipeline.layerConfig(), "SHUTDOWN_TIMEOUT", "later", "must be a duration above zero"]
}

describe("layerConfig", () => {
  it.effect.each(Object.entries(layers).filter(([, [, , , allowed]]) => allowed !== undefined))(
    "of %s names a wrong variable, what was found and what is allowed",
    ([, [layer, variable, found, allowed]]) =>
      watched(
        Effect.gen(function* () {
          const name = `TICKVAULT_${variable}`
          const built = Effect.provide(Effect.void, Layer.provide(layer, environment({ [name]: found })))
          const error = yield* Effect.flip(built)
          assert.strictEqual(error._tag, "ConfigError")
          assert.include(error.message, `${name}: found "${found}", ${allowed}`)
        })
      )
  )

  it.effect("has the variables of the pipeline that runs without a file", () =>
    Effect.gen(function* () {
      const names = Object.values(layers).map(([, variable]) => `TICKVAULT_${variable}`)
      // Without a file there is no recovery service.
      for (const name of names.filter((one) => !one.startsWith("TICKVAULT_RECOVERY_"))) {
        const resolved = resolve({ env: { [name]: "?" } })
        const message = Result.isFailure(resolved) ? resolved.failure.message : ""
        assert.notInclude(message, "names no option of this configuration", name)
      }
      assert.strictEqual(EmbeddedPipeline.names.persistence(1), "persistence-1")
    })
  )

  it.effect("of queue, storage, letters and tracker makes them with what the environment says", () =>
    watched(
      Effect.gen(function* () {
        const folder = yield* temporary
        const env = {
          TICKVAULT_RAW_TICK_DATA_CAPACITY: "2",
          TICKVAULT_STORAGE_MAIN_ROOT_DIRECTORY: `${folder}/runs`,
          TICKVAULT_STORAGE_MAIN_COMPRESSION_LEVEL: "7",
          TICKVAULT_PERSISTENCE_DLQ_DIRECTORY: `${folder}/letters`,
          TICKVAULT_PERSISTENCE_IDEMPOTENCY_TTL_SECONDS: "9"
        }
        yield* Effect.gen(function* () {
          const queue = yield* TickQueue.TickQueue
          assert.strictEqual(queue.name, "raw-tick-data")
          yield* Effect.forkChild(queue.offerAll(TestTick.range("run", 1, 3)))
          yield* settleDown
          assert.strictEqual((yield* queue.account).waiting, 2)
          const storage = yield* Storage.Storage
          assert.deepStrictEqual([storage.name, storage.location], ["storage-main", `${folder}/runs`])
          assert.deepStrictEqual(yield* Compression.Compression, { codec: "zstd", level: 7 })
          assert.strictEqual((yield* DeadLetterQueue.DeadLetterQueue).location, `${folder}/letters`)
          const tracker = yield* IdempotencyTracker.IdempotencyTracker
          const batch = new RunBatch(RunId.make("run"), TestTick.range("run", 1, 1))
          yield* tracker.claim(batch)
          yield* tracker.commit(batch)
          yield* TestClock.adjust("8 seconds")
          assert.lengthOf((yield* tracker.claim(batch)).stored, 1)
          yield* TestClock.adjust("10 seconds")
          assert.lengthOf((yield* tracker.claim(batch)).fresh, 1)
        }).pipe(
          Effect.provide(
            Layer.mergeAll(
              TickQueue.layerConfig(),
              FileStorage.layerConfig(),
              Compression.layerConfig(),
              FileDeadLetterQueue.layerConfig(),
              IdempotencyTracker.layerConfig()
            ).pipe(Layer.provide(environment(env)))
          )
        )
      })
    )
  )

  it.effect("of compression and letters in memory counts over the options in code", () =>
    watched(
      Effect.gen(function* () {
        const env = { TICKVAULT_MINE_COMPRESSION: "zstd", TICKVAULT_FEW_CAPACITY: "1" }
        yield* Effect.gen(function* () {
          assert.deepStrictEqual(yield* Compression.Compression, { codec: "zstd", level: 3 })
          assert.strictEqual((yield* DeadLetterQueue.DeadLetterQueue).name, "few")
        }).pipe(
          Effect.provide(
            Layer.mergeAll(
              Compression.layerConfig("mine", { compression: "none", compressionLevel: 3 }),
              DeadLetterQueue.layerMemoryConfig("few", { capacity: 50 })
            ).pipe(Layer.provide(environment(env)))
          )
        )
      })
    )
  )

  it.effect("of persistence services reads the variables of each by its name", () =>
    watched(
      Effect.gen(function* () {
        const env = { TICKVAULT_FAST_MAX_BATCH_SIZE: "1", TICKVAULT_SLOW_MAX_BATCH_SIZE: "500" }
        yield* Effect.gen(function* () {
          const { instances } = yield* PersistenceService.PersistenceService
          assert.deepStrictEqual([...instances.keys()], ["fast", "slow"])
        }).pipe(
          Effect.provide(
            PersistenceService.layerConfig(["fast", "slow"], { maxRetries: 1 }).pipe(
              Layer.provide(memory),
              Layer.provide(environment(env))
            )
          )
        )
        const made = (yield* LogWatch.lines).filter(({ message }) => message === "PersistenceService initialized")
        assert.deepStrictEqual(
          made.map(({ annotations }) => [
            annotations["service"],
            annotations["maxBatchSize"],
            annotations["maxRetries"]
          ]),
          [
            ["fast", 1, 1],
            ["slow", 500, 1]
          ]
        )
      })
    )
  )

  it.effect("of the engine and its world share the engine's name", () =>
    watched(
      Effect.gen(function* () {
        const env = { TICKVAULT_ENGINE_MAX_TICKS: "3", TICKVAULT_ENGINE_SEED: "7", TICKVAULT_ENGINE_RUN_ID: "mine" }
        yield* Effect.gen(function* () {
          const engine = yield* SimulationEngine.SimulationEngine
          assert.deepStrictEqual([engine.name, engine.runId], ["engine", "mine"])
          yield* engine.await
          assert.deepInclude(yield* engine.metrics, { ticks_produced: 3 })
          const metadata = yield* (yield* Simulation).metadata("mine", 0n)
          assert.strictEqual(metadata.initialSeed, 7n)
        }).pipe(
          Effect.provide(
            SimulationEngine.layerConfig({ name: "engine" }).pipe(
              Layer.provideMerge(World.layerConfig("engine")),
              Layer.provide(memory),
              Layer.provide(environment(env))
            )
          )
        )
      })
    )
  )

  it.effect("of the recovery service looks at the letters as often as the environment says", () =>
    watched(
      Effect.gen(function* () {
        yield* Effect.gen(function* () {
          const { metrics } = yield* RecoveryService.RecoveryService
          yield* settleDown
          yield* TestClock.adjust("25 seconds")
          yield* settleDown
          assert.strictEqual((yield* metrics).looks, 3)
        }).pipe(
          Effect.provide(
            RecoveryService.layerConfig().pipe(
              Layer.provide(memory),
              Layer.provide(environment({ TICKVAULT_RECOVERY_INTERVAL: "10s" }))
            )
          )
        )
      })
    )
  )

  it.effect("of the pipeline reads what the program reads without a file", () =>
    watched(
      Effect.gen(function* () {
        const folder = yield* temporary
        const env = {
          TICKVAULT_STORAGE_MAIN_ROOT_DIRECTORY: `${folder}/runs`,
          TICKVAULT_STORAGE_MAIN_COMPRESSION: "none",
          TICKVAULT_RAW_TICK_DATA_CAPACITY: "50",
          TICKVAULT_PERSISTENCE_1_MAX_BATCH_SIZE: "10"
        }
        yield* Effect.gen(function* () {
          const storage = yield* Storage.Storage
          assert.deepStrictEqual([storage.name, storage.location], ["storage-main", `${folder}/runs`])
          const letters = yield* DeadLetterQueue.DeadLetterQueue
          assert.deepStrictEqual([letters.name, letters.location], ["persistence-dlq", `${folder}/runs/.dead-letters`])
          yield* (yield* TickQueue.TickQueue).offerAll(TestTick.range("run", 1, 20))
          yield* (yield* Pipeline.Pipeline).drain
        }).pipe(Effect.provide(Pipeline.layerConfig({ instances: 1 }).pipe(Layer.provide(environment(env)))))
        const files = yield* FileSystem.FileSystem.use((fs) => fs.readDirectory(`${folder}/runs/run`))
        assert.deepStrictEqual(files.filter((file) => file.startsWith("batch_")).toSorted(), [
          "batch_0000000000000000001_0000000000000000010.pb",
          "batch_0000000000000000011_0000000000000000020.pb"
        ])
      })
    )
  )
})
