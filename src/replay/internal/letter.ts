/**
 * Replays, previews or drops one letter.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as DeadLetter from "../../deadletter/DeadLetter.ts"
import * as RunId from "../../domain/RunId.ts"
import * as Tick from "../../domain/Tick.ts"
import * as StoredTicks from "../../runs/StoredTicks.ts"
import * as Storage from "../../storage/Storage.ts"
import * as StorageKey from "../../storage/StorageKey.ts"
import type { Preview, Replayed } from "../Replayed.ts"
import * as LetterTicks from "./letterTicks.ts"
import type { Parts } from "./Parts.ts"
import * as Resolution from "./resolution.ts"

const read = Effect.fnUntraced(function* ({ deadLetters }: Parts, id: string) {
  const letter = yield* deadLetters.get(id)
  return { letter, ticks: yield* DeadLetter.ticks(letter) }
})

/** Records the result of the replay in the ledger of every run, durably. */
const note = Effect.fnUntraced(function* (
  { ledger }: Parts,
  letter: string,
  ticks: ReadonlyArray<Tick.Tick>,
  { duplicate, remaining, stored }: Resolution.Resolution
) {
  const atMs = Math.floor(yield* Clock.currentTimeMillis)
  const [storedNow, storedBefore] = [new Set(stored), new Set(duplicate)]
  for (const [runId, of] of Tick.byRun(ticks)) {
    yield* ledger.record(runId, {
      _tag: "Replay",
      letter,
      stored: of.filter((tick) => storedNow.has(tick)).length,
      duplicate: of.filter((tick) => storedBefore.has(tick)).length,
      remaining: remaining?.ticks.length ?? 0,
      atMs
    })
  }
  yield* ledger.flush
})

const count = Effect.fnUntraced(function* ({ metrics }: Parts, resolution: Resolution.Resolution) {
  const { duplicate, remaining, stored } = resolution
  yield* metrics.letter(remaining !== undefined ? "failed" : stored.length > 0 ? "stored" : "duplicate")
  yield* metrics.ticks("stored", stored.length)
  yield* metrics.ticks("duplicate", duplicate.length)
  yield* metrics.ticks("failed", remaining?.ticks.length ?? 0)
})

/**
 * Records the result, then removes the letter or updates it with the remaining ticks. The next replay repeats a failed
 * step.
 */
const finish = Effect.fnUntraced(function* (
  parts: Parts,
  letter: DeadLetter.DeadLetter,
  ticks: Tick.Batch,
  resolution: Resolution.Resolution
) {
  const { deadLetters } = parts
  const { duplicate, remaining, stored } = resolution
  const left = remaining?.ticks.length ?? 0
  // A tick leaves its letter only after the ledger has recorded where it is. When all ticks stay, there is nothing to record.
  if (left < ticks.length) yield* note(parts, letter.id, ticks, resolution)
  const next =
    remaining === undefined ? deadLetters.remove(letter.id) : deadLetters.update(DeadLetter.extend(letter, remaining))
  yield* Effect.uninterruptibleMask((restore) => Effect.andThen(restore(next), count(parts, resolution)))
  const replayed: Replayed = {
    letter: letter.id,
    stored: stored.length,
    duplicate: duplicate.length,
    remaining: left,
    problem: remaining?.failure.error.message
  }
  return replayed
})

const log = ({ duplicate, letter, problem, remaining, stored }: Replayed) =>
  Effect.logInfo(remaining === 0 ? "Dead letter replayed" : "Dead letter replayed partly or not at all").pipe(
    Effect.annotateLogs({ letter, stored, duplicate, remaining }),
    Effect.annotateLogs(problem === undefined ? {} : { problem })
  )

/** Replays the letter with this id. May be interrupted at any moment and repeated. */
export const replay = Effect.fn("Replay.replay")(function* (parts: Parts, id: string) {
  yield* Effect.annotateCurrentSpan({ letter: id })
  const { letter, ticks } = yield* read(parts, id)
  const replayed = yield* finish(parts, letter, ticks, yield* Resolution.resolve(parts, ticks))
  yield* log(replayed)
  return replayed
})

const isStorable = ({ simulationRunId, tickNumber }: Tick.Tick) => RunId.is(simulationRunId) && tickNumber >= 0n

/** The number of `ticks`, none of them stored, whose key another batch has already. */
const taken = Effect.fnUntraced(function* ({ storage }: Parts, ticks: ReadonlyArray<Tick.Tick>) {
  let total = 0
  for (const [runId, of] of Tick.byRun(ticks)) {
    if (!Tick.isBatch(of)) continue
    const key = StorageKey.batch(runId, of)
    const isTaken = (yield* Storage.exists(storage, key)) || (yield* Storage.exists(storage, StorageKey.sibling(key)))
    if (isTaken) total += of.length
  }
  return total
})

/** The expected result of a replay. Changes nothing. */
export const preview = Effect.fn("Replay.preview")(function* (parts: Parts, id: string) {
  yield* Effect.annotateCurrentSpan({ letter: id })
  const { letter, ticks } = yield* read(parts, id)
  const { conflicting, fresh, stored } = yield* StoredTicks.divide(ticks).pipe(
    Effect.provideService(Storage.Storage, parts.storage)
  )
  const storable = fresh.filter(isStorable)
  const blocked = yield* taken(parts, storable)
  const found: Preview = {
    letter: letter.id,
    fresh: storable.length - blocked,
    duplicate: stored.length,
    refused: conflicting.length + fresh.length - storable.length + blocked
  }
  return found
})

/** The ticks of a letter by run, and their number. Those of a damaged letter come from the ledgers. */
const contents = Effect.fnUntraced(function* (parts: Parts, id: string) {
  const { ledger, storage } = parts
  const noted = () =>
    Effect.andThen(ledger.flush, LetterTicks.ofLedgers(id)).pipe(
      Effect.map((portions) => ({ portions, ticks: portions.reduce((sum, portion) => sum + portion.count, 0) })),
      Effect.provideService(Storage.Storage, storage)
    )
  return yield* Effect.map(read(parts, id), ({ ticks }) => ({
    portions: LetterTicks.ofTicks(ticks),
    ticks: ticks.length
  })).pipe(Effect.catchTag("LetterDamaged", noted), Effect.catchReason("DeadLetterError", "LetterDamaged", noted))
})

/** Deletes a letter. The ledgers keep `reason`. Succeeds with the number of deleted ticks. */
export const drop = Effect.fn("Replay.drop")(function* (parts: Parts, id: string, reason: string) {
  yield* Effect.annotateCurrentSpan({ letter: id })
  const { deadLetters, ledger } = parts
  yield* deadLetters.checkChangeable
  const atMs = Math.floor(yield* Clock.currentTimeMillis)
  const { portions, ticks } = yield* contents(parts, id)
  for (const portion of portions) {
    const { runId, stretches } = portion
    yield* ledger.record(runId, { _tag: "Drop", letter: id, stretches, count: portion.count, reason, atMs })
  }
  yield* ledger.flush
  yield* deadLetters.remove(id)
  yield* Effect.logWarning(
    portions.length > 0
      ? "Dead letter dropped, its ticks are gone"
      : "Dead letter dropped, but no run's ledger can record it"
  ).pipe(Effect.annotateLogs({ letter: id, ticks, reason }))
  return ticks
})
