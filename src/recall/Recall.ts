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
 * export const tracker = Recall.layer({ ttl: "2 hours" }).pipe(Layer.provide(Storage.layerMemory()))
 * ```
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type * as RunId from "../domain/RunId.ts"
import * as Tick from "../domain/Tick.ts"
import * as TickSet from "../domain/TickSet.ts"
import * as IdempotencyTracker from "../idempotency/IdempotencyTracker.ts"
import * as LedgerFacts from "../ledger/LedgerFacts.ts"
import { abandonable } from "../service/abandonable.ts"
import { Storage } from "../storage/Storage.ts"
import { IoFailure, StorageError, TimedOut } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import { type EarlierBatch, EarlierBatches } from "./internal/earlierBatches.ts"
import { type Listing, Listings } from "./internal/listings.ts"
import * as RunFiles from "../runs/RunFiles.ts"
import * as StoredTicks from "../runs/StoredTicks.ts"

/** Longest that ticks wait for the storage. */
const limit = Duration.seconds(30)

/** After a failure nothing is tried for a second, and twice as long after each further failure, up to a minute. */
const pauses = { shortestMs: 1000, longestMs: 60_000 }

/** Batches of a run that are read in vain before its ledger is read, which takes longer because it covers the whole run. */
const readInVain = 100

export interface Recall {
  /** See `IdempotencyTracker`. */
  readonly among: IdempotencyTracker.IdempotencyTracker["Service"]["recall"]

  /** The tracker has forgotten what this process has stored of the run: its batches are listed again. */
  readonly forget: (runId: RunId.RunId) => void
}

const none: ReadonlyArray<Tick.Tick> = []

/** Tick numbers, both included. */
interface Range {
  readonly first: bigint
  readonly last: bigint
}

/** Whether any of `wanted` is among `stretches`, as far as those lie between `first` and `last`. */
const isAnyOf = (
  stretches: ReadonlyArray<TickSet.Stretch>,
  wanted: StoredTicks.Wanted,
  { first, last }: Range
): boolean =>
  stretches.some((stretch) => {
    if (stretch.first > last || stretch.last < first) return false
    const skipped = stretch.step > 0n && stretch.first < first ? (first - stretch.first) / stretch.step : 0n
    for (const number of TickSet.numbers({ ...stretch, first: stretch.first + skipped * stretch.step })) {
      if (number > last) return false
      if (wanted.has(number)) return true
    }
    return false
  })

const complain = (sentence: string, runId: RunId.RunId, error: StorageError) =>
  Effect.logWarning(`${sentence}: ticks that are in them are stored again`).pipe(
    Effect.annotateLogs({ run: runId, error: error.message })
  )

/** What a batch has of `wanted`. Notes in `batch` which ticks it holds. */
const lookInto = Effect.fnUntraced(function* (batch: EarlierBatch, wanted: StoredTicks.Wanted) {
  const same: Array<Tick.Tick> = []
  const differing: Array<Tick.Tick> = []
  const numbers: Array<bigint> = []
  yield* StoredTicks.look(
    batch.key,
    wanted,
    (tick, isSame) => void (isSame ? same : differing).push(tick),
    (number) => void numbers.push(number)
  )
  batch.ticks = TickSet.stretches(numbers)
  return { same, differing }
})

/** Makes a batch survive a crash. Whether it is still there then. */
const secure = Effect.fnUntraced(function* (batch: EarlierBatch) {
  const storage = yield* Storage
  if (!batch.isSecured) yield* storage.secure(batch.key)
  batch.isSecured = true
  return (yield* storage.stat(batch.key)) !== undefined
})

const warnOfOthers = ([first, ...others]: Arr.NonEmptyReadonlyArray<Tick.Tick>) =>
  Effect.logWarning("Other ticks are stored under these numbers: their batch is stored as it is, if it can be").pipe(
    Effect.annotateLogs({ run: first.simulationRunId, ticks: others.length + 1, first: `${first.tickNumber}` })
  )

/** Which of `ticks`, all in the range, are in those of `batches` that may hold some. Makes their batches survive a crash. */
const find = Effect.fnUntraced(function* (batches: EarlierBatches, ticks: Tick.Batch, range: Range) {
  const wanted = StoredTicks.byNumber(ticks)
  const stored = new Set<Tick.Tick>()
  const differing = new Set<Tick.Tick>()
  for (const batch of batches.overlapping(range.first, range.last)) {
    if (batch.ticks !== undefined && !isAnyOf(batch.ticks, wanted, range)) continue
    const found = yield* lookInto(batch, wanted)
    for (const tick of found.differing) differing.add(tick)
    if (found.same.length === 0) batches.readInVain++
    else if (yield* secure(batch)) for (const tick of found.same) stored.add(tick)
  }
  const others = [...differing].filter((tick) => !stored.has(tick))
  if (Arr.isReadonlyArrayNonEmpty(others)) return yield* Effect.as(warnOfOthers(others), none)
  return stored.size === 0 ? none : ticks.filter((tick) => stored.has(tick))
})

/** A pause after failures, which doubles with each. Not shared: it has state. */
class Backoff {
  private pauseMs = pauses.shortestMs
  private untilMs = Number.NEGATIVE_INFINITY

  readonly failed = Effect.map(Clock.currentTimeMillis, (nowMs) => {
    this.untilMs = nowMs + this.pauseMs
    this.pauseMs = Math.min(this.pauseMs * 2, pauses.longestMs)
  })

  readonly succeeded = Effect.sync(() => {
    this.pauseMs = pauses.shortestMs
  })

  readonly isPausing = Effect.map(Clock.currentTimeMillis, (nowMs) => nowMs < this.untilMs)
}

/** Makes the recall of the storage of the context. What fails in it is logged at WARN and recalls nothing. */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const background = yield* Scope.make() // never closed: nobody waits for a read that was abandoned
  const listings = new Listings()
  const backoff = new Backoff()
  const annotate = Effect.annotateLogs({ module: "tickvault/recall/Recall", storage: storage.name })

  /** `effect` within its time; a defect in it is a failure. */
  const limited = <A>(
    operation: "list" | "read",
    runId: RunId.RunId,
    effect: Effect.Effect<A, StorageError, Storage>
  ) => {
    const fail = (reason: IoFailure | TimedOut, cause?: unknown) =>
      Effect.fail(new StorageError({ operation, key: runId, reason, cause }))
    const known = effect.pipe(
      Effect.catchDefect((defect) => fail(new IoFailure({ code: "UNEXPECTED" }), defect)),
      Effect.provideService(Storage, storage)
    )
    return Effect.timeoutOrElse(abandonable(known, background), {
      duration: limit,
      orElse: () => fail(new TimedOut({ code: Duration.format(limit) }))
    })
  }

  const list = (runId: RunId.RunId, listing: Listing) =>
    limited("list", runId, RunFiles.batches(runId)).pipe(
      Effect.map((keys) => new EarlierBatches(keys)),
      Effect.tap((batches) => Effect.map(backoff.succeeded, () => listings.completed(runId, listing, batches))),
      Effect.tapError(() => Effect.map(backoff.failed, () => listings.failed(runId, listing))),
      Effect.catch((error) => Effect.as(complain("Stored batches can't be listed", runId, error), undefined))
    )

  /** The batches of the run that were there when it was first asked for; `undefined` when they can't be listed. */
  const open = Effect.fnUntraced(function* (runId: RunId.RunId) {
    const listing = listings.use(runId)
    if (listing !== undefined) return yield* Deferred.await(listing)
    if (yield* backoff.isPausing) return undefined
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
    yield* limited("read", runId, LedgerFacts.read(runId)).pipe(
      Effect.map((facts) => batches.addFacts(facts)),
      Effect.catch(({ message }) =>
        Effect.logDebug("Ledger can't be read, its batches are").pipe(
          Effect.annotateLogs({ run: runId, error: message })
        )
      )
    )
  })

  const recall: Recall = {
    among: Effect.fn("IdempotencyTracker.recall")(function* (runId, ticks) {
      if (!Tick.isBatch(ticks)) return none
      const batches = yield* open(runId)
      if (batches === undefined || batches.count === 0) return none
      const range = StorageKey.range(ticks)
      if (batches.overlapping(range.first, range.last).length === 0) return none
      // Each read that hangs holds a thread: after one that did, wait before the next.
      if (yield* backoff.isPausing) return none
      yield* readLedger(runId, batches)
      return yield* limited("read", runId, find(batches, ticks, range)).pipe(
        Effect.tap(() => backoff.succeeded),
        Effect.tapError(({ reason }) => (reason._tag === "TimedOut" ? backoff.failed : Effect.void)),
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

/**
 * A tracker of ranges that also knows what earlier processes have stored in the storage of the context; with `memory` "keys"
 * the tracker of keys, which doesn't. Fails with `SchemaError` on a bad option.
 */
export const layer = (
  options: typeof IdempotencyTracker.Options.Encoded = {}
): Layer.Layer<IdempotencyTracker.IdempotencyTracker, Schema.SchemaError, Storage> =>
  Layer.effect(
    IdempotencyTracker.IdempotencyTracker,
    Effect.gen(function* () {
      const { memory } = yield* Schema.decodeEffect(IdempotencyTracker.Options)(options)
      if (memory === "keys") return yield* IdempotencyTracker.makeMemory("memory", options)
      const recall = yield* make
      return attach(yield* IdempotencyTracker.makeRanges("ranges", options, recall.forget), recall)
    })
  )
