/**
 * Reads the run id and the number of an encoded tick in place, without decoding the rest.
 *
 * Use one reader for many ticks, one after the other. It copies nothing, and makes a new string only when the run id
 * changes.
 *
 * ```ts
 * import { TickHeader } from "tickvault/domain/TickHeader"
 *
 * const header = new TickHeader()
 * export const describe = (bytes: Uint8Array) =>
 *   header.read(bytes)?.message ?? `tick ${header.tickNumber} of ${header.simulationRunId}`
 * ```
 */
import * as Schema from "effect/Schema"

/** The bytes are not a protobuf message. `offset` counts bytes from the start of the message. */
export class TickDecodeError extends Schema.TaggedError<TickDecodeError>()("TickDecodeError", {
  offset: Schema.Int,
  problem: Schema.Literals([
    "truncated varint",
    "varint of more than 64 bits",
    "unknown wire type",
    "field number 0",
    "length beyond the end",
    "invalid UTF-8"
  ])
}) {
  override get message() {
    return `not a TickData message: ${this.problem} at byte ${this.offset} of the message`
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Reads one header after the other. It returns errors as values for speed. It has state: don't share it. */
export class TickHeader {
  /** Field 1 of the last message. If it appears several times, the last one counts, as in protobuf. */
  simulationRunId = ""
  private bytes: Uint8Array = new Uint8Array()
  private start = 0
  private position = 0
  private end = 0
  /** The last varint, 32 bits each, unsigned. */
  private low = 0
  private high = 0
  private numberLow = 0
  private numberHigh = 0
  private lastRunId = ""
  private lastRunIdBytes: Uint8Array = new Uint8Array()

  /** Field 2 of the last message, a signed 64-bit integer. If it appears several times, the last one counts. */
  get tickNumber(): bigint {
    return toInt64(this.numberLow, this.numberHigh)
  }

  /** Reads the message from `start` to `end` in `bytes`. Keeps nothing of `bytes`. */
  read(bytes: Uint8Array, start = 0, end = bytes.length): TickDecodeError | undefined {
    this.bytes = bytes
    this.start = start
    this.position = start
    this.end = end
    this.simulationRunId = ""
    this.numberLow = 0
    this.numberHigh = 0
    let error: TickDecodeError | undefined
    while (error === undefined && this.position < end) {
      this.position = passed(bytes, this.position, end)
      if (this.position < end) error = this.field()
    }
    this.bytes = this.lastRunIdBytes
    return error
  }

  private field(): TickDecodeError | undefined {
    const start = this.position
    const error = this.varint()
    if (error !== undefined) return error
    const tag = this.low
    if (this.high !== 0 || tag >>> 3 === 0) return this.failure(start, "field number 0")
    switch (tag & 7) {
      case 0:
        return this.varintField(tag)
      case 1:
        return this.skip(8, start)
      case 2:
        return this.lengthDelimitedField(tag)
      case 5:
        return this.skip(4, start)
      default:
        return this.failure(start, "unknown wire type")
    }
  }

  private varintField(tag: number): TickDecodeError | undefined {
    const error = this.varint()
    if (error !== undefined || tag !== 16) return error
    this.numberLow = this.low
    this.numberHigh = this.high
    return undefined
  }

  private lengthDelimitedField(tag: number): TickDecodeError | undefined {
    const start = this.position
    const error = this.varint()
    if (error !== undefined) return error
    const from = this.position
    const beyond = this.skip(this.high === 0 ? this.low : Number.POSITIVE_INFINITY, start)
    return beyond === undefined && tag === 10 ? this.runId(from, this.position) : beyond
  }

  private runId(from: number, until: number): TickDecodeError | undefined {
    if (!this.isLastRunId(from, until)) {
      const bytes = new Uint8Array(this.bytes.subarray(from, until))
      try {
        this.lastRunId = utf8.decode(bytes)
      } catch {
        return this.failure(from, "invalid UTF-8")
      }
      this.lastRunIdBytes = bytes
    }
    this.simulationRunId = this.lastRunId
    return undefined
  }

  /** Whether the bytes are those of the last run id. */
  private isLastRunId(from: number, until: number): boolean {
    const { bytes, lastRunIdBytes } = this
    const length = until - from
    if (lastRunIdBytes.length !== length) return false
    for (let index = 0; index < length; index++) if (bytes[from + index] !== lastRunIdBytes[index]) return false
    return true
  }

  private skip(length: number, fieldStart: number): TickDecodeError | undefined {
    if (length > this.end - this.position) return this.failure(fieldStart, "length beyond the end")
    this.position += length
    return undefined
  }

  /** Reads a varint into `low` and `high`. */
  private varint(): TickDecodeError | undefined {
    const byte = this.position < this.end ? (this.bytes[this.position] ?? 0xff) : 0xff
    if (byte >= 0x80) return this.longVarint()
    this.position++
    this.low = byte
    this.high = 0
    return undefined
  }

  /** A varint of several bytes, or a cut one. */
  private longVarint(): TickDecodeError | undefined {
    const start = this.position
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.position < this.end ? this.bytes[this.position] : undefined
      if (byte === undefined) return this.failure(start, "truncated varint")
      this.position++
      const bits = byte & 0x7f
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high = bits >>> 4
      } else high |= bits << (shift - 32)
      if (byte < 0x80) {
        if (shift === 63 && byte > 1) return this.failure(start, "varint of more than 64 bits")
        this.low = low >>> 0
        this.high = high >>> 0
        return undefined
      }
    }
    return this.failure(start, "varint of more than 64 bits")
  }

  private failure(at: number, problem: TickDecodeError["problem"]): TickDecodeError {
    return new TickDecodeError({ offset: at - this.start, problem })
  }
}

/**
 * Skips the most common fields from `start` on, and returns the offset after them. These fields are length-delimited,
 * whole, not the run id, with a tag of one byte and a length of one or two.
 */
const passed = (bytes: Uint8Array, start: number, end: number): number => {
  let position = start
  while (position + 2 < end) {
    const tag = bytes[position] ?? 0
    if ((tag & 0x87) !== 2 || tag <= 10) break
    let length = bytes[position + 1] ?? 0
    let next = position + 2
    if (length >= 0x80) {
      const high = bytes[next++] ?? 0x80
      if (high >= 0x80) break
      length += (high - 1) * 0x80
    }
    next += length
    if (next > end) break
    position = next
  }
  return position
}

const toInt64 = (low: number, high: number): bigint =>
  high < 0x200000 ? BigInt(high * 0x1_0000_0000 + low) : BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low))
