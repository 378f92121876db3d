/**
 * Batches of ticks as stored objects: their names, and writing, reading, checking and salvaging them.
 *
 * An object is a sequence of delimited messages, plain or compressed, which any program can read. The ledger of the run has
 * a running checksum after each message. Each checksum proves its message, and the last one proves the whole batch. The
 * checksums are those of the messages, not of their compression. Readers look at the content of an object, not at its name.
 * So ticks that are stored with one compression are found when they are stored again with the other.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import type { RunBatch } from "tickvault/domain/RunBatch"
 * import type * as Tick from "tickvault/domain/Tick"
 * import * as BatchFile from "tickvault/batch/BatchFile"
 *
 * // Needs a `Storage`, and for the write a `Compression`.
 * export const storeAndRead = Effect.fnUntraced(function* (batch: RunBatch<Tick.Batch>) {
 *   const { key } = yield* BatchFile.write(yield* BatchFile.keyOf(batch), batch.ticks)
 *   return yield* Stream.runCollect(BatchFile.read(key))
 * })
 * ```
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Checksum from "../domain/Checksum.ts"
import * as Delimited from "../domain/Delimited.ts"
import * as Salvage from "../domain/Salvage.ts"
import type * as Tick from "../domain/Tick.ts"
import type { RunBatch } from "../domain/RunBatch.ts"
import { TickHeader } from "../domain/TickHeader.ts"
import * as Compression from "./Compression.ts"
import * as Content from "./internal/content.ts"
import { type Contents, Scanner } from "./internal/scanner.ts"
import { type Loan, WriteBuffers } from "./WriteBuffers.ts"
import * as Storage from "../storage/Storage.ts"
import { KeyConflict, ObjectDamaged, StorageError } from "../storage/StorageError.ts"
import * as StorageKey from "../storage/StorageKey.ts"

export type { Contents } from "./internal/scanner.ts"

/** The outcome of writing a batch. */
export interface Written extends Content.Put {
  /** Its key. It differs from the given key when the same ticks were stored before with the other compression. */
  readonly key: StorageKey.StorageKey
  /** The running checksum after each of its ticks. */
  readonly checks: ReadonlyArray<number>
}

/** The checksum of an object whose ticks have these running checksums. */
export const checksum = (checks: ReadonlyArray<number>): number => checks.at(-1) ?? Checksum.empty

/** `ticks` in the delimited format, piece by piece. Adds the running checksum after each tick to `checks`. */
function* encode(
  ticks: Tick.Batch,
  checks: Array<number>,
  memory: Loan = new WriteBuffers(0).lend()
): Generator<Uint8Array, void> {
  let check = Checksum.empty
  let next = 0
  for (const piece of Delimited.encode(ticks, memory.piece)) {
    for (let position = 0; position < piece.length;) {
      const { payload } = ticks[next++] ?? ticks[0]
      const start = position + Delimited.prefixBytes(payload.length)
      for (; position < start; position++) check = Checksum.ofByte(piece[position] ?? 0, check)
      check = Checksum.of(payload, check)
      checks.push(check)
      position += payload.length
    }
    yield piece
  }
}

/** Whether the plain bytes of a batch that begins with this tick would look compressed. */
const isAmbiguous = ([tick]: Tick.Batch): boolean =>
  tick.payload.length < 0x80 && [...Delimited.encode([tick])].some(Compression.isCompressed)

/** The compression of `ticks`: that of the context, but never none when plain bytes would look compressed. */
const compressionOf = (ticks: Tick.Batch) =>
  Compression.Compression.useSync((compression) => (isAmbiguous(ticks) ? Compression.always(compression) : compression))

/** Key of `batch`. Its suffix depends on the compression. */
export const keyOf = (
  batch: RunBatch<Tick.Batch>
): Effect.Effect<StorageKey.StorageKey, never, Compression.Compression> =>
  Effect.map(compressionOf(batch.ticks), ({ codec }) => StorageKey.ofRunBatch(batch, codec))

/**
 * The outcome when `key` has `ticks` already. `undefined` when nothing is stored, or only an empty file that a crash has
 * left. Fails with `KeyConflict` when other ticks are stored.
 */
const find = Effect.fnUntraced(function* (
  storage: Storage.Storage["Service"],
  key: StorageKey.StorageKey,
  ticks: Tick.Batch
): Effect.fn.Return<Written | undefined, StorageError> {
  const stat = yield* storage.stat(key)
  if (stat === undefined || stat.bytes === 0) return undefined
  const checks: Array<number> = []
  if (!(yield* Content.holds(storage, key, encode(ticks, checks)))) {
    return yield* new StorageError({ operation: "write", key, reason: new KeyConflict() })
  }
  // The commit that stored it may not have made it durable yet.
  yield* storage.secure(key)
  const bytes = Delimited.encodedBytes(ticks)
  return { outcome: "identical", key, bytes, storedBytes: stat.bytes, checks }
})

const unlessMissing = (found: ReturnType<typeof find>) =>
  Effect.catchReason(found, "StorageError", "ObjectMissing", () => Effect.undefined)

/**
 * Stores `ticks` in their order as one object, with the compression of the context. An object that is there already
 * under this key, or under the key for the other compression, is compared by its content: the same ticks are
 * `identical`, others are a `KeyConflict`. Two processes with different compression that store the same ticks in the
 * same instant both succeed; `verify` names the duplicates. Interrupted before the commit, it leaves nothing. To save
 * memory, give many writes the same `memory`.
 */
export const write = (
  key: StorageKey.StorageKey,
  ticks: Tick.Batch,
  memory: WriteBuffers = new WriteBuffers(0)
): Effect.Effect<Written, StorageError, Storage.Storage | Compression.Compression> =>
  Effect.gen(function* () {
    const storage = yield* Storage.Storage
    const compression = yield* compressionOf(ticks)
    const found = yield* unlessMissing(find(storage, StorageKey.sibling(key), ticks))
    if (found !== undefined) return found
    const checks: Array<number> = []
    const bytes = Delimited.encodedBytes(ticks)
    const loan = memory.lend()
    return yield* Content.write(storage, key, compression, bytes, encode(ticks, checks, loan)).pipe(
      Effect.map((put): Written => {
        loan.giveBack()
        return { ...put, key, checks }
      }),
      Effect.catchReason("StorageError", "KeyConflict", (_, conflict) =>
        // Other bytes may be the same ticks: compressed later, at another level, or by another version of the library.
        Effect.flatMap(unlessMissing(find(storage, key, ticks)), (same) =>
          same === undefined ? Effect.fail(conflict) : Effect.succeed(same)
        )
      )
    )
  })

/** The bytes of a batch, decompressed. Emits all bytes before a damage, then fails with `ObjectDamaged`. */
export const content = (
  key: StorageKey.StorageKey,
  chunks: Storage.Chunks
): Stream.Stream<Uint8Array, StorageError, Storage.Storage> =>
  Stream.unwrap(Storage.Storage.useSync((storage) => Content.read(storage, key, chunks)))

/** The size of a batch, decompressed, up to a damage. */
export const size = (key: StorageKey.StorageKey) =>
  Effect.suspend(() => {
    let bytes = 0
    return content(key, "lent").pipe(
      Stream.runForEach((chunk) => Effect.sync(() => void (bytes += chunk.length))),
      Effect.catchReason("StorageError", "ObjectDamaged", () => Effect.void),
      Effect.map(() => bytes)
    )
  })

const damaged = (key: StorageKey.StorageKey, problem: string, cause?: unknown) =>
  new StorageError({ operation: "read", key, reason: new ObjectDamaged({ problem }), cause })

/** The ticks of a batch in their order. Emits all ticks before a damage, then fails with `ObjectDamaged`. */
export const read = (key: StorageKey.StorageKey): Stream.Stream<Tick.Tick, StorageError, Storage.Storage> =>
  Delimited.ticks(content(key, "kept")).pipe(
    Stream.catchTag("DelimitedError", (error) => Stream.fail(damaged(key, error.message, error)))
  )

/**
 * All ticks of a batch in order, and its checksum. `undefined` when it is not in the format. Memory: the whole batch, in
 * the memory of `chunks` if given.
 */
export const readWhole = (
  key: StorageKey.StorageKey,
  chunks: "kept" | Storage.Room = "kept"
): Effect.Effect<
  { readonly ticks: ReadonlyArray<Tick.Tick>; readonly checksum: number } | undefined,
  StorageError,
  Storage.Storage
> =>
  Effect.suspend(() => {
    const decoder = new Delimited.Decoder()
    const ticks: Array<Tick.Tick> = []
    const header = new TickHeader()
    let sum = Checksum.empty
    let isGood = true
    const onMessage: Delimited.OnMessage = (bytes, _, start, end) => {
      isGood = header.read(bytes, start, end) === undefined
      const { simulationRunId, tickNumber } = header
      if (isGood) ticks.push({ simulationRunId, tickNumber, payload: bytes.subarray(start, end) })
      return isGood
    }
    return content(key, chunks).pipe(
      Stream.runForEachWhile((chunk) =>
        Effect.sync(() => {
          sum = Checksum.of(chunk, sum)
          isGood = decoder.visit(chunk, onMessage) === undefined && isGood
          return isGood
        })
      ),
      Effect.map(() => (isGood && decoder.end() === undefined ? { ticks, checksum: sum } : undefined)),
      Effect.catchReason("StorageError", "ObjectDamaged", () => Effect.undefined)
    )
  })

/** Passes a whole batch to `scanner`, or the part before its first damage. */
const run = (
  key: StorageKey.StorageKey,
  scanner: Scanner,
  onChunk: (chunk: Uint8Array) => void
): Effect.Effect<Contents, StorageError, Storage.Storage> =>
  content(key, "lent").pipe(
    Stream.runForEachWhile((chunk) =>
      Effect.sync(() => {
        onChunk(chunk)
        return scanner.push(chunk)
      })
    ),
    Effect.as(undefined),
    Effect.catchReason("StorageError", "ObjectDamaged", ({ problem }) => Effect.succeed(problem)),
    Effect.map((damage) => scanner.end(damage))
  )

/**
 * Reads a whole batch and describes its content, with the running checksum after each message. A damage is not a failure:
 * the result describes the part before it, and the problem. Memory: one message, and the tick numbers of the batch. Calls
 * `onBytes` with the size of every decompressed chunk.
 */
export const scan = (
  key: StorageKey.StorageKey,
  onBytes: (bytes: number) => void = () => undefined
): Effect.Effect<Contents & Pick<Written, "checks">, StorageError, Storage.Storage> =>
  Effect.suspend(() => {
    const checks: Array<number> = []
    const scanner = new Scanner(key, (framed) => checks.push(Checksum.of(framed, checksum(checks))))
    return Effect.map(
      run(key, scanner, (chunk) => onBytes(chunk.length)),
      (contents) => ({ ...contents, checks })
    )
  })

/**
 * Like `scan`, but faster: with one checksum of the whole object instead of one for each message. When the object has a
 * problem, the checksum covers the bytes that were read.
 */
export const prove = (
  key: StorageKey.StorageKey,
  onBytes: (bytes: number) => void = () => undefined
): Effect.Effect<Contents & { readonly checksum: number }, StorageError, Storage.Storage> =>
  Effect.suspend(() => {
    let sum = Checksum.empty
    const onChunk = (chunk: Uint8Array) => {
      onBytes(chunk.length)
      sum = Checksum.of(chunk, sum)
    }
    return Effect.map(run(key, new Scanner(key), onChunk), (contents) => ({ ...contents, checksum: sum }))
  })

/**
 * All ticks of a damaged batch that can be read. With `checks` (from the run's ledger), these are ticks with exactly the
 * written bytes. Without, these are messages with the form of a tick of the run. A damage has its offset in the
 * decompressed object. After a damage of the compression everything is lost. The size of the loss is known only with the
 * ledger.
 */
export const salvage = (
  key: StorageKey.StorageKey,
  checks?: ReadonlyArray<number>
): Stream.Stream<Salvage.Found, StorageError, Storage.Storage> =>
  Stream.suspend(() => {
    const name = StorageKey.batchName(key)
    if (name === undefined) return Stream.fail(damaged(key, "it is not named as a batch"))
    const salvager = new Salvage.Salvager({ ...name, checks })
    return content(key, "kept").pipe(
      Stream.catchReason("StorageError", "ObjectDamaged", () => Stream.empty),
      Stream.flatMap((chunk) => Stream.fromArray(salvager.push(chunk))),
      Stream.concat(Stream.suspend(() => Stream.fromArray(salvager.end())))
    )
  })
