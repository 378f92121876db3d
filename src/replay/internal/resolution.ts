/**
 * What becomes of the ticks of a letter: stored now, stored before, or still the letter's.
 *
 * Only the storage says that a tick is stored. A tracker that is shared with live services takes a tick for a duplicate
 * that another batch merely has in hand, or whose file has been taken away since: such a tick stays in the letter.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as DeadLetter from "../../deadletter/DeadLetter.ts"
import * as Tick from "../../domain/Tick.ts"
import * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import * as StoredTicks from "../../runs/StoredTicks.ts"
import { Storage } from "../../storage/Storage.ts"
import { KeyConflict, StorageError } from "../../storage/StorageError.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import type { Parts } from "./Parts.ts"
import * as Redelivery from "./redelivery.ts"

/** The ticks of a letter, each in one of the three, before anything of it is noted. */
export interface Resolution {
  readonly stored: ReadonlyArray<Tick.Tick>
  readonly duplicate: ReadonlyArray<Tick.Tick>
  /** What is still the letter's, and why; `undefined` when nothing is. */
  readonly remaining: { readonly ticks: Tick.Batch; readonly failure: DeadLetter.Failure } | undefined
}

/** Ticks that the tracker knows and the storage has not: somebody stores them now, or has them in hand. */
export class NotStoredYet extends Schema.TaggedError<NotStoredYet>()("NotStoredYet", { ticks: Schema.Int }) {
  override get message() {
    return `${this.ticks} ticks count as being stored by a running service, and no stored batch has them: replay again later`
  }
}

const conflict = (key: string) => new StorageError({ operation: "commit", key, reason: new KeyConflict() })

/** The first tick of each number, and those whose number was there before. */
const firstOfEach = (ticks: ReadonlyArray<Tick.Tick>) => {
  const seen = new Set<string>()
  const [first, again]: [Array<Tick.Tick>, Array<Tick.Tick>] = [[], []]
  for (const tick of ticks) {
    const key = IdempotencyTracker.key(tick.simulationRunId, tick)
    ;(seen.has(key) ? again : first).push(tick)
    seen.add(key)
  }
  return { first, again }
}

const nothing: Redelivery.Redelivered = { stored: [], duplicate: [], failed: [] }

/** The first of all that has kept ticks from being stored. */
const failureOf = (
  failed: Redelivery.Redelivered["failed"],
  conflicting: StoredTicks.Divided["conflicting"],
  unsettled: number,
  nowMs: number
): DeadLetter.Failure => {
  const [portion] = failed
  if (portion !== undefined) return portion.failure
  const at = { retries: 0, firstFailureMs: nowMs, lastFailureMs: nowMs }
  const [first] = conflicting
  if (first !== undefined) return { reason: "key_conflict", error: conflict(first.key), ...at }
  return { reason: "storage", error: new NotStoredYet({ ticks: unsettled }), ...at }
}

/**
 * Batches that ticks were found in may be of attempts that nobody has heard of: they must survive a crash before a letter
 * goes that has the same ticks, and the ledger may not know them.
 */
const secure = Effect.fnUntraced(function* ({ ledger, storage }: Parts, keys: ReadonlyArray<StorageKey.StorageKey>) {
  for (const key of new Set(keys)) {
    yield* storage.secure(key)
    const runId = StorageKey.batchName(key)?.runId
    if (runId !== undefined) yield* ledger.attend(runId)
  }
})

/** Stores what isn't stored of `ticks`. Fails when the storage can't say what it has; everything may be repeated then. */
export const resolve = Effect.fn("Replay.resolve")(function* (parts: Parts, ticks: Tick.Batch) {
  const divide = (some: ReadonlyArray<Tick.Tick>) =>
    Effect.provideService(StoredTicks.divide(some), Storage, parts.storage)
  const before = yield* divide(ticks)
  const { again, first } = firstOfEach(before.fresh)
  const { duplicate, failed, stored } = Tick.isBatch(first) ? yield* Redelivery.redeliver(parts, first) : nothing
  const unsure = [...duplicate, ...again]
  const after = yield* divide(unsure)
  const conflicting = [...before.conflicting, ...after.conflicting]
  const remaining = new Set([
    ...conflicting.map(({ tick }) => tick),
    ...failed.flatMap((portion) => portion.ticks),
    ...after.fresh
  ])
  const nowMs = Math.floor(yield* Clock.currentTimeMillis)
  yield* secure(parts, [...before.keys, ...after.keys])
  const left = ticks.filter((tick) => remaining.has(tick))
  const resolution: Resolution = {
    stored,
    duplicate: [...before.stored, ...after.stored],
    remaining: Tick.isBatch(left)
      ? { ticks: left, failure: failureOf(failed, conflicting, after.fresh.length, nowMs) }
      : undefined
  }
  return resolution
})
