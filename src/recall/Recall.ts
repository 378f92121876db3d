/**
 * Finds which ticks were stored before this process stored any of their run, so that de-duplication survives a restart.
 *
 * When ticks of a run come for the first time, its batches are listed: only their names, which say what they may hold. For
 * ticks beyond all of them, as when a run goes on, nothing more is read. A batch that may hold some of the ticks is read;
 * once many were read in vain, the run's ledger is read, which says which batches need not be. A tick counts as stored only
 * when it was found with the same bytes and its batch survives a crash. When one of the ticks has other bytes than the stored
 * tick of its number, none of them counts as stored: storing them shows the conflict. When the storage can't be read, a tick
 * may be stored twice, and is never lost.
 *
 * What other processes store after the batches were listed is not seen.
 *
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Recall from "tickvault/recall/Recall"
 * import * as Storage from "tickvault/storage/Storage"
 *
 * // In the place of `IdempotencyTracker.layerRanges`, which knows nothing of earlier processes.
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

/** Batches of a run that are read in vain before its ledger is read, which takes longer because it covers the whole run. */
const readInVain = 100

export interface Recall {
  /** See `IdempotencyTracker`. */
  readonly among: IdempotencyTracker.IdempotencyTracker["Service"]["recall"]

  /** The tracker has forgotten what this process has stored of the run: its batches are listed again. */
  readonly forget: (runId: RunId.RunId) => void
}

const none: ReadonlyArray<Tick.Tick> = []

const complain = (sentence: string, runId: RunId.RunId, error: StorageError) =>
  Effect.logWarning(`${sentence}: ticks that are in them are stored again`).pipe(
    Effect.annotateLogs({ run: runId, error: error.message })
  )

/** Makes the recall of the storage of the context. What fails in it is logged at WARN and recalls nothing. */
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

  /** The batches of the run that were there when it was first asked for; `undefined` when they can't be listed. */
  const open = Effect.fnUntraced(function* (runId: RunId.RunId) {
    const listing = listings.use(runId)
    if (listing !== undefined) return yield* Deferred.await(listing)
    if (yield* reads.isPausing) return undefined
    // In one step: nothing would ever complete a listing that was begun without its fiber.
    const begun = yield* Effect.suspend(() => {
      const begins = listings.begin(runId)
      return Effect.as(Effect.forkIn(annotate(Deferred.into(list(runId, begins), begins)), background), begins)
    }).pipe(Effect.uninterruptible)
    return yield* Deferred.await(begun)
  })

  /** Reads the ledger, once it is worth it, for what all batches hold. When it can't be read, the batches are, one by one. */
  const readLedger = Effect.fnUntraced(function* (runId: RunId.RunId, batches: EarlierBatches) {
    if (batches.isLedgerRead || batches.readInVain < readInVain) return
    batches.isLedgerRead = true
    yield* reads.run("read", runId, LedgerFacts.read(runId)).pipe(
      Effect.map((facts) => batches.addFacts(facts)),
      Effect.catch(({ message }) =>
        Effect.logDebug("Ledger can't be read, its batches are").pipe(
          Effect.annotateLogs({ run: runId, error: message })
        )
      )
    )
  })

  const recall: Recall = {
    among: Effect.fn("IdempotencyTracker.recall")(function* ({ range, runId, ticks }) {
      if (range === undefined) return none
      const batches = yield* open(runId)
      if (batches === undefined || batches.count === 0) return none
      if (batches.overlapping(range.first, range.last).length === 0) return none
      // Each read that hangs holds a thread: after one that did, wait before the next.
      if (yield* reads.isPausing) return none
      yield* readLedger(runId, batches)
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

/** `tracker`, which recalls with `recall` what was stored before. */
export const attach = (
  tracker: IdempotencyTracker.IdempotencyTracker["Service"],
  recall: Recall
): IdempotencyTracker.IdempotencyTracker["Service"] =>
  IdempotencyTracker.IdempotencyTracker.of({ ...tracker, recall: recall.among })

/** Makes the tracker that decoded options ask for: see `layer`. */
export const makeTracker = Effect.fnUntraced(function* (name: string, options: typeof IdempotencyTracker.Options.Type) {
  if (options.memory === "keys") return yield* IdempotencyTracker.makeWith(name, options)
  const recall = yield* make
  return attach(yield* IdempotencyTracker.makeWith(name, options, recall.forget), recall)
})

/**
 * A tracker of ranges that also knows what earlier processes have stored in the storage of the context; with `memory` "keys"
 * the tracker of keys, which doesn't. Fails with `SchemaError` on a bad option.
 */
export const layer = (
  options: typeof IdempotencyTracker.Options.Encoded = {}
): Layer.Layer<IdempotencyTracker.IdempotencyTracker, Schema.SchemaError, Storage> =>
  Layer.effect(
    IdempotencyTracker.IdempotencyTracker,
    Effect.flatMap(Schema.decodeEffect(IdempotencyTracker.Options)(options), (decoded) =>
      makeTracker(decoded.memory === "keys" ? "memory" : "ranges", decoded)
    )
  )

/** The same with the options that the environment sets, over `options`: see `IdempotencyTracker.layerConfig`. */
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
