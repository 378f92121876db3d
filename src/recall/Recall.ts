/**
 * Finds ticks that earlier processes have stored, so that de-duplication survives a restart.
 *
 * At the first ticks of a run, it lists the names of the run's batches, which contain the first and the last tick. For
 * ticks beyond all of them, such as those of a resumed run, nothing more is read. A batch that may have some of the
 * ticks is read. After many reads without a match, it reads the run's ledger, which tells which batches to skip. A tick
 * counts as stored only when it was found with the same bytes and its batch survives a crash. When a stored tick has
 * the same number but other bytes, none of the batch's ticks counts as stored: storing them shows the conflict. When
 * the storage can't be read, a tick may be stored twice, but is never lost.
 *
 * It doesn't see batches that other processes store after the listing.
 *
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Recall from "tickvault/recall/Recall"
 * import * as Storage from "tickvault/storage/Storage"
 *
 * // In place of `IdempotencyTracker.layerRanges`, which doesn't know the ticks of earlier processes.
 * export const tracker = Recall.layer({ ttl: "2 hours" }).pipe(Layer.provide(Storage.layerMemory))
 * ```
 */
import type * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as OptionConfig from "../domain/OptionConfig.ts"
import type * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import * as IdempotencyTracker from "../idempotency/IdempotencyTracker.ts"
import * as LedgerFacts from "../ledger/LedgerFacts.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import { EarlierBatches } from "./internal/earlierBatches.ts"
import { findStored } from "./internal/findStored.ts"
import { LimitedReads } from "./internal/LimitedReads.ts"
import { type Listing, Listings } from "./internal/listings.ts"
import * as RunFiles from "../runs/RunFiles.ts"

/** After this many reads without a match, the run's ledger is read. That takes longer, because it covers the whole run. */
const readInVain = 100

export interface Recall {
  /** See `IdempotencyTracker`. */
  readonly among: IdempotencyTracker.IdempotencyTracker["Service"]["recall"]

  /** Call it when the tracker has forgotten stored ticks of the run: then its batches are listed again. */
  readonly forget: (runId: RunId.RunId) => void
}

const none: ReadonlyArray<Tick.Tick> = []

const complain = (sentence: string, runId: RunId.RunId, error: StorageError) =>
  Effect.logWarning(`${sentence}: their ticks are stored again`).pipe(
    Effect.annotateLogs({ run: runId, error: error.message })
  )

/** Reads the ledger, if that is worth it, for the ticks of all batches. If it can't be read, batches are read one by one. */
const readLedger = Effect.fnUntraced(function* (reads: LimitedReads, runId: RunId.RunId, batches: EarlierBatches) {
  if (batches.isLedgerRead || batches.readInVain < readInVain) return
  batches.isLedgerRead = true
  yield* reads.run("read", runId, LedgerFacts.read(runId)).pipe(
    Effect.map((facts) => batches.addFacts(facts)),
    Effect.catch(({ message }) =>
      Effect.logDebug("Ledger can't be read, reading batches instead").pipe(
        Effect.annotateLogs({ run: runId, error: message })
      )
    )
  )
})

/** Makes the recall of the storage of the context. A failure is logged at WARN and recalls nothing. */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const background = yield* Scope.make() // never closed: nobody waits for a read that was abandoned
  const listings = new Listings()
  const reads = new LimitedReads(storage, background)
  const annotate = Effect.annotateLogs({ module: "tickvault/recall/Recall", storage: storage.name })

  const list = (runId: RunId.RunId, listing: Listing) =>
    reads.run("list", runId, RunFiles.batches(runId)).pipe(
      Effect.map((keys) => new EarlierBatches(keys)),
      Effect.tap((batches) => Effect.map(reads.succeeded, () => listings.completed(runId, listing, batches))),
      Effect.tapError(() => Effect.map(reads.failed, () => listings.failed(runId, listing))),
      Effect.catch((error) => Effect.as(complain("Stored batches can't be listed", runId, error), undefined))
    )

  /** The batches of the run at its first ticks. `undefined` when they can't be listed. */
  const open = Effect.fnUntraced(function* (runId: RunId.RunId) {
    const listing = listings.use(runId)
    if (listing !== undefined) return yield* Deferred.await(listing)
    if (yield* reads.isPausing) return undefined
    // One step: a listing that was begun without its fiber would never complete.
    const begun = yield* Effect.suspend(() => {
      const begins = listings.begin(runId)
      return Effect.as(Effect.forkIn(annotate(Deferred.into(list(runId, begins), begins)), background), begins)
    }).pipe(Effect.uninterruptible)
    return yield* Deferred.await(begun)
  })

  const recall: Recall = {
    among: Effect.fn("IdempotencyTracker.recall")(function* ({ range, runId, ticks }) {
      if (range === undefined) return none
      const batches = yield* open(runId)
      if (batches === undefined || batches.count === 0) return none
      if (batches.overlapping(range.first, range.last).length === 0) return none
      // A hanging read holds a thread: after one, wait before the next.
      if (yield* reads.isPausing) return none
      yield* readLedger(reads, runId, batches)
      return yield* reads.run("read", runId, findStored(batches, ticks, range)).pipe(
        Effect.tap(() => reads.succeeded),
        Effect.tapError(({ reason }) => (reason._tag === "TimedOut" ? reads.failed : Effect.void)),
        Effect.catch((error) => Effect.as(complain("Stored batches can't be read", runId, error), none))
      )
    }, annotate),
    forget: (runId) => listings.forget(runId)
  }
  return recall
})

/** `tracker` with `recall` for the ticks of earlier processes. */
export const attach = (
  tracker: IdempotencyTracker.IdempotencyTracker["Service"],
  recall: Recall
): IdempotencyTracker.IdempotencyTracker["Service"] =>
  IdempotencyTracker.IdempotencyTracker.of({ ...tracker, recall: recall.among })

/** Makes the tracker for decoded options: see `layer`. */
export const makeTracker = Effect.fnUntraced(function* (name: string, options: typeof IdempotencyTracker.Options.Type) {
  if (options.memory === "keys") return yield* IdempotencyTracker.makeWith(name, options)
  const recall = yield* make
  return attach(yield* IdempotencyTracker.makeWith(name, options, recall.forget), recall)
})

/**
 * A tracker of ranges that also knows the ticks that earlier processes have stored in the storage of the context. With
 * `memory` "keys" it is the tracker of keys, which doesn't know them. Fails with `SchemaError` on a bad option.
 */
export const layer = (
  options: typeof IdempotencyTracker.Options.Encoded = {}
): Layer.Layer<IdempotencyTracker.IdempotencyTracker, Schema.SchemaError, Storage> =>
  Layer.effect(
    IdempotencyTracker.IdempotencyTracker,
    Effect.flatMap(Schema.decodeEffect(IdempotencyTracker.Options, { errors: "all" })(options), (decoded) =>
      makeTracker(decoded.memory === "keys" ? "memory" : "ranges", decoded)
    )
  )

/** Like `layer`, but environment variables override `options`: see `IdempotencyTracker.layerConfig`. */
export const layerConfig = (
  name = "persistence-idempotency",
  options: typeof IdempotencyTracker.Options.Encoded = {}
): Layer.Layer<IdempotencyTracker.IdempotencyTracker, Config.ConfigError, Storage> =>
  Layer.effect(
    IdempotencyTracker.IdempotencyTracker,
    Effect.flatMap(OptionConfig.of(IdempotencyTracker.Options, name, options, IdempotencyTracker.aliases), (decoded) =>
      makeTracker(name, decoded)
    )
  )
