/**
 * Reads, writes and compares the content of stored batches, compressed or not.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Compression from "../Compression.ts"
import * as Storage from "../../storage/Storage.ts"
import { CompressionFailed, ObjectDamaged, reasonOf, StorageError } from "../../storage/StorageError.ts"
import type { StorageKey } from "../../storage/StorageKey.ts"

type Port = Storage.Storage["Service"]

/** Codes of zstd that say nothing about the stored bytes, such as too little memory. */
const isShortage = ({ code }: Compression.ZstdError): boolean =>
  code === "ZSTD_error_memory_allocation" || code === "ERR_ZLIB_INITIALIZATION_FAILED"

const unreadable = (key: StorageKey) => (error: Compression.ZstdError) =>
  new StorageError({
    operation: "read",
    key,
    reason: isShortage(error) ? reasonOf("ENOMEM") : new ObjectDamaged({ problem: error.message }),
    cause: error
  })

/** `bytes` without the first `count` of them. */
const after = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>, count: number) =>
  Stream.suspend(() => {
    let skipped = 0
    return bytes.pipe(
      Stream.map((chunk) => {
        const rest = chunk.subarray(Math.min(chunk.length, count - skipped))
        skipped += chunk.length - rest.length
        return rest
      }),
      Stream.filter((chunk) => chunk.length > 0)
    )
  })

/**
 * The bytes of an object, decompressed if it is compressed. Emits all bytes before a damage, then fails with
 * `ObjectDamaged`. To do so it reads a damaged object a second time.
 */
export const read = (
  storage: Port,
  key: StorageKey,
  chunks: Storage.Chunks = "kept"
): Stream.Stream<Uint8Array, StorageError> =>
  Stream.suspend(() => {
    let emitted = 0
    return Compression.decompressed(storage.read(key, chunks)).pipe(
      Stream.map((chunk) => {
        emitted += chunk.length
        return chunk
      }),
      Stream.catchTag("ZstdError", () =>
        Stream.catchTag(after(Compression.upToDamage(storage.read(key, "lent")), emitted), "ZstdError", (error) =>
          Stream.fail(unreadable(key)(error))
        )
      )
    )
  })

/** The outcome of a write, and its sizes. */
export interface Put extends Storage.Committed {
  /** Size of the object. `bytes` is the size before compression. */
  readonly storedBytes: number
}

const failed = (key: StorageKey) => (error: Compression.ZstdError) =>
  new StorageError({ operation: "write", key, reason: new CompressionFailed({ code: error.code }), cause: error })

/**
 * Stores `pieces`, `bytes` in total, as one object with this compression. When interrupted before the commit, it leaves
 * nothing.
 */
export const write = (
  storage: Port,
  key: StorageKey,
  compression: Compression.Compression["Service"],
  bytes: number,
  pieces: Iterable<Uint8Array>
): Effect.Effect<Put, StorageError> => {
  if (compression.codec === "none") {
    return Effect.map(Storage.write(storage, key, pieces), (put) => ({ ...put, storedBytes: put.bytes }))
  }
  return Effect.scoped(
    Effect.gen(function* () {
      const coder = yield* Effect.mapError(Compression.compressor(compression.level, bytes), failed(key))
      const writer = yield* storage.create(key)
      const next = Effect.mapError(coder.next, failed(key))
      const drain = Effect.gen(function* () {
        for (let out = yield* next; out !== undefined; out = yield* next) yield* writer.write(out)
      })
      for (const piece of pieces) {
        // The piece before was compressed while this one was made.
        yield* drain
        coder.put(piece)
      }
      yield* drain
      coder.end()
      yield* drain
      const committed = yield* writer.commit
      return { ...committed, bytes, storedBytes: committed.bytes }
    })
  )
}

/** Compares two sequences of bytes that are cut into different pieces. */
class Comparison {
  private readonly pieces: Iterator<Uint8Array>
  private piece: Uint8Array | undefined
  private position = 0

  constructor(pieces: Iterable<Uint8Array>) {
    this.pieces = pieces[Symbol.iterator]()
    this.advance()
  }

  private advance(): void {
    const next = this.pieces.next()
    this.piece = next.done === true ? undefined : next.value
    this.position = 0
  }

  /** Whether the next expected bytes are those of `chunk`. */
  matches(chunk: Uint8Array): boolean {
    for (let from = 0; from < chunk.length;) {
      if (this.piece === undefined) return false
      const length = Math.min(chunk.length - from, this.piece.length - this.position)
      const expected = this.piece.subarray(this.position, this.position + length)
      if (!Bytes.Equivalence(expected, chunk.subarray(from, from + length))) return false
      from += length
      this.position += length
      if (this.position === this.piece.length) this.advance()
    }
    return true
  }

  /** Whether all expected bytes have come. */
  get isWhole(): boolean {
    return this.piece === undefined
  }
}

/** Whether the object holds exactly the bytes of `pieces`, compressed or not. A damaged object does not. */
export const holds = (
  storage: Port,
  key: StorageKey,
  pieces: Iterable<Uint8Array>
): Effect.Effect<boolean, StorageError> =>
  Effect.suspend(() => {
    const comparison = new Comparison(pieces)
    let isSame = true
    return read(storage, key, "lent").pipe(
      Stream.runForEachWhile((chunk) => Effect.sync(() => (isSame = comparison.matches(chunk)))),
      Effect.map(() => isSame && comparison.isWhole),
      Effect.catchReason("StorageError", "ObjectDamaged", () => Effect.succeed(false))
    )
  })
