/**
 * Batches in a storage, for tests that have several storages and name one at each call.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as BatchFile from "../../src/batch/BatchFile.ts"
import { Storage } from "../../src/storage/Storage.ts"

type Port = Storage["Service"]

export { checksum, keyOf, type Written } from "../../src/batch/BatchFile.ts"

export const write = (storage: Port, ...args: Parameters<typeof BatchFile.write>) =>
  Effect.provideService(BatchFile.write(...args), Storage, storage)

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
