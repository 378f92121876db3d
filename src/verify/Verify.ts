/**
 * Is a run whole: is every tick of it stored, once and as it was written?
 *
 * Every batch is read once from end to end, in memory by the number of files and gaps and not of bytes; files that share ticks are read once more. Changes nothing, and a pipeline may be at work meanwhile:
 * the batches are listed first, then the letters, then the ledger is read, and what is missing by then is looked for
 * among what has come since. A batch that is on its way at that moment is missing, though.
 *
 * What came before the first tick that anything speaks of, and after the last, nobody can tell.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DeadLetterQueue } from "../deadletter/DeadLetterQueue.ts"
import type * as RunId from "../domain/RunId.ts"
import type { Storage } from "../storage/Storage.ts"
import type { StorageError } from "../storage/StorageError.ts"
import { inspect } from "./internal/inspect.ts"
import { LetterBook } from "./internal/LetterBook.ts"
import * as RunFiles from "../runs/RunFiles.ts"
import { Collector, type Verdict } from "./Verdict.ts"

/** How far it is. */
export interface Progress {
  readonly run: RunId.RunId
  /** Files that have been read, and how many there are. */
  readonly files: number
  readonly of: number
  /** Bytes read of the run. */
  readonly bytes: number
}

export interface Options {
  /** Where letters with ticks of the run may wait. */
  readonly letters: ReadonlyArray<DeadLetterQueue["Service"]>
  /** Told of every chunk that is read. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

const look = (
  storage: Storage["Service"],
  runId: RunId.RunId,
  book: LetterBook,
  { onProgress = () => undefined }: Options
): Effect.Effect<Verdict, StorageError> =>
  Effect.suspend(() => inspect({ storage, runId, book, found: new Collector(), onProgress }))

/** The verdict on a run, whatever is wrong with it. Fails when the storage or a folder of letters can't be read. */
export const verify = (
  storage: Storage["Service"],
  runId: RunId.RunId,
  options: Options
): Effect.Effect<Verdict, StorageError> =>
  Effect.suspend(() => look(storage, runId, new LetterBook(options.letters), options))

/** The runs whose ticks wait in letters, whether anything of them is stored or not. */
export const waitingRuns = (letters: Options["letters"]): Effect.Effect<ReadonlyArray<RunId.RunId>, StorageError> =>
  Effect.suspend(() => {
    const book = new LetterBook(letters)
    return Effect.map(book.refresh, () => book.runIds)
  })

/** The verdicts on several runs, one after the other. A letter is read once. */
export const verifyEach = (
  storage: Storage["Service"],
  runIds: Stream.Stream<RunId.RunId, StorageError>,
  options: Options
): Stream.Stream<Verdict, StorageError> =>
  Stream.suspend(() => {
    const book = new LetterBook(options.letters)
    return Stream.mapEffect(runIds, (runId) => look(storage, runId, book, options))
  })

/** The verdicts on all runs that something is stored of. */
export const verifyAll = (storage: Storage["Service"], options: Options): Stream.Stream<Verdict, StorageError> =>
  verifyEach(storage, RunFiles.runIds(storage), options)
