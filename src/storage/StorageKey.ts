/**
 * The name of a stored object: segments separated by "/", such as `run-7/metadata.pb`.
 *
 * A key that parses stays below the storage folder on every common file system: it is relative, has no ".." and no drive
 * letter, and none of its segments is hidden, empty, too long or has characters that file systems refuse.
 *
 * ```ts
 * import * as RunId from "tickvault/domain/RunId"
 * import * as StorageKey from "tickvault/storage/StorageKey"
 * import * as TestTick from "tickvault/testing/TestTick"
 *
 * // "run-1/batch_0000000000000000007_0000000000000000007.pb.zst"
 * export const key = StorageKey.batch(RunId.make("run-1"), [TestTick.make("run-1", 7)], "zstd")
 * export const first = StorageKey.batchName(key)?.first
 * ```
 */
import * as Brand from "effect/Brand"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { RunBatch } from "../domain/RunBatch.ts"
import * as RunId from "../domain/RunId.ts"
import type * as Tick from "../domain/Tick.ts"
import type * as TickSet from "../domain/TickSet.ts"

export type StorageKey = string & Brand.Brand<"StorageKey">

/** The compression of a batch. */
export type Codec = "none" | "zstd"

const brand = Brand.nominal<StorageKey>()

/** The longest key, in characters. */
const maxKeyLength = 1024

/** The key is not safe as a path. */
export class InvalidStorageKey extends Schema.TaggedError<InvalidStorageKey>()("InvalidStorageKey", {
  key: Schema.String,
  violation: Schema.String
}) {
  override get message() {
    return `storage key ${RunId.quote(this.key)}: ${this.violation}`
  }
}

/**
 * A fast test that accepts nearly all valid keys: letters, digits, "_" and "-" with single dots and slashes between
 * them.
 */
const plain = /^[\w-]+(?:[./][\w-]+)*$/u

const violation = (key: string): string | undefined => {
  if (key.length <= RunId.maxSegmentBytes && plain.test(key)) return undefined
  if (key === "") return "is empty"
  if (key.startsWith("/")) return "is an absolute path"
  if (key.length > maxKeyLength) return `is longer than ${maxKeyLength} characters`
  for (const segment of key.split("/")) {
    const reason = RunId.segmentViolation(segment)
    if (reason !== undefined) return `a segment ${reason}`
  }
  return undefined
}

/** Checks `key`. Fails with `InvalidStorageKey`, which names the problem. */
export const parse = (key: string): Effect.Effect<StorageKey, InvalidStorageKey> => {
  const reason = violation(key)
  return reason === undefined
    ? Effect.succeed(brand(key))
    : Effect.fail(new InvalidStorageKey({ key, violation: reason }))
}

/** Whether `key` is safe. */
export const is = (key: string): key is StorageKey => violation(key) === undefined

const pad = (tickNumber: bigint): string => tickNumber.toString().padStart(19, "0")

/** Key of the metadata of a run. */
export const metadata = (runId: RunId.RunId): StorageKey => brand(`${runId}/metadata.pb`)

/** The additional suffix of compressed batches. */
const zstdSuffix = ".zst"

const named = (runId: RunId.RunId, { first, last }: TickSet.Range, codec: Codec): StorageKey =>
  brand(`${runId}/batch_${pad(first)}_${pad(last)}.pb${codec === "zstd" ? zstdSuffix : ""}`)

/**
 * Key of a batch of `runId` with `codec`. It contains the smallest and the largest tick, so that keys
 * sort like their ticks.
 */
export const batch = (runId: RunId.RunId, ticks: Tick.Batch, codec: Codec = "none"): StorageKey =>
  named(runId, range(ticks), codec)

/** Like `batch`, from the stretches of the batch. */
export const ofRunBatch = (batch: RunBatch<Tick.Batch>, codec: Codec): StorageKey =>
  named(batch.runId, rangeOf(batch), codec)

/** Whether `key` has the suffix of a compressed batch. Its content may still be uncompressed. */
export const isCompressed = (key: string): boolean => key.endsWith(zstdSuffix)

/** Key of the same batch with the other compression. */
export const sibling = (key: StorageKey): StorageKey =>
  brand(isCompressed(key) ? key.slice(0, -zstdSuffix.length) : `${key}${zstdSuffix}`)

/** The content of a batch's key: its run, and its smallest and largest tick. */
export interface BatchName {
  readonly runId: RunId.RunId
  readonly first: bigint
  readonly last: bigint
}

const batchKey = /^[^/]+\/batch_\d{19}_\d{19}\.pb(?:\.zst)?$/u

/** The run in the key of a batch. */
const runOf = (key: string): RunId.RunId | undefined => {
  if (!batchKey.test(key)) return undefined
  const runId = key.slice(0, key.indexOf("/"))
  return RunId.is(runId) ? runId : undefined
}

/** Whether `key` is the key of a batch. */
export const isBatch = (key: string): boolean => runOf(key) !== undefined

/** The content of `key`, if it is the key of a batch. */
export const batchName = (key: string): BatchName | undefined => {
  const runId = runOf(key)
  if (runId === undefined) return undefined
  const first = runId.length + "/batch_".length
  const last = first + 19 + "_".length
  return { runId, first: BigInt(key.slice(first, first + 19)), last: BigInt(key.slice(last, last + 19)) }
}

/** The prefix of the keys of the batches of `runId`. */
export const batchPrefix = (runId: RunId.RunId): string => `${runId}/batch_`

/** Key of the ledger log of `runId` by this writer. Its name has only letters, digits and "-". */
export const ledger = (runId: RunId.RunId, writer: string): StorageKey => brand(`${ledgerPrefix(runId)}${writer}.log`)

/** The prefix of the keys of the ledger logs of `runId`. */
export const ledgerPrefix = (runId: RunId.RunId): string => `${runId}/ledger/`

/** Smallest and largest tick number of `batch`, from its stretches. */
export const rangeOf = (batch: RunBatch<Tick.Batch>): TickSet.Range => batch.range ?? range(batch.ticks)

/** Smallest and largest tick number of `ticks`. Looks at each of them. */
export const range = (ticks: Tick.Batch): TickSet.Range => {
  let first = ticks[0].tickNumber
  let last = first
  for (const { tickNumber } of ticks) {
    if (tickNumber < first) first = tickNumber
    if (tickNumber > last) last = tickNumber
  }
  return { first, last }
}
