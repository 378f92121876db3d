/**
 * The delimited stream format: each message preceded by its length as a protobuf varint, nothing in between.
 *
 * The reader takes chunks of any size and yields messages as soon as they are whole. It never asks for memory on the
 * word of a length alone: a message is put together from bytes that have arrived, and a length beyond the limit is an
 * error at once. Errors name the byte offset in the stream and the ordinal of the message.
 */
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tick from "./Tick.ts"

/** Largest message that is read unless another limit is given: 64 MiB. */
export const defaultMaxMessageBytes = 64 * 1024 * 1024

/** The stream is damaged, cut, or not in the delimited format. All messages before `ordinal` were good. */
export class DelimitedError extends Schema.TaggedError<DelimitedError>()("DelimitedError", {
  /** Where the message begins, in bytes from the start of the stream. */
  offset: Schema.Int,
  /** Which message it is, counted from 1. */
  ordinal: Schema.Int,
  problem: Schema.String
}) {
  override get message() {
    return `message ${this.ordinal} at byte ${this.offset}: ${this.problem}`
  }
}

/** One message of a stream with its place. */
export interface Frame {
  readonly payload: Uint8Array
  readonly offset: number
  readonly ordinal: number
  /** Bytes of the message with the length before it. */
  readonly size: number
}

/** The bytes of `frame` with the length before it, as they stood in the stream. */
export const framed = ({ payload, size }: Frame): Uint8Array =>
  new Uint8Array(payload.buffer, payload.byteOffset + payload.length - size, size)

/** Bytes that the length before a message of `payloadBytes` takes. */
export const prefixBytes = (payloadBytes: number): number => {
  let size = 1
  for (let rest = payloadBytes; rest > 0x7f; rest = Math.floor(rest / 128)) size++
  return size
}

/** Bytes that `ticks` take in the delimited format. */
export const encodedBytes = (ticks: ReadonlyArray<Tick.Tick>): number => {
  let total = 0
  for (const tick of ticks) total += prefixBytes(tick.payload.length) + tick.payload.length
  return total
}

const writePrefix = (target: Uint8Array, at: number, length: number): number => {
  let rest = length
  let position = at
  while (rest > 0x7f) {
    target[position++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  target[position++] = rest
  return position
}

const chunkBytes = 4 * 1024 * 1024

/**
 * Encodes `ticks` in pieces of about 4 MiB, so that a batch needs no second copy of all of itself: write one piece
 * before asking for the next. `memory` gives each piece so many bytes to be written over; by default they are its own.
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
    let position = 0
    for (; from < until; from++) {
      const payload = ticks[from]!.payload
      position = writePrefix(piece, position, payload.length)
      piece.set(payload, position)
      position += payload.length
    }
    yield piece
  }
}

/** Takes a delimited stream apart, chunk by chunk. Not shared: it has state. */
export class Decoder {
  private readonly maxMessageBytes: number
  /** Bytes of the chunks before, beginning with the message that was not whole. */
  private pending: Array<Uint8Array> = []
  private pendingBytes = 0
  /** Bytes that `pending` must reach before it is worth looking at again. */
  private wanted = 1
  private offset = 0
  private ordinal = 1

  constructor(maxMessageBytes: number = defaultMaxMessageBytes) {
    this.maxMessageBytes = maxMessageBytes
  }

  /** The messages that `chunk` completes, and the error that ends the stream if there is one. Keeps views of `chunk`. */
  push(chunk: Uint8Array): { readonly frames: Array<Frame>; readonly error: DelimitedError | undefined } {
    const frames: Array<Frame> = []
    let rest = chunk
    // Only a message that lies in several chunks is copied, not the chunk that it ends in.
    while (this.pendingBytes > 0 && rest.length > 0) {
      const missing = this.wanted - this.pendingBytes
      const error = this.consume(rest.subarray(0, missing), frames)
      if (error !== undefined) return { frames, error }
      rest = rest.subarray(missing)
    }
    return { frames, error: rest.length === 0 ? undefined : this.consume(rest, frames) }
  }

  private consume(piece: Uint8Array, into: Array<Frame>): DelimitedError | undefined {
    this.pending.push(piece)
    this.pendingBytes += piece.length
    if (this.pendingBytes < this.wanted) return undefined
    const bytes = this.pending.length === 1 ? piece : Bytes.concat(this.pending)
    const [consumed, error] = this.frames(bytes, into)
    const rest = bytes.subarray(consumed)
    this.pending = rest.length === 0 ? [] : [rest]
    this.pendingBytes = rest.length
    return error
  }

  /** The error of a stream that ends within a message. */
  end(): DelimitedError | undefined {
    if (this.pendingBytes === 0) return undefined
    return this.failure(`the stream ends within the message, after ${this.pendingBytes} of its bytes`)
  }

  private frames(bytes: Uint8Array, into: Array<Frame>): [consumed: number, error: DelimitedError | undefined] {
    let position = 0
    while (position < bytes.length) {
      const length = this.prefix(bytes, position)
      if (typeof length === "object") return [position, length]
      if (length === undefined) {
        this.wanted = bytes.length - position + 1
        return [position, undefined]
      }
      const start = position + this.prefixLength
      if (bytes.length - start < length) {
        this.wanted = this.prefixLength + length
        return [position, undefined]
      }
      const size = this.prefixLength + length
      into.push({ payload: bytes.subarray(start, start + length), offset: this.offset, ordinal: this.ordinal, size })
      position = start + length
      this.offset += size
      this.ordinal++
    }
    this.wanted = 1
    return [position, undefined]
  }

  private prefixLength = 0

  /** The length at `position`; `undefined` while its bytes have not all arrived. Sets `prefixLength`. */
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
    return this.failure("its length is no varint; the file is damaged or not in the delimited format")
  }

  private failure(problem: string): DelimitedError {
    return new DelimitedError({ offset: this.offset, ordinal: this.ordinal, problem })
  }
}

/**
 * The messages of a delimited stream of bytes, each passed through `convert`. Emits all that is good before a damage,
 * then fails with `DelimitedError`. Holds one chunk and the message that is not whole yet.
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
 * The ticks of a delimited stream of `TickData`. Fails with `DelimitedError` after the last good one; a message that is
 * no `TickData` is a damage too.
 */
export const ticks = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  maxMessageBytes: number = defaultMaxMessageBytes
): Stream.Stream<Tick.Tick, E | DelimitedError, R> => decode(bytes, maxMessageBytes, tick)
