/**
 * The delimited stream format: the length of each message as a protobuf varint, then the message, nothing in between.
 *
 * The reader takes chunks of any size and yields messages as soon as they are whole. A length alone never allocates
 * memory: a message consists of bytes that have arrived, and a length over the limit is an error at once. Errors name the
 * byte offset in the stream and the ordinal of the message.
 *
 * ```ts
 * import * as Stream from "effect/Stream"
 * import * as Delimited from "tickvault/domain/Delimited"
 *
 * export const count = (bytes: Uint8Array) => Stream.runCount(Delimited.ticks(Stream.make(bytes)))
 * ```
 */
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { isPrefix, prefixBytes, writePrefix } from "./internal/prefix.ts"
import * as Tick from "./Tick.ts"

export { prefixBytes } from "./internal/prefix.ts"

/** The default limit for the size of a message: 64 MiB. */
export const defaultMaxMessageBytes = 64 * 1024 * 1024

/** The stream is damaged, cut, or not in the delimited format. All messages before `ordinal` were good. */
export class DelimitedError extends Schema.TaggedError<DelimitedError>()("DelimitedError", {
  /** Offset of the message in bytes from the start of the stream. */
  offset: Schema.Int,
  /** Number of the message, counted from 1. */
  ordinal: Schema.Int,
  problem: Schema.String
}) {
  override get message() {
    return `message ${this.ordinal} at byte ${this.offset}: ${this.problem}`
  }
}

/** One message of a stream and its place. */
export interface Frame {
  readonly payload: Uint8Array
  readonly offset: number
  readonly ordinal: number
  /** Bytes of the message, including the length before it. */
  readonly size: number
}

/** The number of bytes of `ticks` in the delimited format. */
export const encodedBytes = (ticks: ReadonlyArray<Tick.Tick>): number => {
  let total = 0
  for (const tick of ticks) total += prefixBytes(tick.payload.length) + tick.payload.length
  return total
}

const chunkBytes = 4 * 1024 * 1024

/**
 * Encodes `ticks` in pieces of about 4 MiB, so that a large batch needs no second copy as a whole. Write one piece before
 * you ask for the next. Each piece fills the bytes that `memory` returns for it. By default each has its own memory.
 */
export function* encode(
  ticks: ReadonlyArray<Tick.Tick>,
  memory: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes)
): Generator<Uint8Array, void> {
  let from = 0
  while (from < ticks.length) {
    let until = from
    let size = 0
    while (until < ticks.length && (size === 0 || size < chunkBytes)) {
      const length = ticks[until++]!.payload.length
      size += prefixBytes(length) + length
    }
    const piece = memory(size)
    for (let position = 0; from < until; from++) {
      const payload = ticks[from]!.payload
      position = writePrefix(piece, position, payload.length)
      piece.set(payload, position)
      position += payload.length
    }
    yield piece
  }
}

/**
 * The bytes of `encode` for `ticks` that were read from a delimited stream. Ticks that still lie in memory after their
 * lengths, as in the stream, are not copied. Use the pieces only while the ticks are valid.
 */
export const pieces = (ticks: ReadonlyArray<Tick.Tick>): Array<Uint8Array> => {
  const found: Array<Uint8Array> = []
  for (const tick of ticks) {
    const { buffer, byteOffset, length } = tick.payload
    const begin = byteOffset - prefixBytes(length)
    if (!isPrefix(buffer, begin, length)) {
      found.push(...encode([tick]))
      continue
    }
    const last = found.at(-1)
    const isNext = last?.buffer === buffer && last.byteOffset + last.length === begin
    const start = isNext ? last.byteOffset : begin
    if (isNext) found.pop()
    found.push(new Uint8Array(buffer, start, byteOffset + length - start))
  }
  return found
}

/**
 * Called for a message that lies from `start` to `end` in `bytes`. The length before it begins at `begin`. Returns whether
 * to continue. `bytes` is the pushed chunk, or a copy of parts of several chunks. The owner of the chunks decides how long
 * it stays unchanged.
 */
export type OnMessage = (bytes: Uint8Array, begin: number, start: number, end: number) => boolean

/** Splits a delimited stream into messages, chunk by chunk. It has state: use one for each stream. */
export class Decoder {
  private readonly maxMessageBytes: number
  /** Copied parts of earlier chunks, from the start of the incomplete message on. */
  private pending: Array<Uint8Array> = []
  private pendingBytes = 0
  /** The number of bytes in `pending` at which to look at it again. */
  private wanted = 1
  private at = 0
  private nth = 1
  private prefixLength = 0
  private stopped = false

  constructor(maxMessageBytes: number = defaultMaxMessageBytes) {
    this.maxMessageBytes = maxMessageBytes
  }

  /** Offset of the current message, including its length, in bytes from the start of the stream. */
  get offset(): number {
    return this.at
  }

  /** Number of the current message, counted from 1. */
  get ordinal(): number {
    return this.nth
  }

  /** The messages that `chunk` completes, and the error that ends the stream, if any. The frames are views of `chunk`. */
  push(chunk: Uint8Array): { readonly frames: Array<Frame>; readonly error: DelimitedError | undefined } {
    const frames: Array<Frame> = []
    const error = this.visit(chunk, (bytes, begin, start, end) => {
      const { ordinal, offset } = this
      frames.push({ payload: bytes.subarray(start, end), offset, ordinal, size: end - begin })
      return true
    })
    return { frames, error }
  }

  /**
   * Calls `onMessage` for each message that `chunk` completes, until it returns `false`. Returns the error that ends the
   * stream, if any. It keeps nothing of `chunk`, which may be overwritten afterwards.
   */
  visit(chunk: Uint8Array, onMessage: OnMessage): DelimitedError | undefined {
    let from = 0
    // Only copies a message that spans several chunks, not the rest of the chunk that it ends in.
    while (this.pendingBytes > 0 && from < chunk.length && !this.stopped) {
      const until = Math.min(chunk.length, from + this.wanted - this.pendingBytes)
      this.keep(chunk, from, until)
      from = until
      if (this.pendingBytes < this.wanted) return undefined
      const bytes = Bytes.concat(this.pending)
      this.pending = []
      this.pendingBytes = 0
      const error = this.messages(bytes, 0, onMessage)
      if (error !== undefined) return error
    }
    return from < chunk.length && !this.stopped ? this.messages(chunk, from, onMessage) : undefined
  }

  /** The error of a stream that ends within a message. */
  end(): DelimitedError | undefined {
    if (this.pendingBytes === 0) return undefined
    return this.failure(`the stream ends within the message, after ${this.pendingBytes} of its bytes`)
  }

  private keep(bytes: Uint8Array, from: number, until: number): void {
    if (from === until) return
    this.pending.push(new Uint8Array(bytes.subarray(from, until)))
    this.pendingBytes += until - from
  }

  /** Reports the messages from `from` on, and keeps an incomplete one. */
  private messages(bytes: Uint8Array, from: number, onMessage: OnMessage): DelimitedError | undefined {
    let position = from
    this.wanted = 1
    while (position < bytes.length) {
      const length = this.prefix(bytes, position)
      if (typeof length === "object") return length
      const size = this.prefixLength + (length ?? 0)
      if (length === undefined || bytes.length - position < size) {
        this.wanted = length === undefined ? bytes.length - position + 1 : size
        this.keep(bytes, position, bytes.length)
        return undefined
      }
      const end = position + size
      this.stopped = !onMessage(bytes, position, end - length, end)
      if (this.stopped) return undefined
      position = end
      this.at += size
      this.nth++
    }
    return undefined
  }

  /** The length at `position`. `undefined` until all of its bytes have arrived. Sets `prefixLength`. */
  private prefix(bytes: Uint8Array, position: number): number | DelimitedError | undefined {
    let length = 0
    let scale = 1
    for (let index = 0; index < 10; index++) {
      const byte = bytes[position + index]
      if (byte === undefined) return undefined
      length += (byte & 0x7f) * scale
      scale *= 128
      if (byte < 0x80) {
        this.prefixLength = index + 1
        return length <= this.maxMessageBytes
          ? length
          : this.failure(
              `its length of ${length} bytes is over the limit of ${this.maxMessageBytes}; the file is damaged or not in the delimited format`
            )
      }
    }
    return this.failure("its length is not a varint; the file is damaged or not in the delimited format")
  }

  /** An error about the current message. */
  failure(problem: string): DelimitedError {
    return new DelimitedError({ offset: this.at, ordinal: this.nth, problem })
  }
}

/**
 * The messages of a delimited stream of bytes, each passed through `convert`. Emits all messages before a damage, then
 * fails with `DelimitedError`. Holds one chunk and the incomplete message.
 */
const decode = <A, E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  maxMessageBytes: number,
  convert: (frame: Frame) => Result.Result<A, DelimitedError>
): Stream.Stream<A, E | DelimitedError, R> =>
  Stream.suspend(() => {
    const decoder = new Decoder(maxMessageBytes)
    return bytes.pipe(
      Stream.flatMap((chunk) => {
        const { frames, error } = decoder.push(chunk)
        const good: Array<A> = []
        for (const frame of frames) {
          const converted = convert(frame)
          if (Result.isFailure(converted)) return emitThenFail(good, converted.failure)
          good.push(converted.success)
        }
        return emitThenFail(good, error)
      }),
      Stream.concat(Stream.suspend(() => emitThenFail<A>([], decoder.end())))
    )
  })

const emitThenFail = <A>(good: ReadonlyArray<A>, error: DelimitedError | undefined): Stream.Stream<A, DelimitedError> =>
  error === undefined ? Stream.fromArray(good) : Stream.concat(Stream.fromArray(good), Stream.fail(error))

/** The messages of a delimited stream of bytes, with their places. Fails with `DelimitedError` after the last good one. */
export const frames = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  maxMessageBytes: number = defaultMaxMessageBytes
): Stream.Stream<Frame, E | DelimitedError, R> => decode(bytes, maxMessageBytes, Result.succeed)

/** The tick that `frame` holds. */
export const tick = (frame: Frame): Result.Result<Tick.Tick, DelimitedError> =>
  Result.mapError(
    Tick.fromBytes(frame.payload),
    (error) => new DelimitedError({ offset: frame.offset, ordinal: frame.ordinal, problem: error.message })
  )

/**
 * The ticks of a delimited stream of `TickData`. Fails with `DelimitedError` after the last good one, also when a message
 * is not `TickData`.
 */
export const ticks = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  maxMessageBytes: number = defaultMaxMessageBytes
): Stream.Stream<Tick.Tick, E | DelimitedError, R> => decode(bytes, maxMessageBytes, tick)
