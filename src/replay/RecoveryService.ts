/**
 * A service that replays dead letters whose reason may pass.
 *
 * Once each interval it looks at the dead-letter queue and replays letters, oldest first. A letter that fails again
 * waits twice as long each time, up to a limit. Operators may replay or drop letters meanwhile. The service may be
 * stopped during a replay: the letter is then unchanged, or done, or can be replayed again.
 *
 * A look is abandoned after `writeTimeout`, a replay after four times that long, with a log line at WARN. So a call
 * that hangs in the file system does not keep other letters waiting. A letter whose replay still hangs is not replayed
 * again.
 *
 * Letters that a later replay can't store (an invalid tick, two ticks with one number, a defect) are left to the
 * operator, who shows, replays and drops them with `tickvault dlq`.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as RecoveryService from "tickvault/replay/RecoveryService"
 *
 * // Looks every ten seconds while the scope is open.
 * export const program = Effect.gen(function* () {
 *   const recovery = yield* RecoveryService.make("recovery", { interval: "10 seconds" })
 *   yield* recovery.start
 *   return recovery
 * })
 * ```
 */
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Compression } from "../batch/Compression.ts"
import type { Reason } from "../deadletter/DeadLetter.ts"
import { DeadLetterError, type DeadLetterQueue, LetterTimedOut } from "../deadletter/DeadLetterQueue.ts"
import * as OptionConfig from "../domain/OptionConfig.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import type { IdempotencyTracker } from "../idempotency/IdempotencyTracker.ts"
import type { RunLedger } from "../ledger/RunLedger.ts"
import * as WriteOptions from "../persistence/WriteOptions.ts"
import type { Overdue } from "../service/Attempts.ts"
import * as Service from "../service/Service.ts"
import type { Storage } from "../storage/Storage.ts"
import * as Letter from "./internal/letter.ts"
import * as Parts from "./internal/Parts.ts"
import * as TimeLimits from "./internal/TimeLimits.ts"
import { type TurnResult, Turns } from "./internal/Turns.ts"
import type { Replayed } from "./Replayed.ts"

const { maxRetryBackoff, retryBackoffMs, retryJitter, writeTimeout } = WriteOptions.Options.fields

/** Settings of a service that replays dead letters. */
export const Options = Schema.Struct({
  /** Pause between two looks at the queue, and the wait of a letter that has failed once. Default "1 minute". */
  interval: OptionSchema.duration(Duration.minutes(1)),
  /** The longest wait of a letter that fails repeatedly. Default "1 hour". */
  maxInterval: OptionSchema.duration(Duration.hours(1)),
  /** Attempts after the first one within one replay. Default 0: the next replay is the next attempt. */
  maxRetries: OptionSchema.wholeNumber(0, 0),
  retryBackoffMs,
  maxRetryBackoff,
  retryJitter,
  writeTimeout
})

/** The counters of a service since it was made, restarts included. */
export interface Metrics {
  /** Looks at the queue. */
  readonly looks: number
  /** Letters that are gone because all of their ticks are stored. */
  readonly letters_replayed: number
  /** Replays after which the letter, or a part of it, was still there. */
  readonly replays_failed: number
  readonly ticks_stored: number
  readonly ticks_duplicate: number
  /** Letters that wait for their next replay, at the last look. */
  readonly letters_waiting: number
  /** Letters that are left to the operator, at the last look. */
  readonly letters_left: number
}

/** A running or stopped service and its counters. */
export interface Instance extends Service.Service {
  readonly metrics: Effect.Effect<Metrics & Readonly<Record<string, number>>>
}

/** Whether a later replay may succeed. */
export const mayPass = (reason: Reason): boolean => reason === "storage"

/** Shared by the steps of a service. */
interface Recovery {
  readonly options: typeof Options.Type
  readonly parts: Parts.Parts
  readonly limits: TimeLimits.TimeLimits
  readonly counts: Record<keyof Metrics, number>
}

const timedOut = ({ parts }: Recovery, { code }: Overdue) =>
  new DeadLetterError({ queue: parts.deadLetters.name, reason: new LetterTimedOut({ code }) })

const count = ({ counts }: Recovery, { duplicate, remaining, stored }: Replayed): TurnResult => {
  counts[remaining === 0 ? "letters_replayed" : "replays_failed"]++
  counts.ticks_stored += stored
  counts.ticks_duplicate += duplicate
  return remaining === 0 ? "gone" : "failed"
}

const failed = ({ counts }: Recovery, id: string, error: string): Effect.Effect<TurnResult> =>
  Effect.suspend(() => {
    counts.replays_failed++
    return Effect.logWarning("Dead letter could not be replayed and waits for its next turn").pipe(
      Effect.annotateLogs({ letter: id, error }),
      Effect.as("failed" as const)
    )
  })

const leaveDamaged = (error: string): Effect.Effect<TurnResult> =>
  Effect.logWarning("Dead letter is damaged and left alone").pipe(
    Effect.annotateLogs({ error }),
    Effect.as("left" as const)
  )

/** Replays a letter at its turn. Another process may have removed it since the look began. */
const takeTurn = (recovery: Recovery, id: string): Effect.Effect<TurnResult> => {
  const { limits, parts } = recovery
  const replayed = Effect.gen(function* () {
    const { reason } = yield* parts.deadLetters.get(id)
    return mayPass(reason) ? count(recovery, yield* Letter.replay(parts, id)) : ("left" as const)
  })
  return limits.replay(id, replayed).pipe(
    Effect.catchReason("DeadLetterError", "LetterMissing", () => Effect.succeed("gone" as const)),
    Effect.catchReason("DeadLetterError", "LetterDamaged", ({ message }) => leaveDamaged(message)),
    Effect.catchTag("Overdue", (overdue) => failed(recovery, id, timedOut(recovery, overdue).message)),
    Effect.catch(({ message }) => failed(recovery, id, message)),
    Effect.catchDefect((defect) => failed(recovery, id, String(defect)))
  )
}

/** Looks at the queue and replays the letters whose turn it is, one after the other. */
const look = Effect.fn("RecoveryService.look")(function* (recovery: Recovery, turns: Turns, gate: Service.PauseGate) {
  const { counts, limits, parts } = recovery
  counts.looks++
  const startMs = yield* Clock.currentTimeMillis
  const ids = yield* limits
    .look(Stream.runCollect(parts.deadLetters.ids))
    .pipe(Effect.catchTag("Overdue", (overdue) => Effect.fail(timedOut(recovery, overdue))))
  turns.retain(ids)
  for (const id of ids) {
    if (!turns.isDue(id, startMs)) continue
    yield* gate.open
    // The wait begins with the look, not when earlier letters are done.
    turns.note(id, yield* takeTurn(recovery, id), startMs)
  }
  counts.letters_waiting = turns.waiting
  counts.letters_left = turns.left
})

/** The work of the service from a start to its stop. Turns are not kept for the next start. */
const work = (recovery: Recovery) => (gate: Service.PauseGate) =>
  Effect.suspend(() => {
    const { interval, maxInterval } = recovery.options
    const turns = new Turns(Duration.toMillis(interval), Duration.toMillis(maxInterval))
    return gate.open.pipe(
      Effect.andThen(look(recovery, turns, gate)),
      Effect.catch(({ message }) =>
        Effect.logWarning("Dead letters can't be looked at, trying again").pipe(Effect.annotateLogs({ error: message }))
      ),
      Effect.andThen(Effect.sleep(interval)),
      Effect.forever
    )
  })

/** Like `make`, with decoded options. */
export const makeWith = Effect.fnUntraced(function* (name: string, options: typeof Options.Type) {
  const recovery: Recovery = {
    options,
    parts: yield* Parts.make(name, options),
    limits: yield* TimeLimits.make(options.writeTimeout),
    counts: {
      looks: 0,
      letters_replayed: 0,
      replays_failed: 0,
      ticks_stored: 0,
      ticks_duplicate: 0,
      letters_waiting: 0,
      letters_left: 0
    }
  }
  const metrics = Effect.sync((): Metrics & Readonly<Record<string, number>> => ({ ...recovery.counts }))
  const service = yield* Service.make(name, { work: work(recovery), metrics })
  const instance: Instance = { ...service, metrics }
  return instance
})

/**
 * Makes the service `name`, stopped, on the dead-letter queue, storage, compression, ledger and tracker of its context:
 * share those of the persistence services. Closing the scope stops it like `stop` does. Fails with `SchemaError` on a
 * bad option.
 */
export const make = (name: string, options: typeof Options.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) => makeWith(name, decoded))

/** The recovery service of an app, running while the layer lives. */
export class RecoveryService extends Context.Service<RecoveryService, Instance>()("tickvault/replay/RecoveryService") {}

type Dependencies = DeadLetterQueue | Storage | Compression | RunLedger | IdempotencyTracker

/** The options of the recovery service's layer. */
export type LayerOptions = typeof Options.Encoded & {
  /** Name of the service in logs and metrics. Default "recovery". */
  readonly name?: string
}

/** Like `layer`, with a name and decoded options. */
export const layerWith = (
  name: string,
  options: typeof Options.Type
): Layer.Layer<RecoveryService, never, Dependencies> =>
  Layer.effect(
    RecoveryService,
    Effect.tap(makeWith(name, options), (service) => service.start)
  )

/** Runs a service that replays dead letters. Closing the scope stops it. Fails with `SchemaError` on a bad option. */
export const layer = ({ name = "recovery", ...options }: LayerOptions = {}): Layer.Layer<
  RecoveryService,
  Schema.SchemaError,
  Dependencies
> =>
  Layer.unwrap(
    Effect.map(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) => layerWith(name, decoded))
  )

/**
 * Like `layer`, but environment variables override `options`. They contain `name`, the name of the service:
 * `TICKVAULT_RECOVERY_INTERVAL` by default. Fails with `ConfigError`, which names each wrong variable.
 */
export const layerConfig = (
  name = "recovery",
  options: typeof Options.Encoded = {}
): Layer.Layer<RecoveryService, Config.ConfigError, Dependencies> =>
  Layer.unwrap(Effect.map(OptionConfig.of(Options, name, options), (decoded) => layerWith(name, decoded)))
