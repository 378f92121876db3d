/**
 * Recognises zstd streams by what they hold, not by their name, and decompresses them as they come in.
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { createZstdDecompress } from "node:zlib"

/** The stream is compressed, but damaged or cut. */
export class ZstdError extends Schema.TaggedError<ZstdError>()("ZstdError", { cause: Schema.Defect() }) {
  override get message() {
    const problem = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `the zstd compression is damaged or cut (${problem})`
  }
}

/** Whether a stream that begins with these bytes is compressed: a frame (RFC 8878, 3.1.1), or one to skip (3.1.2). */
export const beginsFrame = ([a = 0, b, c, d]: Uint8Array): boolean =>
  (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) || (a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18)

const magicBytes = 4

const totalBytes = (chunks: ReadonlyArray<Uint8Array>) => chunks.reduce((total, chunk) => total + chunk.length, 0)

const isTooShort = (chunks: ReadonlyArray<Uint8Array>) => totalBytes(chunks) < magicBytes

/**
 * The bytes as they were before compression: decompressed when they begin with the magic number of a zstd frame, as they
 * are otherwise. Memory stays within a few chunks. Fails with `ZstdError`.
 */
export const decompressed = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<Uint8Array, E | ZstdError, R> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const collect = Sink.reduceWhile(
        (): ReadonlyArray<Uint8Array> => [],
        isTooShort,
        (chunks, chunk: Uint8Array) => [...chunks, chunk]
      )
      const [first, rest] = yield* Stream.peel(bytes, collect)
      const whole = Stream.concat(Stream.fromIterable(first), rest)
      return beginsFrame(Bytes.concat(first)) ? decompress(whole) : whole
    })
  )

/**
 * A decompressor of all frames that follow each other. Node's own ends with the first frame whose end lies within a chunk
 * and drops the rest without an error: here that end is not passed on, and the rest is given to it as a further chunk.
 */
const makeDecompressor = () => {
  const zstd = createZstdDecompress()
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
      else if (used === 0) done(new Error("what follows the last frame is not compressed"))
      else zstd._transform(chunk.subarray(used), encoding, done)
    })
  }
  return zstd
}

const decompress = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
  NodeStream.pipeThroughDuplex(bytes, {
    evaluate: makeDecompressor,
    onError: (cause) => new ZstdError({ cause })
  })
