// @module-tag unit
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as PersistenceService from "../../src/persistence/PersistenceService.ts"
import * as LogWatch from "../../src/testing/LogWatch.ts"
import * as TestPipeline from "../../src/testing/TestPipeline.ts"

type Options = typeof PersistenceService.Options.Encoded

it.effect("has the defaults of the specification", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* Schema.decodeEffect(PersistenceService.Options)({}), {
      maxBatchSize: 1000,
      maxBatchBytes: 67_108_864,
      batchTimeoutSeconds: 5,
      maxRetries: 3,
      retryBackoffMs: 1000,
      maxRetryBackoff: Duration.seconds(30),
      writeTimeout: Duration.seconds(30),
      retryJitter: "none",
      mixedRuns: "dead-letter",
      shutdownTimeout: Duration.seconds(20)
    })
  })
)

const wrong: ReadonlyArray<readonly [keyof Options, unknown]> = [
  ["maxBatchSize", 0],
  ["maxBatchSize", -1],
  ["maxBatchSize", 1.5],
  ["maxBatchBytes", 0],
  ["batchTimeoutSeconds", 0],
  ["batchTimeoutSeconds", -5],
  ["batchTimeoutSeconds", Number.NaN],
  ["batchTimeoutSeconds", Number.POSITIVE_INFINITY],
  ["maxRetries", -1],
  ["maxRetries", 0.5],
  ["retryBackoffMs", -1],
  ["maxRetryBackoff", "0 seconds"],
  ["maxRetryBackoff", "Infinity"],
  ["maxRetryBackoff", "soon"],
  ["writeTimeout", "0 seconds"],
  ["writeTimeout", "Infinity"],
  ["retryJitter", "some"],
  ["mixedRuns", "drop"],
  ["shutdownTimeout", "0 millis"],
  ["shutdownTimeout", "-1 seconds"]
]

it.effect.each(wrong)("refuses %s = %s by its name, and starts nothing", ([option, value]) =>
  Effect.gen(function* () {
    const persistence = { [option]: value } as Options
    const error = yield* Effect.flip(Effect.provide(Effect.void, TestPipeline.layer({ persistence })))
    assert.strictEqual(error._tag, "SchemaError")
    assert.include(error.message, option)
  }).pipe(Effect.provide(LogWatch.layer()))
)

it.effect("names all wrong options at once", () =>
  Effect.gen(function* () {
    const persistence = { maxBatchSize: 0, maxRetries: -1, batchTimeoutSeconds: 0 }
    const error = yield* Effect.flip(Effect.provide(Effect.void, TestPipeline.layer({ persistence })))
    for (const option of ["maxBatchSize", "maxRetries", "batchTimeoutSeconds"]) assert.include(error.message, option)
  }).pipe(Effect.provide(LogWatch.layer()))
)

it.effect("accepts each option at its bound", () =>
  Effect.gen(function* () {
    const persistence: Options = {
      maxBatchSize: 1,
      maxBatchBytes: 1,
      batchTimeoutSeconds: 0.001,
      maxRetries: 0,
      retryBackoffMs: 0,
      maxRetryBackoff: "1 millis",
      writeTimeout: "1 millis",
      shutdownTimeout: "1 millis"
    }
    yield* LogWatch.expect("Info", "PersistenceService initialized", { times: 2 })
    yield* LogWatch.expect("Info", "Service started", { times: 2 })
    yield* LogWatch.expect("Info", "Service stopped", { times: 2 })
    yield* Effect.provide(
      Effect.gen(function* () {
        const { instances } = yield* PersistenceService.PersistenceService
        assert.deepStrictEqual([...instances.keys()], ["a", "b"])
        for (const { state } of instances.values()) assert.strictEqual(yield* state, "RUNNING")
      }),
      Layer.provide(PersistenceService.layer(persistence, ["a", "b"]), TestPipeline.layer({ instances: 0 }))
    )
  }).pipe(Effect.provide(LogWatch.layer()))
)
