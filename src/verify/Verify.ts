/**
 * Checks whether a run is whole: whether every tick is stored once, with the written bytes.
 *
 * It reads every batch once from end to end, and files that share ticks once more. Memory grows with the number of files
 * and gaps, not with bytes. It changes nothing, and a pipeline may write to the run meanwhile. It lists the batches first,
 * then the letters, then reads the ledger, and looks for missing ticks in batches that were stored since. Only a batch that
 * is being written at that moment counts as missing.
 *
 * It can't detect missing ticks before the first known tick of the run or after the last one.
 *
 * ```ts
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as DeadLetterQueues from "tickvault/deadletter/DeadLetterQueues"
 * import * as RunId from "tickvault/domain/RunId"
 * import * as StoredFiles from "tickvault/storage/StoredFiles"
 * import * as Verify from "tickvault/verify/Verify"
 *
 * const parts = Layer.merge(StoredFiles.layer("runs", "./data"), DeadLetterQueues.layerNone)
 * export const verdict = Verify.verify(RunId.make("run-1")).pipe(
 *   Effect.provide(Layer.provide(parts, NodeServices.layer))
 * )
 * ```
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DeadLetterQueues } from "../deadletter/DeadLetterQueues.ts"
import type * as RunId from "../domain/RunId.ts"
import * as RunFiles from "../runs/RunFiles.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import type { Progress } from "./internal/evidence.ts"
import * as LettersByRun from "./internal/LettersByRun.ts"
import { verifyRun } from "./internal/verifyRun.ts"
import { Collector, type Verdict } from "./Verdict.ts"

export type { Progress } from "./internal/evidence.ts"

export interface Options {
  /** Called for every chunk that is read. Optional. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

const verifyWith = (letters: LettersByRun.LettersByRun, runId: RunId.RunId, { onProgress }: Options) =>
  Effect.suspend(() =>
    verifyRun({ runId, letters, found: new Collector(), onProgress: onProgress ?? (() => undefined) })
  )

/**
 * The verdict on a run of the storage of the context, with the letters in the dead-letter queues of the context. Problems
 * of the run are findings. Fails only when the storage or a folder of letters can't be read.
 */
export const verify = (
  runId: RunId.RunId,
  options: Options = {}
): Effect.Effect<Verdict, StorageError, Storage | DeadLetterQueues> =>
  Effect.flatMap(LettersByRun.make, (letters) => verifyWith(letters, runId, options))

/** The runs with ticks in letters, even if nothing of them is stored. */
export const waitingRuns: Effect.Effect<ReadonlyArray<RunId.RunId>, StorageError, DeadLetterQueues> = Effect.gen(
  function* () {
    const letters = yield* LettersByRun.make
    yield* letters.refresh
    return letters.runIds
  }
)

/** The verdicts on several runs, one after the other. Each letter is read once for all of them. */
export const verifyEach = <R>(
  runIds: Stream.Stream<RunId.RunId, StorageError, R>,
  options: Options = {}
): Stream.Stream<Verdict, StorageError, Storage | DeadLetterQueues | R> =>
  Stream.unwrap(
    Effect.map(LettersByRun.make, (letters) => Stream.mapEffect(runIds, (runId) => verifyWith(letters, runId, options)))
  )

/** The verdicts on all runs of the storage of the context. */
export const verifyAll = (options: Options = {}): Stream.Stream<Verdict, StorageError, Storage | DeadLetterQueues> =>
  verifyEach(RunFiles.runIds, options)
