/**
 * Batches in a storage, for tests that have several storages and name one at each call.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as BatchFile from "../../src/batch/BatchFile.ts"
import * as Compression from "../../src/batch/Compression.ts"
import type * as Tick from "../../src/domain/Tick.ts"
import type { RunBatch } from "../../src/domain/RunBatch.ts"
import { Storage } from "../../src/storage/Storage.ts"

type Port = Storage["Service"]

/** A storage with the compression of the batches that a test writes to it: none where it says nothing. */
export type Compressing = Port & { readonly compression?: Compression.Compression["Service"] }

/** `storage`, with the compression of the batches that are written to it. */
export const compressing = <S extends Port>(storage: S, compression: "none" | "zstd", level = 1) => ({
  ...storage,
  compression: Compression.makeWith({ compression, compressionLevel: level })
})

const compressionOf = (storage: Compressing) =>
  Effect.provideService(Compression.Compression, storage.compression ?? Compression.none)

export { checksum, type Written } from "../../src/batch/BatchFile.ts"

export const keyOf = (storage: Compressing, batch: RunBatch<Tick.Batch>) =>
  Effect.runSync(compressionOf(storage)(BatchFile.keyOf(batch)))

export const write = (storage: Compressing, ...args: Parameters<typeof BatchFile.write>) =>
  BatchFile.write(...args).pipe(Effect.provideService(Storage, storage), compressionOf(storage))

export const read = (storage: Port, ...args: Parameters<typeof BatchFile.read>) =>
  Stream.provideService(BatchFile.read(...args), Storage, storage)

export const readWhole = (storage: Port, ...args: Parameters<typeof BatchFile.readWhole>) =>
  Effect.provideService(BatchFile.readWhole(...args), Storage, storage)

export const scan = (storage: Port, ...args: Parameters<typeof BatchFile.scan>) =>
  Effect.provideService(BatchFile.scan(...args), Storage, storage)

export const prove = (storage: Port, ...args: Parameters<typeof BatchFile.prove>) =>
  Effect.provideService(BatchFile.prove(...args), Storage, storage)

export const size = (storage: Port, ...args: Parameters<typeof BatchFile.size>) =>
  Effect.provideService(BatchFile.size(...args), Storage, storage)

export const salvage = (storage: Port, ...args: Parameters<typeof BatchFile.salvage>) =>
  Stream.provideService(BatchFile.salvage(...args), Storage, storage)
