/**
 * The outcomes of the ticks of a letter: stored now, stored before, or still in the letter.
 *
 * Only the storage proves that a tick is stored. The tracker may know a tick that another batch still has in flight, or
 * whose file was removed since. Such a tick stays in the letter.
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as DeadLetter from "../../deadletter/DeadLetter.ts"
import * as Tick from "../../domain/Tick.ts"
import * as IdempotencyTracker from "../../idempotency/IdempotencyTracker.ts"
import * as StoredTicks from "../../runs/StoredTicks.ts"
import { Storage } from "../../storage/Storage.ts"
import { KeyConflict, StorageError } from "../../storage/StorageError.ts"
import type { Parts } from "./Parts.ts"
import * as Redelivery from "./redelivery.ts"

/** The ticks of a letter, each in one of the three fields. Nothing is recorded yet. */
export interface Resolution {
  readonly stored: ReadonlyArray<Tick.Tick>
  readonly duplicate: ReadonlyArray<Tick.Tick>
  /** The ticks that stay in the letter, and why. `undefined` when none stay. */
  readonly remaining: { readonly ticks: Tick.Batch; readonly failure: DeadLetter.Failure } | undefined
}

/** The tracker knows the ticks, but they are not stored: a service has them in flight. */
export class NotStoredYet extends Schema.TaggedError<NotStoredYet>()("NotStoredYet", { ticks: Schema.Int }) {
  override get message() {
    return `${this.ticks} ticks are not stored yet, but a running service has them in flight: replay again later`
  }
}

const conflict = (key: string) => new StorageError({ operation: "commit", key, reason: new KeyConflict() })

/** The first tick of each number, and the ticks that repeat a number. */
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

/** Why ticks stay in the letter: the first failure. */
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
 * Makes the batches with ticks of a letter survive a crash, before the letter is removed. They may come from attempts whose
 * outcome was not known, and the ledger may have no entry for them.
 */
const secure = Effect.fnUntraced(function* ({ ledger, storage }: Parts, holders: StoredTicks.Divided["holders"]) {
  for (const { key, runId } of holders) {
    yield* storage.secure(key)
    yield* ledger.attend(runId)
  }
})

/** Stores the ticks of `ticks` that are not stored yet. Fails when the storage can't be read. May be repeated. */
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
  yield* secure(
    parts,
    Arr.dedupeWith([...before.holders, ...after.holders], (a, b) => a.key === b.key)
  )
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
