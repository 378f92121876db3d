// @module-tag unit
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RecoveryServiceKind from "../../src/kinds/RecoveryServiceKind.ts"
import { good, messages, small, sourceOf, wrong } from "./harness.ts"

const resources = {
  letters: { className: "InMemoryDeadLetterQueue" },
  other: { className: "InMemoryStorage" },
  seen: { className: "IdempotencyTracker" }
}

/** A pipeline with a service that replays; `ports` and `options` are that service's. */
const withRecovery = (ports: object, options: object = {}, rest: object = {}) =>
  small({
    resources,
    ports: { dlq: "queue-out:letters", idempotencyTracker: "seen" },
    services: { recovery: { className: "org.example.RecoveryService", resources: ports, options } },
    rest
  })

const connected = { dlq: "queue-in:letters", storage: "storage-write:store" }

describe("a recovery service in a configuration", () => {
  it.effect("is connected to letters, a storage and a tracker, and starts with the others", () =>
    Effect.gen(function* () {
      const file = withRecovery({ ...connected, idempotencyTracker: "seen" }, { interval: "10s", maxInterval: "5m" })
      const resolved = yield* good({ file })
      const { recovery } = resolved.config.services
      assert(RecoveryServiceKind.kind.is(recovery))
      assert.deepStrictEqual(recovery.resources, { dlq: "letters", storage: "store", idempotencyTracker: "seen" })
      assert.strictEqual(Duration.toSeconds(recovery.options.interval), 10)
      assert.strictEqual(Duration.toMinutes(recovery.options.maxInterval), 5)
      assert.strictEqual(recovery.options.maxRetries, 0)
      assert.deepStrictEqual(resolved.config.startupSequence, ["persist", "recovery"])
      assert.strictEqual(sourceOf(resolved, "services.recovery.resources.dlq"), "queue-in:letters from file small.json")
      assert.isUndefined(resolved.notes.find(({ path }) => path.includes("recovery")))
    })
  )

  it.effect("is not there unless it is configured", () =>
    Effect.gen(function* () {
      const { config } = yield* good()
      assert.notInclude(
        Object.values(config.services).map(({ kind }) => kind),
        "RecoveryService"
      )
    })
  )

  it.effect("looks once a minute and waits an hour at most, and takes variables like any other", () =>
    Effect.gen(function* () {
      const env = { TICKVAULT_RECOVERY_MAX_INTERVAL: "2 hours" }
      const { config } = yield* good({ file: withRecovery(connected), env })
      const { recovery } = config.services
      assert(RecoveryServiceKind.kind.is(recovery))
      assert.strictEqual(Duration.toMinutes(recovery.options.interval), 1)
      assert.strictEqual(Duration.toHours(recovery.options.maxInterval), 2)
    })
  )

  it.effect("names every wrong usage and option", () =>
    Effect.gen(function* () {
      const ports = { dlq: "queue-out:letters", storage: "store", idempotencyTracker: "queue-in:seen", input: "ticks" }
      const error = yield* wrong({ file: withRecovery(ports, { interval: "0 seconds", intervall: "1 minute" }) })
      const lines = messages(error).join("\n")
      const path = String.raw`pipeline\.services\.recovery`
      for (const pattern of [
        String.raw`${path}\.resources\.dlq.*must be "queue-in:letters"`,
        String.raw`${path}\.resources\.storage.*must be "storage-write:store"`,
        String.raw`${path}\.resources\.idempotencyTracker.*must be "seen"`,
        String.raw`${path}\.resources\.input.*unknown resource`,
        String.raw`${path}\.options\.interval.*duration above zero`,
        String.raw`${path}\.options\.intervall.*interval`
      ]) {
        assert.match(lines, new RegExp(pattern, "u"))
      }
    })
  )

  it.effect("is refused without letters or a storage, or with a resource of the wrong kind", () =>
    Effect.gen(function* () {
      const nothing = messages(yield* wrong({ file: withRecovery({}) })).join("\n")
      assert.match(nothing, /recovery\.resources\.dlq.*is required: must be "queue-in:letters"/u)
      assert.match(nothing, /recovery\.resources\.storage.*is required/u)
      const mixed = yield* wrong({ file: withRecovery({ dlq: "queue-in:ticks", storage: "storage-write:letters" }) })
      assert.match(messages(mixed).join("\n"), /`ticks` is a queue, not a dead-letter queue/u)
      assert.match(messages(mixed).join("\n"), /`letters` is a dead-letter queue, not a storage/u)
    })
  )

  it.effect("is noted when it stores elsewhere than the services whose letters it replays", () =>
    Effect.gen(function* () {
      const { notes } = yield* good({ file: withRecovery({ ...connected, storage: "storage-write:other" }) })
      assert.match(
        notes.find(({ path }) => path.includes("recovery"))?.message ?? "",
        /were meant for store: they are stored here/u
      )
    })
  )
})
