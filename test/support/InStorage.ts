/**
 * What the project reads from a storage, for tests that have several storages and name one at each call.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DeadLetterQueue } from "../../src/deadletter/DeadLetterQueue.ts"
import { DeadLetterQueues } from "../../src/deadletter/DeadLetterQueues.ts"
import type * as RunId from "../../src/domain/RunId.ts"
import * as Ledger from "../../src/ledger/Ledger.ts"
import * as RunFiles from "../../src/runs/RunFiles.ts"
import * as RunTicks from "../../src/runs/RunTicks.ts"
import { Storage } from "../../src/storage/Storage.ts"
import type * as StorageKey from "../../src/storage/StorageKey.ts"
import * as RunSummary from "../../src/summary/RunSummary.ts"
import * as Rebuild from "../../src/verify/Rebuild.ts"
import * as Verify from "../../src/verify/Verify.ts"

type Port = Storage["Service"]

/** The dead-letter queues in which ticks of a run may wait. */
export interface Letters {
  readonly letters: ReadonlyArray<DeadLetterQueue["Service"]>
}

export const ledger = (storage: Port, runId: RunId.RunId) => Stream.provideService(Ledger.read(runId), Storage, storage)

export const log = (storage: Port, key: StorageKey.StorageKey) =>
  Stream.provideService(Ledger.readLog(key), Storage, storage)

export const runIds = (storage: Port) => Stream.provideService(RunFiles.runIds, Storage, storage)

export const batches = (storage: Port, runId: RunId.RunId) =>
  Effect.provideService(RunFiles.batches(runId), Storage, storage)

export const ticks = (storage: Port, runId: RunId.RunId, options?: RunTicks.Options) =>
  Stream.provideService(RunTicks.ticks(runId, options), Storage, storage)

export const salvagedTicks = (storage: Port, runId: RunId.RunId, options?: RunTicks.Options) =>
  Stream.provideService(RunTicks.salvagedTicks(runId, options), Storage, storage)

export const summary = (storage: Port, runId: RunId.RunId) =>
  Effect.provideService(RunSummary.read(runId), Storage, storage)

export const verify = (storage: Port, runId: RunId.RunId, { letters }: Letters) =>
  Verify.verify(runId).pipe(Effect.provideService(Storage, storage), Effect.provideService(DeadLetterQueues, letters))

export const verifyAll = (storage: Port, { letters, onProgress }: Letters & Verify.Options) =>
  Verify.verifyAll({ onProgress }).pipe(
    Stream.provideService(Storage, storage),
    Stream.provideService(DeadLetterQueues, letters)
  )

export const rebuild = (storage: Port, runId: RunId.RunId, { letters }: Letters) =>
  Rebuild.rebuild(runId).pipe(Effect.provideService(Storage, storage), Effect.provideService(DeadLetterQueues, letters))
