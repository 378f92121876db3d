// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PipelineConfig from "../../src/config/PipelineConfig.ts"
import * as EmbeddedPipeline from "../../src/kinds/EmbeddedPipeline.ts"
import * as PlannedSpace from "../../src/pipeline/PlannedSpace.ts"
import { good } from "../config/harness.ts"

const uncompressed = { TICKVAULT_STORAGE_MAIN_COMPRESSION: "none" }

const planned = Effect.fnUntraced(function* (env: Readonly<Record<string, string>> = {}, ticks?: number) {
  const overrides = PipelineConfig.overrides({ ticks })
  const { config } = yield* good({ env, overrides })
  return (yield* PlannedSpace.ofEngines(config)).get("storage-main")
})

describe("the space that a simulation is going to need", () => {
  it.effect("is that of its first tick, as often as it is captured", () =>
    Effect.gen(function* () {
      const one = (yield* planned(uncompressed, 1))?.bytes ?? 0
      assert.isAbove(one, 500)
      assert.strictEqual((yield* planned(uncompressed, 1000))?.bytes, 1000 * one)
      const sampled = yield* planned({ ...uncompressed, TICKVAULT_SIMULATION_ENGINE_SAMPLING_INTERVAL: "10" }, 1000)
      assert.deepStrictEqual(sampled, {
        bytes: 100 * one,
        basis: `100 ticks of the size of the first one, ${one} bytes; they may grow`
      })
    })
  )

  it.effect("is a tenth where it is compressed, as it is by default, and says so", () =>
    Effect.gen(function* () {
      const plain = yield* planned(uncompressed, 1000)
      const compressed = yield* planned({}, 1000)
      assert.strictEqual(compressed?.bytes, Math.ceil((plain?.bytes ?? 0) / 10))
      assert.strictEqual(compressed?.basis, `${plain?.basis}; compressed to a 10th of that or less`)
    })
  )

  it.effect("is unknown of a world that is too large to be made for this", () =>
    Effect.gen(function* () {
      const options = { shape: [512, 512], maxTicks: 10 }
      const { config } = yield* good({
        file: {
          name: "test",
          value: {
            pipeline: {
              resources: { store: { className: "FileStorage" }, queue: { className: "TickQueue" } },
              services: {
                engine: { className: "SimulationEngine", resources: { tickData: "queue-out:queue" }, options },
                writer: {
                  className: "PersistenceService",
                  resources: { input: "queue-in:queue", storage: "storage-write:store" }
                }
              },
              startupSequence: ["engine", "writer"]
            }
          }
        }
      })
      const large = (yield* PlannedSpace.ofEngines(config)).get("store")
      assert.deepStrictEqual(large, { bytes: undefined, basis: "the world of engine is large" })
    })
  )

  it.effect("of recorded ticks is that of each storage that takes from the queue", () =>
    Effect.gen(function* () {
      for (const [env, expected] of [
        [uncompressed, { bytes: 70, basis: "a test" }],
        [{}, { bytes: 7, basis: "a test; compressed to a 10th of that or less, unless its ticks don't compress" }]
      ] as const) {
        const { config } = yield* good({ env, pipeline: EmbeddedPipeline.document({ engine: false, instances: 2 }) })
        const input = PlannedSpace.ofInput(config, { bytes: 70, basis: "a test" })
        assert.deepStrictEqual([...input], [["storage-main", expected]])
      }
    })
  )
})
