// @module-tag integration
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NodeServices } from "@effect/platform-node"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as ConfigFile from "../../src/config/ConfigFile.ts"
import { described, engineOf, fixture, good, messages, persistenceOf, small, sourceOf, wrong } from "./harness.ts"

describe("the embedded pipeline", () => {
  it.effect("is what runs without a file", () =>
    Effect.gen(function* () {
      const { config, notes } = yield* good()
      assert.deepStrictEqual(config.startupSequence, ["simulation-engine", "persistence-1", "persistence-2"])
      assert.strictEqual(Duration.toMillis(config.shutdownTimeout), 20_000)
      assert.deepStrictEqual(
        Object.values(config.resources).map(({ kind, name }) => [name, kind]),
        [
          ["storage-main", "FileStorage"],
          ["raw-tick-data", "TickQueue"],
          ["persistence-dlq", "FileDeadLetterQueue"],
          ["persistence-idempotency", "IdempotencyTracker"]
        ]
      )
      const engine = yield* engineOf(config, "simulation-engine")
      assert.strictEqual(engine.options.maxTicks, 20_000)
      assert.deepStrictEqual(engine.resources, { tickData: "raw-tick-data", storage: "storage-main" })
      assert.deepStrictEqual(notes, [])
    })
  )

  it.effect("keeps dead letters beside the stored ticks", () =>
    Effect.gen(function* () {
      const resolved = yield* good()
      assert.strictEqual(
        sourceOf(resolved, "resources.persistence-dlq.options.directory"),
        "./data/.dead-letters from default"
      )
    })
  )
})

describe("a file", () => {
  it.effect("of the specification works unchanged", () =>
    Effect.gen(function* () {
      const resolved = yield* good({ file: yield* ConfigFile.read(fixture("production.conf")) })
      const { config } = resolved
      const first = yield* persistenceOf(config, "persistence-1")
      assert.strictEqual(first.options.maxBatchSize, 1000)
      assert.strictEqual(first.options.batchTimeoutSeconds, 5)
      assert.deepStrictEqual(first.resources, {
        input: "raw-tick-data",
        storage: "storage-main",
        dlq: "persistence-dlq",
        idempotencyTracker: "persistence-idempotency"
      })
      assert.strictEqual(sourceOf(resolved, "resources.persistence-idempotency.options.ttl")?.slice(0, 6), "1 hour")
      assert.strictEqual(config.resources["persistence-dlq"]?.kind, "InMemoryDeadLetterQueue")
      assert.deepStrictEqual(config.startupSequence, ["simulation-engine", "persistence-1", "persistence-2"])
      assert.deepStrictEqual(
        resolved.notes.map((note) => note.path),
        [
          "pipeline.resources.persistence-dlq",
          "pipeline.resources.persistence-idempotency.options.cleanupThresholdMessages",
          "pipeline.resources.persistence-idempotency.options.cleanupIntervalSeconds"
        ]
      )
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("means the same in HOCON, YAML and JSON, with and without the wrapper", () =>
    Effect.gen(function* () {
      const configs = yield* Effect.forEach(["conf", "yaml", "json"], (extension) =>
        Effect.flatMap(ConfigFile.read(fixture(`production.${extension}`)), (file) => good({ file }))
      )
      const [hocon, yaml, json] = configs.map((each) => described(each.config))
      assert.deepStrictEqual(yaml, hocon)
      assert.deepStrictEqual(json, hocon)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("replaces the embedded pipeline as a whole", () =>
    Effect.gen(function* () {
      const { config } = yield* good({ file: small() })
      assert.deepStrictEqual(Object.keys(config.resources), ["ticks", "store"])
      assert.deepStrictEqual(config.startupSequence, ["persist"])
    })
  )

  it.effect("reports every mistake with its path, what was found and what is allowed", () =>
    Effect.gen(function* () {
      const error = yield* wrong({ file: yield* ConfigFile.read(fixture("wrong.conf")) })
      const has = (text: string) =>
        assert.isTrue(
          messages(error).some((line) => line.startsWith(text)),
          `${text}\nis not in\n${error.message}`
        )
      const at = (section: string) => (text: string) => has(`pipeline.${section}${text}`)
      at("startupSequenc")(": unknown key `startupSequenc`: did you mean `startupSequence`?")
      at("shutdownTimeout")(': found "0s", must be a duration above zero, such as "5 seconds" or "500ms"')
      at("startupSequence")(': found "persistence-1", is named more than once')
      at("startupSequence[2]")(': found "persistence-3", is not a service: did you mean `persistence-1`?')
      at("startupSequence[3]")(': found "Dlq", is a resource, not a service')

      const resource = at("resources.")
      resource("raw-tick-data.options.capcity: unknown option `capcity`: did you mean `capacity`?")
      resource("raw-tick-data.options.maxBytes: found true, must be a whole number of 1 or more")
      resource('lost.className: found "TickQueu", is not a known class: did you mean `TickQueue`? (known: TickQueue, ')
      resource('Dlq: found "Dlq", a name is lower-case words and digits joined by "-"')
      resource("Dlq.options.capacity: unknown option `capacity`: DiscardDeadLetterQueue has no options")
      resource('persistence-idempotency.options.ttlSeconds: found "soon", must be a number of seconds above 0')

      const engine = at("services.simulation-engine.")
      engine('resources.tickData: found "queue-in:raw-tick-data", must be "queue-out:raw-tick-data"')
      engine("options.pauseTicks[2]: found 0, must be a tick number above 0")
      engine('options.shape: found "wide", must be ')
      engine("options.organisms: found 1.5, must be a whole number")
      engine("options.maxTicks: found 0, must be a whole number of 1 or more")

      const service = at("services.persistence-1.")
      service('resources.input: found "queue-in:raw-tick-dta", there is no resource `raw-tick-dta`: did you mean')
      service('resources.storage: found "storage-write:raw-tick-data", `raw-tick-data` is a queue, not a storage: ')
      service('resources.dlq: found "queue-in:Dlq", must be "queue-out:Dlq"')
      service('resources.idempotencyTracker: found "queue-out:persistence-idempotency", must be "persistence-idemp')
      service("options.maxBatchSzie: unknown option `maxBatchSzie`: did you mean `maxBatchSize`?")
      service("options.batchTimeoutSeconds: found 0, must be a number above 0")
      service("options.maxRetries: found -1, must be a whole number of 0 or more")
      service('options.maxRetryBackoff: found "5 parsecs", must be a duration above zero')
      service('options.mixedRuns: found "ignore", must be "dead-letter" or "split"')

      const twin = at("services.raw-tick-data")
      twin(': found "raw-tick-data", is the name of a resource too')
      twin(".option: unknown key `option`: did you mean `options`?")
      twin(".resources.input: found 5, must be ")
      twin(".resources.storage: found nothing, is required: must name a storage, but none is configured")
      assert.strictEqual(error.problems.length, 29, error.message)
      assert.match(error.message, /^29 problems in the configuration \(file .*wrong\.conf\):\n/u)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("reports what two options of the world say together", () =>
    Effect.gen(function* () {
      const engine = {
        className: "SimulationEngine",
        resources: { tickData: "queue-out:ticks" },
        options: { shape: [4, 4], organisms: 1000, samplingInterval: 0 }
      }
      const error = yield* wrong({ file: small({ services: { engine } }) })
      assert.deepStrictEqual(messages(error), [
        "pipeline.services.engine.options.samplingInterval: found 0, must be a whole number of 1 or more",
        "pipeline.services.engine.options.organisms: found 1000, must be at most 2 in a world of 16 cells"
      ])
    })
  )

  it.effect("takes numbers that are written as text, and no booleans", () =>
    Effect.gen(function* () {
      const { config } = yield* good({ file: small({ options: { maxBatchSize: " 12 ", batchTimeoutSeconds: "0.5" } }) })
      const service = yield* persistenceOf(config, "persist")
      assert.strictEqual(service.options.maxBatchSize, 12)
      assert.strictEqual(service.options.batchTimeoutSeconds, 0.5)
      for (const value of [true, "0x10", "1_000", "", "ten", null, [1], "1e999"]) {
        yield* wrong({ file: small({ options: { maxBatchSize: value } }) })
      }
    })
  )

  it.effect("takes durations as HOCON writes them", () =>
    Effect.gen(function* () {
      for (const [written, millis] of [
        ["5 seconds", 5000],
        ["5s", 5000],
        ["500ms", 500],
        ["1 hour", 3_600_000],
        ["2m", 120_000],
        ["1.5 minutes", 90_000]
      ] as const) {
        const { config } = yield* good({ file: small({ rest: { shutdownTimeout: written } }) })
        assert.strictEqual(Duration.toMillis(config.shutdownTimeout), millis, written)
      }
      for (const written of ["5", 5, "-1s", "5 lightyears", true, "infinity"]) {
        yield* wrong({ file: small({ rest: { shutdownTimeout: written } }) })
      }
    })
  )

  it.effect("refuses one option under two names", () =>
    Effect.gen(function* () {
      const seen = { className: "IdempotencyTracker", options: { ttl: "1 hour", ttlSeconds: 60 } }
      const error = yield* wrong({ file: small({ resources: { seen } }) })
      assert.deepStrictEqual(messages(error), [
        "pipeline.resources.seen.options.ttlSeconds: sets the same option as `ttl`: keep one of them"
      ])
    })
  )

  it.effect("is told the option that was meant, when the misspelling is near to one", () =>
    Effect.gen(function* () {
      const options = { tlt: 1, mxaKeys: 1, maximum: 1 }
      const error = yield* wrong({ file: small({ resources: { seen: { className: "IdempotencyTracker", options } } }) })
      const path = "pipeline.resources.seen.options"
      assert.deepStrictEqual(messages(error), [
        `${path}.tlt: unknown option \`tlt\`: did you mean \`ttl\`?`,
        `${path}.mxaKeys: unknown option \`mxaKeys\`: did you mean \`maxKeys\`?`,
        `${path}.maximum: unknown option \`maximum\`: ` +
          "known: memory, ttl, maxKeys, maxRanges, ttlSeconds, cleanupThresholdMessages, cleanupIntervalSeconds"
      ])
    })
  )

  it.effect("may leave sections empty", () =>
    Effect.gen(function* () {
      const { config } = yield* good({
        file: small({ resources: { seen: { className: "IdempotencyTracker", options: null } } })
      })
      assert.strictEqual(config.resources["seen"]?.kind, "IdempotencyTracker")
    })
  )

  it.effect("is refused when it isn't a section or runs nothing", () =>
    Effect.gen(function* () {
      for (const value of [[], "text", 5, { pipeline: [] }, { pipeline: {} }, { resources: {} }, { services: [] }]) {
        yield* wrong({ file: { name: "x.json", value } })
      }
    })
  )

  it.effect("may have other sections beside the wrapper, which are not read", () =>
    Effect.gen(function* () {
      const resolved = yield* good({ file: { name: "x.conf", value: { pipeline: small().value, node: { port: 1 } } } })
      assert.deepInclude(resolved.notes, { path: "node", message: "is outside of `pipeline`: it is not read" })
      const error = yield* wrong({ file: { name: "x.conf", value: { pipeline: small().value, startupSequence: [] } } })
      assert.include(error.message, "belongs inside `pipeline`")
    })
  )

  it.effect("can't reach a prototype with its names", () =>
    Effect.gen(function* () {
      const parse = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))
      for (const text of [
        '{"resources": {"__proto__": {"className": "TickQueue"}}, "services": {}}',
        '{"__proto__": {"services": {}}}',
        '{"resources": {"constructor": {"className": "constructor"}}}',
        '{"resources": {"q": {"className": "TickQueue", "options": {"__proto__": {"capacity": 5}}}}}',
        '{"services": {"p": {"className": "PersistenceService", "resources": {"__proto__": "x", "toString": "y"}}}}'
      ]) {
        const error = yield* wrong({ file: { name: "x.json", value: yield* parse(text) } })
        assert.match(error.message, /__proto__|constructor/u)
      }
      assert.notProperty({}, "capacity")
    })
  )
})
