/**
 * Stores the ticks of dead letters after all.
 *
 * A replayed batch goes the way of a live one: validation, claim, write with retries, commit, entry in the ledger. What
 * the storage has already, to the byte, counts as duplicate; a letter of several runs becomes a file a run. The letter
 * goes only when all of its ticks are stored and the ledger says so for good; what still fails stays a letter, with its
 * history extended. So a replay may be interrupted at any moment and repeated as often as one likes. Replays count apart
 * from live batches.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Replay } from "tickvault/replay/Replay"
 *
 * export const store = Effect.fnUntraced(function* (letter: string) {
 *   const { replay } = yield* Replay
 *   const { duplicate, remaining, stored } = yield* replay(letter)
 *   return `${stored} stored, ${duplicate} there already, ${remaining} still in the letter`
 * })
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { LetterDamaged } from "../deadletter/DeadLetter.ts"
import type { DeadLetterError, DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import type { IdempotencyTracker } from "../idempotency/IdempotencyTracker.ts"
import type { RunLedger } from "../ledger/RunLedger.ts"
import * as WriteOptions from "../persistence/WriteOptions.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as Letter from "./internal/letter.ts"
import * as Parts from "./internal/Parts.ts"
import type { Preview, Replayed } from "./Replayed.ts"

export type { Preview, Replayed } from "./Replayed.ts"

/** Settings of replays: those of the writes of a persistence service. */
export const Options = WriteOptions.Options

export class Replay extends Context.Service<
  Replay,
  {
    /**
     * Replays the letter of this id. That some of its ticks can't be stored is no failure: it is in the result. Fails when
     * the letter can't be read, the storage can't say what it has, or the outcome can't be noted; the letter stays then,
     * and everything may be repeated. One letter at a time.
     */
    readonly replay: (id: string) => Effect.Effect<Replayed, DeadLetterError | LetterDamaged | StorageError>

    /** What a replay would meet. Changes nothing. */
    readonly preview: (id: string) => Effect.Effect<Preview, DeadLetterError | LetterDamaged | StorageError>

    /**
     * Throws a letter away, for a reason in words that its runs' ledgers keep: its ticks are gone for good. Those of a
     * damaged one are named by the ledgers that have noted it; when none has, that is logged and no ledger keeps the
     * reason. Succeeds with the ticks that are gone, as far as they are known. Notes nothing when the queue is read-only.
     */
    readonly drop: (id: string, reason: string) => Effect.Effect<number, DeadLetterError | StorageError>
  }
>()("tickvault/replay/Replay") {}

/**
 * Makes replays of the dead-letter queue of the context into its storage, as `name` in log lines and ledgers. Fails with
 * `SchemaError` on a bad option.
 */
export const make = Effect.fnUntraced(function* (name: string, options: typeof Options.Encoded = {}) {
  const decoded = yield* Schema.decodeEffect(Options, { errors: "all" })(options)
  const parts = yield* Parts.make(name, decoded)
  const oneAtATime = Semaphore.withPermit(yield* Semaphore.make(1))
  const annotate = Effect.annotateLogs({ service: name })
  return Replay.of({
    replay: (id) => Letter.replay(parts, id).pipe(oneAtATime, annotate),
    preview: (id) => Letter.preview(parts, id),
    drop: (id, reason) => Letter.drop(parts, id, reason).pipe(oneAtATime, annotate)
  })
})

/** Replays of the dead-letter queue of the context. Fails with `SchemaError` on a bad option. */
export const layer = (
  options: typeof Options.Encoded = {}
): Layer.Layer<Replay, Schema.SchemaError, DeadLetterQueue | Storage | RunLedger | IdempotencyTracker> =>
  Layer.effect(Replay, make("replay", options))
