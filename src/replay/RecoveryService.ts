/**
 * Replays dead letters by itself, those whose reason may pass.
 *
 * It looks at the dead-letter queue once an interval, oldest letter first, and replays what a storage that works again
 * would take. A letter that fails again waits twice as long each time, up to a limit. What the operator replays or drops
 * meanwhile is simply gone. Stopped, it leaves the letter in hand as it is: a replay may be interrupted anywhere.
 *
 * A look or a replay that takes too long is abandoned, which a line at WARN says: a call that hangs in the file system
 * must not keep the other letters waiting. A letter whose replay still hangs has no second one.
 *
 * Letters that no waiting can help (an invalid tick, two ticks of one number, a fault) are the operator's:
 * `tickvault dlq` shows, replays and drops them.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Reason } from "../deadletter/DeadLetter.ts"
import { DeadLetterError, DeadLetterQueue, LetterTimedOut } from "../deadletter/DeadLetterQueue.ts"
import * as OptionSchema from "../domain/OptionSchema.ts"
import * as PersistenceService from "../persistence/PersistenceService.ts"
import type { Overdue } from "../service/Attempts.ts"
import * as Service from "../service/Service.ts"
import * as Patience from "./internal/Patience.ts"
import * as Replay from "./Replay.ts"

const { maxRetryBackoff, retryBackoffMs, retryJitter, writeTimeout } = PersistenceService.Options.fields

/** Settings of a service that replays dead letters. */
export const Options = Schema.Struct({
  /** Pause between two looks at the queue, and the wait of a letter that has failed once. Default "1 minute". */
  interval: OptionSchema.duration(Duration.minutes(1)),
  /** Longest that a letter waits which fails again and again. Default "1 hour". */
  maxInterval: OptionSchema.duration(Duration.hours(1)),
  /** Attempts after the first one within one replay. Default 0: the next replay is the next attempt. */
  maxRetries: OptionSchema.wholeNumber(0, 0),
  retryBackoffMs,
  maxRetryBackoff,
  retryJitter,
  writeTimeout
})

/** What a service has counted since it was made, restarts included. */
export interface Metrics {
  /** Looks at the queue. */
  readonly looks: number
  /** Letters that are gone because all of their ticks are stored. */
  readonly letters_replayed: number
  /** Replays after which the letter, or a part of it, was still there. */
  readonly replays_failed: number
  readonly ticks_stored: number
  readonly ticks_duplicate: number
  /** Letters that wait for their next replay, as of the last look. */
  readonly letters_waiting: number
  /** Letters that are left to the operator, as of the last look. */
  readonly letters_left: number
}

/** A running or stopped service with what it has counted. */
export interface Instance extends Service.Service {
  readonly metrics: Effect.Effect<Metrics & Readonly<Record<string, number>>>
}

/** The reasons that a later replay may find passed. */
export const mayPass = (reason: Reason): boolean => reason === "storage"

/** When a letter is looked at next. */
interface Turn {
  readonly dueMs: number
  /** How long it has waited for this turn. */
  readonly waitMs: number
  /** Whether it is not for this service. */
  readonly left: boolean
}

/** What became of a letter at its turn. */
type Outcome = "gone" | "failed" | "left"

const timedOut = (queue: string, { code }: Overdue) =>
  new DeadLetterError({ queue, reason: new LetterTimedOut({ code }) })

/** Makes the turns of one life of the service: nothing of it is remembered when it starts again. */
const makeLooks = (
  deadLetters: DeadLetterQueue["Service"],
  patience: Patience.Patience,
  options: typeof Options.Type,
  counts: Record<keyof Metrics, number>,
  replay: (id: string) => Effect.Effect<Outcome>
) => {
  const interval = Duration.toMillis(options.interval)
  const longest = Math.max(interval, Duration.toMillis(options.maxInterval))
  const turns = new Map<string, Turn>()

  const after = (turn: Turn | undefined, outcome: "failed" | "left", nowMs: number): Turn => {
    const doubled = turn === undefined || turn.left ? interval : Math.min(turn.waitMs * 2, longest)
    // Its reason can only change by other hands: a look now and then is enough.
    const waitMs = outcome === "left" ? longest : doubled
    return { dueMs: nowMs + waitMs, waitMs, left: outcome === "left" }
  }

  const look = Effect.fnUntraced(function* (gate: Service.Gate) {
    counts.looks++
    const startMs = yield* Clock.currentTimeMillis
    const ids = yield* patience
      .look(Stream.runCollect(deadLetters.ids))
      .pipe(Effect.catchTag("Overdue", (overdue) => Effect.fail(timedOut(deadLetters.name, overdue))))
    const known = new Set(ids)
    for (const id of turns.keys()) if (!known.has(id)) turns.delete(id)
    for (const id of ids) {
      const turn = turns.get(id)
      if (turn !== undefined && turn.dueMs > startMs) continue
      yield* gate.open
      const outcome = yield* replay(id)
      if (outcome === "gone") turns.delete(id)
      // From the start of the look: the wait is counted in looks, however long the letters before it took.
      else turns.set(id, after(turn, outcome, startMs))
    }
    const waiting = [...turns.values()].filter(({ left }) => !left).length
    counts.letters_waiting = waiting
    counts.letters_left = turns.size - waiting
  })

  return look
}

/**
 * Makes the service `name`, stopped, on the dead-letter queue, storage, ledger and tracker of its context: share those of
 * the persistence services. Closing the scope stops it like `stop` does. Fails with `SchemaError` on a bad option.
 */
export const make = Effect.fnUntraced(function* (name: string, options: typeof Options.Encoded = {}) {
  const decoded = yield* Schema.decodeEffect(Options, { errors: "all" })(options)
  const { interval: _interval, maxInterval: _maxInterval, ...retry } = yield* Schema.encodeEffect(Options)(decoded)
  const deadLetters = yield* DeadLetterQueue
  const context = yield* Effect.context<Effect.Services<ReturnType<typeof Replay.make>>>()
  const makeReplays = Effect.orDie(Effect.provideContext(Replay.make(name, retry), context))
  let replays = yield* makeReplays
  const patience = yield* Patience.make(decoded.writeTimeout)
  const counts: Record<keyof Metrics, number> = {
    looks: 0,
    letters_replayed: 0,
    replays_failed: 0,
    ticks_stored: 0,
    ticks_duplicate: 0,
    letters_waiting: 0,
    letters_left: 0
  }

  const count = ({ duplicate, remaining, stored }: Replay.Replayed) => {
    counts[remaining === 0 ? "letters_replayed" : "replays_failed"]++
    counts.ticks_stored += stored
    counts.ticks_duplicate += duplicate
  }

  const failed = (id: string, error: string) =>
    Effect.suspend(() => {
      counts.replays_failed++
      return Effect.logWarning("Dead letter could not be replayed and waits for its next turn").pipe(
        Effect.annotateLogs({ letter: id, error }),
        Effect.as("failed" as const)
      )
    })

  /** The one that hangs keeps its replays for itself. */
  const overdue = Effect.fnUntraced(function* (id: string, error: Overdue) {
    if (error.begun) replays = yield* makeReplays
    return yield* failed(id, timedOut(deadLetters.name, error).message)
  })

  const replay = (id: string): Effect.Effect<Outcome> =>
    Effect.gen(function* () {
      const { reason } = yield* deadLetters.get(id)
      if (!mayPass(reason)) return "left" as const
      const replayed = yield* replays.replay(id)
      count(replayed)
      return replayed.remaining === 0 ? ("gone" as const) : ("failed" as const)
    }).pipe(
      (one) => patience.replay(id, one),
      // Dealt with by the operator or another process since the look began.
      Effect.catchReason("DeadLetterError", "LetterMissing", () => Effect.succeed("gone" as const)),
      Effect.catchReason("DeadLetterError", "LetterDamaged", ({ message }) =>
        Effect.as(
          Effect.logWarning("Dead letter is damaged and left alone").pipe(Effect.annotateLogs({ error: message })),
          "left" as const
        )
      ),
      Effect.catchTag("Overdue", (error) => overdue(id, error)),
      Effect.catch(({ message }) => failed(id, message)),
      Effect.catchDefect((defect) => failed(id, String(defect)))
    )

  const work = (gate: Service.Gate) =>
    Effect.suspend(() => {
      const look = makeLooks(deadLetters, patience, decoded, counts, replay)
      return gate.open.pipe(
        Effect.andThen(look(gate)),
        Effect.catch((error) =>
          Effect.logWarning("Dead letters can't be looked at, trying again").pipe(
            Effect.annotateLogs({ error: error.message })
          )
        ),
        Effect.andThen(Effect.sleep(decoded.interval)),
        Effect.forever
      )
    })

  const metrics = Effect.sync((): Metrics & Readonly<Record<string, number>> => ({ ...counts }))
  const service = yield* Service.make(name, { work, metrics })
  const instance: Instance = { ...service, metrics }
  return instance
})
