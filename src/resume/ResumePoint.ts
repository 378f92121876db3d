/**
 * Finds where a run of any simulation goes on: what it was made with, which of its ticks are there, and from which of them
 * the simulation can be restored.
 *
 * A tick is there when it is stored, in a batch that is what was written, or waits in a dead letter. Damaged batches at the
 * end of the run, and those of a wrong size anywhere, are set aside, and so is the batch with the tick to restore from if
 * it is damaged: their ticks are made again. Batches in between that have the right size are not read; `Verify` reads all.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as RunId from "tickvault/domain/RunId"
 * import * as ResumePoint from "tickvault/resume/ResumePoint"
 * import * as SimulationEngine from "tickvault/simulation/SimulationEngine"
 *
 * // An engine that makes what is missing of the run, up to the tick at which the run was to end.
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

/** Without its metadata nobody knows what a run was made with. */
export class MetadataMissing extends Schema.TaggedError<MetadataMissing>()("MetadataMissing", {
  simulationRunId: Schema.String,
  location: Schema.String
}) {
  override get message() {
    return `run ${RunId.quote(this.simulationRunId)} has no metadata.pb in ${this.location}: nobody knows what its world was made with, and it can't go on. Put the file back, or begin a new run`
  }
}

export type ResumeError = MetadataMissing | RunSettings.SettingsError | StorageError | DeadLetterError

/** What was found of a run. */
export interface ResumePoint {
  /** What the run began with: `RunSettings.decode` gives the settings of its simulation. */
  readonly recorded: RunSettings.Recorded
  /** For the engine that goes on with the run. */
  readonly resume: SimulationEngine.Resume
  /** The first tick that is neither stored nor in a dead letter. */
  readonly firstMissing: bigint
  /** Distinct ticks that are stored. */
  readonly stored: bigint
  /** Distinct ticks that are not stored and wait in dead letters. */
  readonly inLetters: bigint
  /** Batches that are stored. */
  readonly batches: number
  /** Keys of damaged batches that were set aside. */
  readonly setAside: ReadonlyArray<StorageKey.StorageKey>
}

/**
 * The metadata of the run `runId` of the storage of the context. Fails with `MetadataMissing` when it has none, and with
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

/** The ticks in a letter; `undefined` when it can't be read or has been dealt with since. */
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
 * Finds where the run `runId` of the storage of the context goes on, with its ledger and the dead letters of the context.
 * Nobody else may write to the run meanwhile. Sets damaged batches aside and adds to the ledger what it lacks; repeat it
 * after a crash. Fails with `MetadataMissing`, with what is missing or wrong in the metadata, and when the storage or the
 * dead-letter queue can't be read. Memory: by batches and gaps, not by ticks.
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
    if (last !== undefined && from === undefined) continue // its batch was dropped: its ticks are missing now
    return {
      recorded,
      resume: { runId, from, settled, recorded },
      firstMissing,
      stored: stored.size,
      inLetters: settled.size - stored.size,
      batches: batches.size,
      setAside: batches.setAside
    }
  }
})
