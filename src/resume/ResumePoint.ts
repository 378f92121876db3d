/**
 * Finds the point where a run of any simulation resumes: its settings, its existing ticks, and the tick from which the
 * simulation can be restored.
 *
 * A tick exists when it is in an intact batch or in a dead letter. Damaged batches at the end of the run are set aside. So
 * are batches of a wrong size, and the batch with the tick to restore from, if it is damaged. Their ticks are made again.
 * Other batches of the right size are not read: `Verify` reads all.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as RunId from "tickvault/domain/RunId"
 * import * as ResumePoint from "tickvault/resume/ResumePoint"
 * import * as SimulationEngine from "tickvault/simulation/SimulationEngine"
 *
 * // An engine that makes the missing ticks of the run, up to the end that the run was begun with.
 * export const engine = Layer.unwrap(
 *   Effect.gen(function* () {
 *     const { resume } = yield* ResumePoint.find(RunId.make("run-1"))
 *     return SimulationEngine.layer({ resume })
 *   })
 * )
 * ```
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DeadLetter from "../deadletter/DeadLetter.ts"
import { type DeadLetterError, DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import * as TickSet from "../domain/TickSet.ts"
import type { RunLedger } from "../ledger/RunLedger.ts"
import * as RunSettings from "../simulation/RunSettings.ts"
import type * as SimulationEngine from "../simulation/SimulationEngine.ts"
import { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"
import * as SampledTicks from "./internal/sampledTicks.ts"
import * as TrustedBatches from "./internal/TrustedBatches.ts"

/** The run has no metadata, so its settings are not known. */
export class MetadataMissing extends Schema.TaggedError<MetadataMissing>()("MetadataMissing", {
  simulationRunId: Schema.String,
  location: Schema.String
}) {
  override get message() {
    return `run ${RunId.quote(this.simulationRunId)} has no metadata.pb in ${this.location}: its settings are not known, so it can't be resumed. Restore the file, or begin a new run`
  }
}

export type ResumeError = MetadataMissing | RunSettings.SettingsError | StorageError | DeadLetterError

/** The state of a run to resume. */
export interface ResumePoint {
  /** The settings that the run began with. `RunSettings.decode` returns those of its simulation. */
  readonly recorded: RunSettings.Recorded
  /** For the engine that resumes the run. */
  readonly resume: SimulationEngine.Resume
  /** The first tick that is neither stored nor in a dead letter. */
  readonly firstMissing: bigint
  /** The last tick that is stored or in a dead letter. `undefined`: there is none. */
  readonly last: bigint | undefined
  /** Distinct ticks that are stored. */
  readonly stored: bigint
  /** Distinct ticks that are in dead letters and not stored. */
  readonly inLetters: bigint
  /** The number of stored batches. */
  readonly batches: number
  /** Keys of damaged batches that were set aside. */
  readonly setAside: ReadonlyArray<StorageKey.StorageKey>
}

/**
 * The metadata of the run `runId` in the storage of the context. Fails with `MetadataMissing` when it has none, and with
 * `SettingsInvalid` when they can't be read.
 */
export const metadata = Effect.fnUntraced(function* (runId: RunId.RunId) {
  const storage = yield* Storage
  const chunks = yield* Stream.runCollect(storage.read(StorageKey.metadata(runId))).pipe(
    Effect.catchReason("StorageError", "ObjectMissing", () =>
      Effect.fail(new MetadataMissing({ simulationRunId: runId, location: storage.location }))
    )
  )
  return yield* RunSettings.parse(runId, Bytes.concat([...chunks]))
})

const warnUnreadable = (id: string) => (error: { readonly message: string }) =>
  Effect.as(
    Effect.logWarning("A dead letter can't be read: ticks of the run that it may hold are made again").pipe(
      Effect.annotateLogs({ letter: id, error: error.message })
    ),
    undefined
  )

/** The ticks in a letter. `undefined` when it can't be read or was removed meanwhile. */
const ticksOf = (deadLetters: DeadLetterQueue["Service"], id: string) =>
  deadLetters.get(id).pipe(
    Effect.flatMap(DeadLetter.ticks),
    Effect.catchReason("DeadLetterError", "LetterMissing", () => Effect.undefined),
    Effect.catchReason("DeadLetterError", "LetterDamaged", warnUnreadable(id)),
    Effect.catchTag("LetterDamaged", warnUnreadable(id))
  )

/** The ticks of the run that wait in letters. Memory: one letter at a time, and their stretches. */
const waiting = Effect.fnUntraced(function* (runId: RunId.RunId) {
  const deadLetters = yield* DeadLetterQueue
  const found: Array<TickSet.Stretch> = []
  yield* Stream.runForEach(deadLetters.ids, (id) =>
    Effect.map(ticksOf(deadLetters, id), (ticks: ReadonlyArray<Tick.Tick> = []) => {
      const own = ticks.filter(({ simulationRunId }) => simulationRunId === runId)
      for (const stretch of TickSet.stretches(own.map(({ tickNumber }) => tickNumber))) found.push(stretch)
    })
  )
  return found
})

/**
 * Finds the point where the run `runId` resumes, with the storage, the ledger and the dead letters of the context. No other
 * process may write to the run meanwhile. It sets damaged batches aside and adds missing entries to the ledger. Repeat it
 * after a crash. Fails with `MetadataMissing`, when a setting in the metadata is missing or wrong, and when the storage or
 * the dead-letter queue can't be read. Memory grows with batches and gaps, not with ticks.
 */
export const find = Effect.fn("ResumePoint.find")(function* (
  runId: RunId.RunId
): Effect.fn.Return<ResumePoint, ResumeError, Storage | RunLedger | DeadLetterQueue> {
  const recorded = yield* RunSettings.recorded(yield* metadata(runId))
  const sampling = { interval: BigInt(recorded.samplingInterval), first: recorded.firstTick }
  const letters = yield* waiting(runId)
  const batches = yield* TrustedBatches.find(runId)
  for (;;) {
    const stored = SampledTicks.of(batches.stretches, sampling)
    const settled = SampledTicks.of([...stored.stretches, ...letters], sampling)
    const firstMissing = SampledTicks.firstMissing(settled, sampling)
    const last = SampledTicks.greatestBelow(stored, firstMissing)
    const from = last === undefined ? undefined : yield* batches.tick(last)
    if (last !== undefined && from === undefined) continue // its batch was set aside, so its ticks are missing now
    return {
      recorded,
      resume: { runId, from, settled, recorded },
      firstMissing,
      last: settled.stretches.at(-1)?.last,
      stored: stored.size,
      inLetters: settled.size - stored.size,
      batches: batches.size,
      setAside: batches.setAside
    }
  }
})
