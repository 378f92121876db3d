// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ConfigProvider from "effect/ConfigProvider"
import * as PipelineConfig from "../../src/config/PipelineConfig.ts"
import { good, messages, small, sourceOf, wrong } from "./harness.ts"

/** An option of the storage with its source. */
const ofStorage = (env: Readonly<Record<string, string>>, option: string) =>
  Effect.map(good({ env }), (resolved) => sourceOf(resolved, `resources.storage-main.options.${option}`))

describe("the environment", () => {
  it.effect("overrides the file, and the command line overrides both", () =>
    Effect.gen(function* () {
      const engine = { className: "SimulationEngine", resources: { tickData: "queue-out:ticks" }, options: { seed: 1 } }
      const file = small({ services: { engine }, options: { maxRetries: 1 } })
      const env = { TICKVAULT_PERSIST_MAX_RETRIES: "7", TICKVAULT_ENGINE_SEED: "2", TICKVAULT_SHUTDOWN_TIMEOUT: "30s" }
      const resolved = yield* good({ file, env, overrides: PipelineConfig.overrides({ seed: 3 }) })
      const of = (path: string) => sourceOf(resolved, path)
      assert.strictEqual(of("services.persist.options.maxRetries"), "7 from environment TICKVAULT_PERSIST_MAX_RETRIES")
      assert.strictEqual(of("services.persist.options.maxBatchSize"), "1000 from default")
      assert.strictEqual(of("services.engine.options.seed"), "3 from command line --seed")
      assert.strictEqual(of("services.engine.className"), "SimulationEngine from file small.json")
      assert.strictEqual(of("shutdownTimeout"), "30 seconds from environment TICKVAULT_SHUTDOWN_TIMEOUT")
    })
  )

  it.effect("names components and options in constant case", () =>
    Effect.gen(function* () {
      const env = {
        TICKVAULT_PERSISTENCE_1_MAX_BATCH_SIZE: "10",
        TICKVAULT_STORAGE_MAIN_ROOT_DIRECTORY: "/srv/ticks",
        TICKVAULT_PERSISTENCE_IDEMPOTENCY_TTL_SECONDS: "60",
        TICKVAULT_LOG_LEVEL: "Debug",
        TICKVAULT_RAW_TICK_DATA_CAPACITY: "",
        HOME: "/home/x"
      }
      const resolved = yield* good({ env })
      const of = (path: string) => sourceOf(resolved, path)
      assert.include(of("services.persistence-1.options.maxBatchSize"), "10 from")
      assert.include(of("resources.storage-main.options.rootDirectory"), "/srv/ticks from")
      assert.include(of("resources.persistence-dlq.options.directory"), "/srv/ticks/.dead-letters from")
      assert.include(of("resources.persistence-idempotency.options.ttl"), "1 minute from")
      assert.strictEqual(of("resources.raw-tick-data.options.capacity"), "10000 from default")
    })
  )

  it.effect("says how a storage compresses, within the bounds of zstd", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* ofStorage({}, "compression"), "zstd from default")
      assert.strictEqual(yield* ofStorage({}, "compressionLevel"), "1 from default")
      const env = { TICKVAULT_STORAGE_MAIN_COMPRESSION: "none", TICKVAULT_STORAGE_MAIN_COMPRESSION_LEVEL: "22" }
      assert.include(yield* ofStorage(env, "compression"), "none from environment")
      assert.include(yield* ofStorage(env, "compressionLevel"), "22 from environment")
      for (const level of ["0", "23", "1.5", "fast"]) {
        const found = messages(yield* wrong({ env: { TICKVAULT_STORAGE_MAIN_COMPRESSION_LEVEL: level } }))
        assert.include(found.join("\n"), "must be a whole number from 1 to 22")
      }
      const found = messages(yield* wrong({ env: { TICKVAULT_STORAGE_MAIN_COMPRESSION: "gzip" } }))
      assert.include(found.join("\n"), 'must be "none" or "zstd"')
    })
  )

  it.effect("may name only options that exist and aren't lists", () =>
    Effect.gen(function* () {
      const env = {
        TICKVAULT_PERSISTENCE_1_MAX_BATCH_SZIE: "10",
        TICKVAULT_SIMULATION_ENGINE_SHAPE: "8,8",
        TICKVAULT_LOG_LEVLE: "x",
        TICKVAULT_WHATEVER: "x",
        TICKVAULT_PERSISTENCE_2_MAX_RETRIES: "many"
      }
      assert.deepStrictEqual(messages(yield* wrong({ env })), [
        'TICKVAULT_LOG_LEVLE: found "x", names no option of this configuration: did you mean TICKVAULT_LOG_LEVEL?',
        'TICKVAULT_PERSISTENCE_1_MAX_BATCH_SZIE: found "10", names no option of this configuration: ' +
          "did you mean TICKVAULT_PERSISTENCE_1_MAX_BATCH_SIZE?",
        'TICKVAULT_SIMULATION_ENGINE_SHAPE: found "8,8", is a list: set it in the configuration file',
        'TICKVAULT_WHATEVER: found "x", names no option of this configuration: it is TICKVAULT_<COMPONENT>_<OPTION>',
        'pipeline.services.persistence-2.options.maxRetries: found "many", must be a whole number of 0 or more ' +
          "(environment TICKVAULT_PERSISTENCE_2_MAX_RETRIES)"
      ])
    })
  )

  it.effect("is found in the current ConfigProvider", () =>
    Effect.gen(function* () {
      const env = { TICKVAULT_PERSISTENCE_1_MAX_RETRIES: "1", TICKVAULT_A_7_TTL: "x", TICKVAULT: "y", OTHER: "z" }
      const found = yield* PipelineConfig.environment.pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
      )
      assert.deepStrictEqual(found, {
        TICKVAULT: "y",
        TICKVAULT_PERSISTENCE_1_MAX_RETRIES: "1",
        TICKVAULT_A_7_TTL: "x"
      })
    })
  )

  it.effect("must have one meaning", () =>
    Effect.gen(function* () {
      const file = small({
        resources: {
          files: { className: "FileStorage" },
          "files-root": { className: "FileDeadLetterQueue", options: { directory: "/letters" } }
        }
      })
      const { config } = yield* good({ file })
      assert.strictEqual(config.resources["files"]?.kind, "FileStorage")
      assert.deepStrictEqual(messages(yield* wrong({ file, env: { TICKVAULT_FILES_ROOT_DIRECTORY: "/x" } })), [
        'TICKVAULT_FILES_ROOT_DIRECTORY: found "/x", can mean pipeline.resources.files.options.rootDirectory and ' +
          "pipeline.resources.files-root.options.directory: rename one of the two components"
      ])
    })
  )

  it.effect("isn't blamed for options of a component that can't be read", () =>
    Effect.gen(function* () {
      const env = { TICKVAULT_ODD_CAPACITY: "5" }
      const error = yield* wrong({ file: small({ resources: { odd: { className: "Odd" } } }), env })
      assert.deepStrictEqual(
        error.problems.map((problem) => problem.path),
        ["pipeline.resources.odd.className"]
      )
    })
  )
})

describe("the command line", () => {
  it.effect("moves every file storage, and the letters that have no directory of their own", () =>
    Effect.gen(function* () {
      const overrides = PipelineConfig.overrides({ data: "/mnt/x/", ticks: 9 })
      const embedded = yield* good({ overrides })
      assert.strictEqual(
        sourceOf(embedded, "resources.storage-main.options.rootDirectory"),
        "/mnt/x/ from command line --data"
      )
      assert.strictEqual(
        sourceOf(embedded, "resources.persistence-dlq.options.directory"),
        "/mnt/x/.dead-letters from command line --data"
      )
      assert.strictEqual(
        sourceOf(embedded, "services.simulation-engine.options.maxTicks"),
        "9 from command line --ticks"
      )

      const own = yield* good({ overrides, env: { TICKVAULT_PERSISTENCE_DLQ_DIRECTORY: "/letters" } })
      assert.include(sourceOf(own, "resources.persistence-dlq.options.directory"), "/letters from environment")
    })
  )

  it.effect("is refused where it meets nothing, or sets what isn't allowed", () =>
    Effect.gen(function* () {
      const overrides = PipelineConfig.overrides({ data: "/x", seed: 1 })
      assert.deepStrictEqual(messages(yield* wrong({ file: small(), overrides })), [
        '--data: found "/x", sets `rootDirectory`, but there is no FileStorage in this configuration',
        "--seed: found 1, sets `seed`, but there is no SimulationEngine in this configuration"
      ])
      const zero = yield* wrong({ overrides: PipelineConfig.overrides({ ticks: 0 }) })
      assert.include(zero.message, "found 0, must be a whole number of 1 or more (command line --ticks)")
    })
  )
})
