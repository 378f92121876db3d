/**
 * Stores the ticks of dead letters.
 *
 * A replayed batch is handled like a live one: validation, claim, write with retries, commit, entry in the ledger.
 * Ticks that the storage has with the same bytes count as duplicates. A letter with ticks of several runs becomes one
 * file a run.
 *
 * A letter is removed only when all of its ticks are stored and the ledger has recorded that durably. Ticks that fail
 * stay in the letter, and its history grows. A replay may be interrupted at any moment and repeated. Replays have their
 * own metrics.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import { DeadLetterQueue } from "tickvault/deadletter/DeadLetterQueue"
 * import { Replay } from "tickvault/replay/Replay"
 *
 * // Replays every letter, oldest first.
 * export const replayAll = Effect.gen(function* () {
 *   const { ids } = yield* DeadLetterQueue
 *   const { replay } = yield* Replay
 *   return yield* Stream.runCollect(Stream.mapEffect(ids, replay))
 * })
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { Compression } from "../batch/Compression.ts"
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
     * Replays the letter with this id. The result has the number of ticks that could not be stored. Fails when the
     * letter can't be read, the storage can't be read, or the result can't be recorded. Then the letter stays, and the
     * replay may be repeated. One letter at a time.
     */
    readonly replay: (id: string) => Effect.Effect<Replayed, DeadLetterError | LetterDamaged | StorageError>

    /** What a replay would do, as far as is known without writing. Changes nothing. */
    readonly preview: (id: string) => Effect.Effect<Preview, DeadLetterError | LetterDamaged | StorageError>

    /**
     * Deletes a letter and its ticks for good. The ledgers of its runs keep `reason`. The ticks of a damaged letter come
     * from the ledgers. When no ledger knows the letter, that is logged, and no ledger keeps the reason. Succeeds with the
     * number of deleted ticks, as far as it is known. Records nothing when the queue is read-only.
     */
    readonly drop: (id: string, reason: string) => Effect.Effect<number, DeadLetterError | StorageError>
  }
>()("tickvault/replay/Replay") {}

/** Like `make`, with decoded options. */
export const makeWith = Effect.fnUntraced(function* (name: string, options: typeof Options.Type) {
  const parts = yield* Parts.make(name, options)
  const oneAtATime = Semaphore.withPermit(yield* Semaphore.make(1))
  const annotate = Effect.annotateLogs({ service: name })
  return Replay.of({
    replay: (id) => Letter.replay(parts, id).pipe(oneAtATime, annotate),
    preview: (id) => Letter.preview(parts, id),
    drop: (id, reason) => Letter.drop(parts, id, reason).pipe(oneAtATime, annotate)
  })
})

/**
 * Makes replays of the dead-letter queue of the context into its storage, compressed as it says, as `name` in log lines
 * and ledgers. Fails with `SchemaError` on a bad option.
 */
export const make = (name: string, options: typeof Options.Encoded = {}) =>
  Effect.flatMap(Schema.decodeEffect(Options, { errors: "all" })(options), (decoded) => makeWith(name, decoded))

/** Replays of the dead-letter queue of the context. Fails with `SchemaError` on a bad option. */
export const layer = (
  options: typeof Options.Encoded = {}
): Layer.Layer<Replay, Schema.SchemaError, DeadLetterQueue | Storage | Compression | RunLedger | IdempotencyTracker> =>
  Layer.effect(Replay, make("replay", options))
