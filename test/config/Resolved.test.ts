// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ConfigReport from "../../src/cli/ConfigReport.ts"
import * as PersistenceService from "../../src/persistence/PersistenceService.ts"
import * as SimulationEngine from "../../src/simulation/SimulationEngine.ts"
import * as World from "../../src/simulation/World.ts"
import { engineOf, good, messages, persistenceOf, resolve, small, wrong } from "./harness.ts"

describe("the wiring", () => {
  it.effect("gives the engine the storage of its ticks unless it has its own", () =>
    Effect.gen(function* () {
      const engine = { className: "SimulationEngine", resources: { tickData: "queue-out:ticks" } }
      const { config } = yield* good({ file: small({ services: { engine } }) })
      const service = yield* engineOf(config, "engine")
      assert.strictEqual(service.resources.storage, "store")
    })
  )

  it.effect("asks for the engine's storage when its ticks go to several", () =>
    Effect.gen(function* () {
      const engine = { className: "SimulationEngine", resources: { tickData: "queue-out:ticks" } }
      const second = {
        className: "PersistenceService",
        resources: { input: "queue-in:ticks", storage: "storage-write:other" }
      }
      const error = yield* wrong({
        file: small({ services: { engine, second }, resources: { other: { className: "InMemoryStorage" } } })
      })
      assert.deepStrictEqual(messages(error), [
        "pipeline.services.engine.resources.storage: found nothing, its ticks are stored in several places: " +
          'say where the metadata goes, "storage-write:store" or "storage-write:other"'
      ])
    })
  )

  it.effect("refuses a directory of letters that something else uses", () =>
    Effect.gen(function* () {
      const letters = { className: "FileDeadLetterQueue", options: { directory: "data/" } }
      const error = yield* wrong({ file: small({ resources: { files: { className: "FileStorage" }, letters } }) })
      assert.include(error.message, "is the directory of `files` too")
    })
  )

  it.effect("notes what loses ticks, what is never started and what nothing uses", () =>
    Effect.gen(function* () {
      const resolved = yield* good({
        file: small({
          resources: { spare: { className: "DiscardDeadLetterQueue" } },
          rest: { startupSequence: [], shutdownTimeout: "10s" }
        })
      })
      assert.deepStrictEqual(
        resolved.notes.map(({ message, path }) => `${path}: ${message}`),
        [
          "pipeline.resources.store: ticks are kept in memory: they are gone when the process ends",
          "pipeline.resources.spare: letters are discarded: A BATCH THAT CAN'T BE STORED IS LOST",
          "pipeline.resources.spare: no service uses it",
          "pipeline.services.persist: is not in startupSequence: it is not started automatically",
          "pipeline.services.persist.resources.dlq: has no dead-letter queue: A BATCH THAT CAN'T BE STORED IS LOST",
          "pipeline.services.persist.options.shutdownTimeout: is cut short by the pipeline's own shutdownTimeout of 10 seconds"
        ]
      )
    })
  )
})

describe("what is resolved", () => {
  it.effect("is given decoded, as the modules take it", () =>
    Effect.gen(function* () {
      const { config } = yield* good()
      const engine = yield* engineOf(config, "simulation-engine")
      const persistence = yield* persistenceOf(config, "persistence-1")
      const [ofEngine, ofWorld] = [SimulationEngine.Options, World.Options]
      assert.deepStrictEqual(
        { ...(yield* Schema.decodeEffect(ofEngine)(engine.options)), ...(yield* Schema.decodeEffect(ofWorld)({})) },
        engine.options
      )
      assert.deepStrictEqual(
        yield* Schema.decodeEffect(PersistenceService.Options)(persistence.options),
        persistence.options
      )
      assert.deepStrictEqual(yield* Schema.decodeEffect(World.Options)({}), engine.settings.world)
    })
  )

  it.effect("is shown in aligned columns, every option with its source", () =>
    Effect.gen(function* () {
      const resolved = yield* good({ file: small(), env: { TICKVAULT_TICKS_CAPACITY: "5" } })
      const lines = ConfigReport.show(resolved).split("\n")
      assert.strictEqual(lines.length, resolved.values.length)
      const starts = new Set(lines.map((line) => line.search(/(?:default|file small\.json|environment \S+)$/u)))
      assert.strictEqual(starts.size, 1)
      assert.isTrue(
        lines.some((line) => /\.ticks\.options\.capacity +5 +environment TICKVAULT_TICKS_CAPACITY$/u.test(line))
      )
      assert.isTrue(lines.some((line) => /\.persist\.resources\.dlq +not set +default$/u.test(line)))
    })
  )

  it.effect("shows durations and lists in the words a configuration takes", () =>
    Effect.gen(function* () {
      const engine = {
        className: "SimulationEngine",
        resources: { tickData: "queue-out:ticks" },
        options: { shape: [8, 8] }
      }
      const resolved = yield* good({
        file: small({ services: { engine }, options: { maxRetryBackoff: "1500ms", shutdownTimeout: "60s" } })
      })
      const value = (path: string) => resolved.values.find((each) => each.path === `pipeline.services.${path}`)?.value
      assert.strictEqual(value("persist.options.maxRetryBackoff"), "1500 millis")
      assert.strictEqual(value("persist.options.shutdownTimeout"), "1 minute")
      assert.strictEqual(value("engine.options.shape"), "[8, 8]")
    })
  )

  it.effect("is summed up with its notes by check", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        ConfigReport.check(yield* good()),
        "configuration is good: 4 resources, 3 services\nstarts: simulation-engine, persistence-1, persistence-2"
      )
      const lossy = ConfigReport.check(yield* good({ file: small() }))
      assert.match(lossy, /^note: pipeline\.services\.persist\.resources\.dlq +has no dead-letter queue: A BATCH/mu)
    })
  )

  it("is a Result: nothing has to run to check a configuration", () => {
    assert.isTrue(Result.isSuccess(resolve()))
    assert.isTrue(Result.isFailure(resolve({ env: { TICKVAULT_X: "1" } })))
  })
})
