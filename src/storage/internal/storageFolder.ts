/**
 * The folder of a storage, and the durability of its files.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Semaphore from "effect/Semaphore"
import type { Medium } from "../Medium.ts"
import type * as StorageMetrics from "../StorageMetrics.ts"
import * as Files from "./files.ts"

/** The parts of a storage that writers and logs need. */
export interface StorageFolder {
  readonly storage: string
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  readonly metrics: StorageMetrics.StorageMetrics
  readonly medium: Medium
  /** Held while a name is reserved and filled, on file systems without hard links. */
  readonly naming: Semaphore.Semaphore
}

/** Fsyncs `folder`, measured, when the storage promises that names are durable. */
export const syncFolder = ({ fs, medium, metrics }: StorageFolder, folder: string) =>
  medium.durability === "full" ? metrics.timeSync("directory", Files.syncFolder(fs, folder)) : Effect.void

/** Fsyncs `file`, measured, when the storage promises that bytes are durable. */
export const syncFile = ({ medium, metrics }: StorageFolder, file: FileSystem.File) =>
  medium.durability === "none" ? Effect.void : metrics.timeSync("file", file.sync)
