/**
 * Node's zstd, driven step by step: put bytes in, and take all output before you put more. Threads of Node do the work, not
 * the main thread.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { constants, createZstdCompress, createZstdDecompress, type ZstdCompress, type ZstdDecompress } from "node:zlib"

/** Compressed bytes are damaged or cut, or there is no memory for compressing or decompressing. */
export class ZstdError extends Schema.TaggedError<ZstdError>()("ZstdError", { cause: Schema.Defect() }) {
  /** The code of Node or of zstd, such as "ZSTD_error_memory_allocation". */
  get code(): string {
    const { cause } = this
    return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"
  }

  override get message() {
    if (this.code === "ZSTD_error_frameParameter_windowTooLarge") {
      return `the zstd compression needs a window of more than ${maxWindowBytes} bytes, which is refused: no level of ours makes one`
    }
    const problem = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `the zstd compression is damaged or cut (${problem})`
  }
}

/** Largest window that is decompressed: 128 MiB, the default of all zstd tools. A stream takes at most that much memory. */
const maxWindowBytes = 2 ** 27

/** A zstd stream. It has state, so don't share it. */
export interface Coder {
  /**
   * Puts `bytes` in. Call it only after `next` has returned `undefined` for all earlier bytes. Work on the bytes begins at
   * once: don't change them.
   */
  readonly put: (bytes: Uint8Array) => void
  /** Ends the input. */
  readonly end: () => void
  /**
   * The next piece of output. `undefined` when all input so far is used up, and after `end` when all output was
   * returned.
   */
  readonly next: Effect.Effect<Uint8Array | undefined, ZstdError>
}

/** A coder on one of Node's zstd streams. */
class NodeCoder implements Coder {
  private readonly zstd: ZstdCompress | ZstdDecompress
  private failure: ZstdError | undefined
  /** Whether all input is used up, and all output is returned or readable. */
  private isIdle = true
  private notify: () => void = () => undefined

  constructor(zstd: ZstdCompress | ZstdDecompress) {
    this.zstd = zstd
    const idle = () => {
      this.isIdle = true
      this.notify()
    }
    zstd.on("readable", () => this.notify())
    zstd.on("end", idle)
    zstd.on("error", (cause) => {
      this.failure = new ZstdError({ cause })
      this.notify()
    })
    this.put = (bytes) => {
      this.isIdle = false
      zstd.write(bytes, idle)
    }
    this.end = () => {
      this.isIdle = false
      zstd.end()
    }
  }

  readonly put: (bytes: Uint8Array) => void

  readonly end: () => void

  readonly next: Effect.Effect<Uint8Array | undefined, ZstdError> = Effect.callback((resume) => {
    const done = (result: Effect.Effect<Uint8Array | undefined, ZstdError>) => {
      this.notify = () => undefined
      resume(result) // the fiber may continue at once and call again
    }
    const step = () => {
      const out: unknown = this.zstd.read()
      if (out instanceof Uint8Array) done(Effect.succeed(out))
      else if (this.failure !== undefined) done(Effect.fail(this.failure))
      else if (this.isIdle) done(Effect.undefined)
    }
    this.notify = step
    step()
    return Effect.sync(() => (this.notify = () => undefined))
  })

  /** Frees its memory, after a running thread has finished. */
  readonly close: Effect.Effect<void> = Effect.sync(() => void this.zstd.destroy())
}

/** Makes a coder that lives in the scope. Fails when there is no memory for it. */
const scoped = (make: () => ZstdCompress | ZstdDecompress): Effect.Effect<Coder, ZstdError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({ try: () => new NodeCoder(make()), catch: (cause) => new ZstdError({ cause }) }),
    (coder) => coder.close
  )

/** Chunk size of compressed output: few bytes come out for many that are put in. */
const compressedChunkBytes = 128 * 1024

/**
 * A compressor of `sourceBytes` in total at `level` into one frame. The frame has the checksum of its content, and the size
 * of it if this version of Node supports that.
 */
export const compressor = (level: number, sourceBytes: number) =>
  scoped(() => {
    const options = {
      chunkSize: compressedChunkBytes,
      pledgedSrcSize: sourceBytes,
      params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 }
    }
    return createZstdCompress(options)
  })

/** Chunk sizes of decompressed output. A large chunk takes fewer turns of the threads, and readers hold it only briefly. */
const decompressedChunkBytes = { least: 64 * 1024, most: 1024 * 1024 }

/** Bytes of a chunk for each byte of input. Clearing the memory of a larger chunk would cost time for nothing. */
const expansion = 64

const makeDecompressor = (begun: number) => {
  const { least, most } = decompressedChunkBytes
  const zstd = createZstdDecompress({ chunkSize: Math.min(most, Math.max(least, begun * expansion)) })
  // Node's stream ends at the first frame that ends within a chunk, and drops the rest without an error. So that end is
  // not passed on, and the rest is put in as a further chunk.
  const push = zstd.push.bind(zstd)
  const transform = zstd._transform.bind(zstd)
  let withinChunk = false
  zstd.push = (chunk, encoding) => (chunk === null && withinChunk ? true : push(chunk, encoding))
  zstd._transform = (chunk: Uint8Array, encoding, done) => {
    const before = zstd.bytesWritten
    withinChunk = true
    transform(chunk, encoding, (error) => {
      withinChunk = false
      const used = zstd.bytesWritten - before
      if (error !== null && error !== undefined) done(error)
      else if (used >= chunk.length) done()
      else if (used === 0) done(new Error("the bytes after the last frame are not compressed"))
      else zstd._transform(chunk.subarray(used), encoding, done)
    })
  }
  return zstd
}

/** A decompressor of all frames that follow each other. `begun` is the size of the first input. */
export const decompressor = (begun: number) => scoped(() => makeDecompressor(begun))
