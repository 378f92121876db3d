/**
 * Recalls what was stored of a run before this process stored any of it, so that de-duplication survives a restart.
 *
 * The first time that ticks of a run come, its batches are listed: names only, which say what they may hold. Ticks beyond
 * them, as those of a run that goes on, cost nothing more. A batch that may hold some that have come is read; where that is
 * in vain again and again the run's ledger is asked, which batches need not be read. A tick counts as stored only when it
 * was found with the same bytes and the batch has been made to survive a crash. Of ticks among which one has other bytes
 * than the stored one of its number nothing is recalled: whoever stores them finds out. Where the storage can't say what
 * it has, a tick may be stored twice and is never lost.
 *
 * What other processes store after the first look is not seen.
 */
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
import * as RunFiles from "../runs/RunFiles.ts"
import * as StoredTicks from "../runs/StoredTicks.ts"

/** Longest that ticks wait for what the storage has to say of them. */
const limit = Duration.seconds(30)

/** After a listing that failed none is tried for a second, and twice as long each time up to a minute. */
const pauses = { shortestMs: 1000, longestMs: 60_000 }

/** Batches of a run that are read in vain before its ledger is: that has all of the run in it, and takes longer. */
const readInVain = 100

/** Most batches, over all runs, whose names are held: about 250 MB. Beyond it the runs used the longest ago are let go. */
const maxBatches = 1_000_000

export interface Recall {
  /** See `IdempotencyTracker`. */
  readonly among: IdempotencyTracker.IdempotencyTracker["Service"]["recall"]

  /** What this process has stored of the run is known to nobody any more: its batches are listed again. */
  readonly forget: (runId: RunId.RunId) => void
}

const none: ReadonlyArray<Tick.Tick> = []

/** Whether any of `wanted` is among `stretches`, as far as those lie between `first` and `last`. */
const isAnyOf = (
  stretches: ReadonlyArray<TickSet.Stretch>,
  wanted: StoredTicks.Wanted,
  { first, last }: { readonly first: bigint; readonly last: bigint }
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

/** A look at a run, as long as it lasts. */
type Look = Deferred.Deferred<EarlierBatches | undefined>

/** The runs that have been looked at, the one used last at the end. */
class Runs {
  private readonly looks = new Map<RunId.RunId, Look>()
  private readonly sizes = new Map<RunId.RunId, number>()
  private batches = 0

  /** The look at the run, if there has been one. */
  use(runId: RunId.RunId) {
    const look = this.looks.get(runId)
    if (look === undefined || this.looks.size === 1) return look
    this.looks.delete(runId)
    this.looks.set(runId, look)
    return look
  }

  begin(runId: RunId.RunId): Look {
    const look: Look = Deferred.makeUnsafe()
    this.looks.set(runId, look)
    return look
  }

  /** Counts what a look has found, unless the run has been forgotten since; makes room for it. */
  found(runId: RunId.RunId, look: Look, { count }: EarlierBatches): void {
    if (this.looks.get(runId) !== look) return
    this.sizes.set(runId, count)
    this.batches += count
    for (const other of this.looks.keys()) {
      if (this.batches <= maxBatches || other === runId) break
      this.forget(other)
    }
  }

  /** A look that has failed: the next is another one. */
  failed(runId: RunId.RunId, look: Look): void {
    if (this.looks.get(runId) === look) this.forget(runId)
  }

  forget(runId: RunId.RunId): void {
    this.looks.delete(runId)
    this.batches -= this.sizes.get(runId) ?? 0
    this.sizes.delete(runId)
  }
}

const complain = (sentence: string, runId: RunId.RunId, error: StorageError) =>
  Effect.logWarning(`${sentence}: ticks that are in them are stored again`).pipe(
    Effect.annotateLogs({ run: runId, error: error.message })
  )

/** Finds which of `ticks` are in `batches`, and makes those batches survive a crash. */
const find = Effect.fnUntraced(function* (
  storage: Storage["Service"],
  all: EarlierBatches,
  batches: ReadonlyArray<EarlierBatch>,
  ticks: ReadonlyArray<Tick.Tick>,
  range: { readonly first: bigint; readonly last: bigint }
) {
  const wanted = StoredTicks.byNumber(ticks)
  const stored = new Set<Tick.Tick>()
  const differing = new Set<Tick.Tick>()
  for (const batch of batches) {
    if (batch.ticks !== undefined && !isAnyOf(batch.ticks, wanted, range)) continue
    const [found, numbers]: [Array<Tick.Tick>, Array<bigint>] = [[], []]
    yield* StoredTicks.look(
      storage,
      batch.key,
      wanted,
      (tick, isSame) => void (isSame ? found.push(tick) : differing.add(tick)),
      (number) => void numbers.push(number)
    )
    batch.ticks = TickSet.stretches(numbers)
    if (found.length === 0) {
      all.readInVain++
      continue
    }
    if (!batch.isSecured) yield* storage.secure(batch.key)
    batch.isSecured = true
    if ((yield* storage.stat(batch.key)) === undefined) continue // gone meanwhile
    for (const tick of found) stored.add(tick)
  }
  const others = [...differing].filter((tick) => !stored.has(tick))
  if (others.length > 0) {
    yield* Effect.logWarning(
      "Other ticks are stored under these numbers: their batch is stored as it is, if it can be"
    ).pipe(
      Effect.annotateLogs({ run: others[0]?.simulationRunId, ticks: others.length, first: `${others[0]?.tickNumber}` })
    )
    return none
  }
  return stored.size === 0 ? none : ticks.filter((tick) => stored.has(tick))
})

/** Makes the recall of a storage. It fails for nobody: what goes wrong is logged at WARN. */
export const make = Effect.fnUntraced(function* (storage: Storage["Service"]) {
  const background = yield* Scope.make() // never closed: nobody waits for a look that was abandoned
  const runs = new Runs()
  let pauseMs = pauses.shortestMs
  let nextMs = -Infinity
  const annotate = Effect.annotateLogs({ module: "tickvault/recall/Recall", storage: storage.name })

  /** `effect` within its time, and a defect in it as a failure. */
  const limited = <A>(operation: "list" | "read", runId: RunId.RunId, effect: Effect.Effect<A, StorageError>) => {
    const late = new StorageError({ operation, key: runId, reason: new TimedOut({ code: Duration.format(limit) }) })
    return effect.pipe(
      Effect.catchDefect((cause) =>
        Effect.fail(new StorageError({ operation, key: runId, reason: new IoFailure({ code: "UNEXPECTED" }), cause }))
      ),
      (known) =>
        Effect.timeoutOrElse(abandonable(known, background), { duration: limit, orElse: () => Effect.fail(late) })
    )
  }

  const pause = Effect.map(Clock.currentTimeMillis, (nowMs) => {
    nextMs = nowMs + pauseMs
    pauseMs = Math.min(pauseMs * 2, pauses.longestMs)
  })

  const isPausing = Effect.map(Clock.currentTimeMillis, (nowMs) => nowMs < nextMs)

  const list = (runId: RunId.RunId, look: Look) =>
    limited("list", runId, RunFiles.batches(storage, runId)).pipe(
      Effect.map((keys) => {
        pauseMs = pauses.shortestMs
        const batches = new EarlierBatches(keys)
        runs.found(runId, look, batches)
        return batches
      }),
      Effect.tapError(() =>
        Effect.andThen(
          pause,
          Effect.sync(() => runs.failed(runId, look))
        )
      ),
      Effect.catch((error) => Effect.as(complain("Stored batches can't be listed", runId, error), undefined))
    )

  /** The batches of the run that are there at the first look; `undefined` when they can't be listed. */
  const open = Effect.fnUntraced(function* (runId: RunId.RunId) {
    const look = runs.use(runId)
    if (look !== undefined) return yield* Deferred.await(look)
    if (yield* isPausing) return undefined
    // In one step: a look that was begun and never made would be waited for for ever.
    const begun = yield* Effect.suspend(() => {
      const begins = runs.begin(runId)
      return Effect.as(Effect.forkIn(annotate(Deferred.into(list(runId, begins), begins)), background), begins)
    }).pipe(Effect.uninterruptible)
    return yield* Deferred.await(begun)
  })

  /** Asks the ledger once about all batches. Where it can't be read the batches are, one by one. */
  const ask = Effect.fnUntraced(function* (runId: RunId.RunId, batches: EarlierBatches) {
    if (batches.isTold || batches.readInVain < readInVain) return
    batches.isTold = true
    yield* limited("read", runId, LedgerFacts.read(storage, runId)).pipe(
      Effect.map((facts) => batches.tell(facts)),
      Effect.catch(({ message }) =>
        Effect.logDebug("Ledger can't be read, its batches are").pipe(
          Effect.annotateLogs({ run: runId, error: message })
        )
      )
    )
  })

  const recall: Recall = {
    among: Effect.fnUntraced(function* (runId, ticks) {
      if (!Tick.isBatch(ticks)) return none
      const batches = yield* open(runId)
      if (batches === undefined || batches.count === 0) return none
      const range = StorageKey.range(ticks)
      const touched = batches.overlapping(range.first, range.last)
      if (touched.length === 0) return none
      // Each read that hangs holds a thread: after one the next waits its time.
      if (yield* isPausing) return none
      yield* ask(runId, batches)
      return yield* limited("read", runId, find(storage, batches, touched, ticks, range)).pipe(
        Effect.tap(() => Effect.sync(() => void (pauseMs = pauses.shortestMs))),
        Effect.tapError(({ reason }) => (reason._tag === "TimedOut" ? pause : Effect.void)),
        Effect.catch((error) => Effect.as(complain("Stored batches can't be read", runId, error), none))
      )
    }, annotate),
    forget: (runId) => runs.forget(runId)
  }
  return recall
})

/** `tracker`, which also knows what was stored before. */
export const attach = (
  tracker: IdempotencyTracker.IdempotencyTracker["Service"],
  recall: Recall
): IdempotencyTracker.IdempotencyTracker["Service"] =>
  IdempotencyTracker.IdempotencyTracker.of({ ...tracker, recall: recall.among })

/**
 * A tracker of ranges that also knows what earlier processes have put into the storage; with `memory` "keys" the tracker
 * of keys, which doesn't. Fails with `SchemaError` on a bad option.
 */
export const layer = (
  options: typeof IdempotencyTracker.Options.Encoded = {}
): Layer.Layer<IdempotencyTracker.IdempotencyTracker, Schema.SchemaError, Storage> =>
  Layer.effect(
    IdempotencyTracker.IdempotencyTracker,
    Effect.gen(function* () {
      const { memory } = yield* Schema.decodeEffect(IdempotencyTracker.Options)(options)
      if (memory === "keys") return yield* IdempotencyTracker.makeMemory("memory", options)
      const recall = yield* make(yield* Storage)
      return attach(yield* IdempotencyTracker.makeRanges("ranges", options, recall.forget), recall)
    })
  )
