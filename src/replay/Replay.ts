/**
 * Stores the ticks of dead letters after all.
 *
 * A replayed batch goes the way of a live one: validation, claim, write with retries, commit, entry in the ledger. What
 * the storage has already, to the byte, counts as duplicate; a letter of several runs becomes a file a run. The letter
 * goes only when all of its ticks are stored and the ledger says so for good; what still fails stays a letter, with its
 * history extended. So a replay may be interrupted at any moment and repeated as often as one likes. Replays count apart
 * from live batches.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as DeadLetter from "../deadletter/DeadLetter.ts"
import { type DeadLetterError, DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import * as RunId from "../domain/RunId.ts"
import * as Tick from "../domain/Tick.ts"
import { IdempotencyTracker } from "../idempotency/IdempotencyTracker.ts"
import { RunLedger } from "../ledger/RunLedger.ts"
import * as PersistenceService from "../persistence/PersistenceService.ts"
import * as StoredTicks from "../runs/StoredTicks.ts"
import * as Storage from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import type * as Redelivery from "./internal/redelivery.ts"
import * as LetterTicks from "./internal/letterTicks.ts"
import * as Settlement from "./internal/settlement.ts"
import * as ReplayMetrics from "./ReplayMetrics.ts"

/** What the replay of a letter has come to, in ticks. Together they are all of the letter's. */
export interface Replayed {
  readonly letter: string
  readonly stored: number
  /** Stored already before this replay. */
  readonly duplicate: number
  /** Still in the letter; with 0 the letter is gone. */
  readonly remaining: number
  /** Why ticks remain, in words. */
  readonly problem: string | undefined
}

/** What a replay would meet, in ticks, as far as can be told without writing. */
export interface Preview {
  readonly letter: string
  /** Would be written, as far as the storage takes them. */
  readonly fresh: number
  /** Are stored already. */
  readonly duplicate: number
  /** Can't be stored: an unsafe run id, a negative number, or something else has the number or the name. */
  readonly refused: number
}

export class Replay extends Context.Service<
  Replay,
  {
    /**
     * Replays the letter of this id. That some of its ticks can't be stored is no failure: it is in the result. Fails when
     * the letter can't be read, the storage can't say what it has, or the outcome can't be noted; the letter stays then,
     * and everything may be repeated. One letter at a time.
     */
    readonly replay: (id: string) => Effect.Effect<Replayed, DeadLetterError | DeadLetter.LetterDamaged | StorageError>

    /** What a replay would meet. Changes nothing. */
    readonly preview: (id: string) => Effect.Effect<Preview, DeadLetterError | DeadLetter.LetterDamaged | StorageError>

    /**
     * Throws a letter away, for a reason in words that its runs' ledgers keep: its ticks are gone for good. Those of a
     * damaged one are named by the ledgers that have noted it; when none has, that is logged and no ledger keeps the
     * reason. Succeeds with the ticks that are gone, as far as they are known. Notes nothing when the queue is read-only.
     */
    readonly drop: (id: string, reason: string) => Effect.Effect<number, DeadLetterError | StorageError>
  }
>()("tickvault/replay/Replay") {}

const isStorable = ({ simulationRunId, tickNumber }: Tick.Tick) => RunId.is(simulationRunId) && tickNumber >= 0n

/**
 * Makes replays of the dead-letter queue of the context into its storage, with the options of a persistence service, as
 * `name` in log lines and ledgers. Fails with `SchemaError` on a bad option.
 */
export const make = Effect.fnUntraced(function* (
  name: string,
  options: typeof PersistenceService.Options.Encoded = {}
) {
  const decoded = yield* Schema.decodeEffect(PersistenceService.Options, { errors: "all" })(options)
  const deadLetters = yield* DeadLetterQueue
  const storage = yield* Storage.Storage
  const ledger = yield* RunLedger
  const tracker = yield* IdempotencyTracker
  const metrics = yield* ReplayMetrics.make(deadLetters.name)
  const oneAtATime = Semaphore.withPermit(yield* Semaphore.make(1))
  const annotate = Effect.annotateLogs({ service: name })
  const parts: Redelivery.Parts = {
    service: name,
    deadLetterQueue: deadLetters.name,
    options: decoded,
    storage,
    ledger,
    tracker
  }

  const read = Effect.fnUntraced(function* (id: string) {
    const letter = yield* deadLetters.get(id)
    return { letter, ticks: yield* DeadLetter.ticks(letter) }
  })

  /** The ticks of a letter for the ledgers, and how many there are. Those of a damaged one only the ledgers can name. */
  const contents = Effect.fnUntraced(function* (id: string) {
    const noted = () =>
      Effect.andThen(ledger.flush, LetterTicks.ofLedgers(storage, id)).pipe(
        Effect.map((portions) => ({ portions, ticks: portions.reduce((sum, { count }) => sum + count, 0) }))
      )
    return yield* Effect.map(read(id), ({ ticks }) => ({
      portions: LetterTicks.ofTicks(ticks),
      ticks: ticks.length
    })).pipe(Effect.catchTag("LetterDamaged", noted), Effect.catchReason("DeadLetterError", "LetterDamaged", noted))
  })

  /** How many of `ticks`, none of which is stored, would go under a name that is taken. */
  const taken = Effect.fnUntraced(function* (ticks: ReadonlyArray<Tick.Tick>) {
    let count = 0
    for (const [runId, of] of Tick.byRun(ticks)) {
      if (!Tick.isBatch(of)) continue
      const key = StorageKey.batch(runId, of)
      const isTaken = (yield* Storage.exists(storage, key)) || (yield* Storage.exists(storage, StorageKey.sibling(key)))
      if (isTaken) count += of.length
    }
    return count
  })

  /** Notes in the ledger of every run what the replay has come to, for good. */
  const note = Effect.fnUntraced(function* (
    letter: string,
    ticks: ReadonlyArray<Tick.Tick>,
    result: Settlement.Settlement
  ) {
    const atMs = Math.floor(yield* Clock.currentTimeMillis)
    const stored = new Set(result.stored)
    const duplicate = new Set(result.duplicate)
    for (const [runId, of] of Tick.byRun(ticks)) {
      yield* ledger.record(runId, {
        _tag: "Replay",
        letter,
        stored: of.filter((tick) => stored.has(tick)).length,
        duplicate: of.filter((tick) => duplicate.has(tick)).length,
        remaining: result.remaining?.ticks.length ?? 0,
        atMs
      })
    }
    yield* ledger.flush
  })

  const count = Effect.fnUntraced(function* ({ duplicate, remaining, stored }: Settlement.Settlement) {
    yield* metrics.letter(remaining !== undefined ? "failed" : stored.length > 0 ? "stored" : "duplicate")
    yield* metrics.ticks("stored", stored.length)
    yield* metrics.ticks("duplicate", duplicate.length)
    yield* metrics.ticks("failed", remaining?.ticks.length ?? 0)
  })

  /** The letter goes, or stays with what remains. Whatever is not done here is done by the next replay. */
  const finish = Effect.fnUntraced(function* (
    letter: DeadLetter.DeadLetter,
    ticks: Tick.Batch,
    result: Settlement.Settlement
  ) {
    const { remaining } = result
    const left = remaining?.ticks.length ?? 0
    // Ticks leave the letter only after the ledger says where they are. When all of them stay there is nothing to say.
    if (left < ticks.length) yield* note(letter.id, ticks, result)
    const next =
      remaining === undefined ? deadLetters.remove(letter.id) : deadLetters.update(DeadLetter.extend(letter, remaining))
    yield* Effect.uninterruptibleMask((restore) => Effect.andThen(restore(next), count(result)))
    const replayed: Replayed = {
      letter: letter.id,
      stored: result.stored.length,
      duplicate: result.duplicate.length,
      remaining: left,
      problem: remaining?.failure.error.message
    }
    yield* Effect.logInfo(left === 0 ? "Dead letter replayed" : "Dead letter replayed in part or not at all").pipe(
      Effect.annotateLogs({
        letter: letter.id,
        stored: replayed.stored,
        duplicate: replayed.duplicate,
        remaining: left
      }),
      Effect.annotateLogs(replayed.problem === undefined ? {} : { problem: replayed.problem })
    )
    return replayed
  })

  return Replay.of({
    replay: Effect.fn("Replay.replay")(
      function* (id: string) {
        const { letter, ticks } = yield* read(id)
        return yield* finish(letter, ticks, yield* Settlement.settle(parts, ticks))
      },
      oneAtATime,
      annotate
    ),

    preview: Effect.fn("Replay.preview")(function* (id: string) {
      const { letter, ticks } = yield* read(id)
      const { conflicting, fresh, stored } = yield* StoredTicks.divide(storage, ticks)
      const storable = fresh.filter(isStorable)
      const blocked = yield* taken(storable)
      const preview: Preview = {
        letter: letter.id,
        fresh: storable.length - blocked,
        duplicate: stored.length,
        refused: conflicting.length + fresh.length - storable.length + blocked
      }
      return preview
    }),

    drop: Effect.fn("Replay.drop")(
      function* (id: string, reason: string) {
        yield* deadLetters.checkChangeable
        const atMs = Math.floor(yield* Clock.currentTimeMillis)
        const { portions, ticks } = yield* contents(id)
        for (const { count, runId, stretches } of portions) {
          yield* ledger.record(runId, { _tag: "Drop", letter: id, stretches, count, reason, atMs })
        }
        yield* ledger.flush
        yield* deadLetters.remove(id)
        yield* Effect.logWarning(
          portions.length > 0
            ? "Dead letter dropped, its ticks are gone"
            : "Dead letter dropped that no run's ledger can tell of: which ticks are gone is not known"
        ).pipe(Effect.annotateLogs({ letter: id, ticks, reason }))
        return ticks
      },
      oneAtATime,
      annotate
    )
  })
})

/** Replays of the dead-letter queue of the context. Fails with `SchemaError` on a bad option. */
export const layer = (
  options: typeof PersistenceService.Options.Encoded = {}
): Layer.Layer<Replay, Schema.SchemaError, DeadLetterQueue | Storage.Storage | RunLedger | IdempotencyTracker> =>
  Layer.effect(Replay, make("replay", options))
