/**
 * One captured simulation step on its way through the pipeline: whose it is, which it is, and its encoded bytes.
 *
 * A tick is encoded once, where it is made, or never decoded at all: for ticks that arrive as bytes only fields 1 and 2
 * of `TickData` are read, by scanning the wire format. Unknown fields survive because the bytes are passed on as they
 * are.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as RunId from "./RunId.ts"
import * as Encoder from "../protobuf/Encoder.ts"
import { TickDataSchema, type TickData } from "../gen/org/evochora/datapipeline/api/contracts/tickdata_contracts_pb.ts"

/** An encoded tick. Nothing is promised of the run id and the number but that they are what the payload says. */
export interface Tick {
  /** Field 1 of the payload. May be unfit as a folder name: `PersistenceService` checks that. */
  readonly simulationRunId: string
  /** Field 2 of the payload, a signed 64-bit integer. Valid ticks have 0 or more. */
  readonly tickNumber: bigint
  /** The encoded `TickData`. Owned by the tick: don't change the bytes after handing it on. */
  readonly payload: Uint8Array
}

/** A sequence of ticks that has at least one. */
export type Batch = readonly [Tick, ...Array<Tick>]

/** Whether there is anything in `ticks`. */
export const isBatch = (ticks: ReadonlyArray<Tick>): ticks is Batch => ticks.length > 0

/** `ticks` by their run, each in its order; those of what is no run id are left out. */
export const byRun = (
  ticks: ReadonlyArray<Tick>
): ReadonlyArray<readonly [runId: RunId.RunId, ticks: ReadonlyArray<Tick>]> =>
  [...Map.groupBy(ticks, ({ simulationRunId }) => simulationRunId)].flatMap(([runId, of]) =>
    RunId.is(runId) ? [[runId, of] as const] : []
  )

/** The bytes are no protobuf message. `offset` counts bytes from the start of the message. */
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

const encode = Encoder.make(TickDataSchema)

/** Encodes `message` once. The result shares nothing with it; `Encoder.make` says what its payload may share. */
export const fromMessage = (message: TickData): Tick => ({
  simulationRunId: message.simulationRunId,
  tickNumber: message.tickNumber,
  payload: encode(message)
})

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Reads the run id and the tick number from an encoded `TickData`, wherever in the message they stand; of several the
 * last one counts, as protobuf has it. The rest of the message is skipped, not decoded. `payload` is kept, not copied.
 */
export const fromBytes = (payload: Uint8Array): Result.Result<Tick, TickDecodeError> => {
  const scan = new HeaderScan(payload)
  const error = scan.run()
  return error === undefined
    ? Result.succeed({ simulationRunId: scan.simulationRunId, tickNumber: scan.tickNumber, payload })
    : Result.fail(error)
}

/** One pass over the top-level fields of a message. Returns errors as values: it runs once for every tick. */
class HeaderScan {
  simulationRunId = ""
  tickNumber = 0n
  private position = 0
  private low = 0
  private high = 0
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  run(): TickDecodeError | undefined {
    while (this.position < this.bytes.length) {
      const error = this.field()
      if (error !== undefined) return error
    }
    return undefined
  }

  private field(): TickDecodeError | undefined {
    const start = this.position
    const error = this.varint()
    if (error !== undefined) return error
    const tag = this.low
    if (this.high !== 0 || tag >>> 3 === 0) return new TickDecodeError({ offset: start, problem: "field number 0" })
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
        return new TickDecodeError({ offset: start, problem: "unknown wire type" })
    }
  }

  private varintField(tag: number): TickDecodeError | undefined {
    const error = this.varint()
    if (error === undefined && tag === 16) this.tickNumber = toInt64(this.low, this.high)
    return error
  }

  private lengthDelimitedField(tag: number): TickDecodeError | undefined {
    const start = this.position
    const error = this.varint()
    if (error !== undefined) return error
    const from = this.position
    const length = this.high === 0 ? this.low : Number.POSITIVE_INFINITY
    const beyond = this.skip(length, start)
    if (beyond !== undefined || tag !== 10) return beyond
    try {
      this.simulationRunId = utf8.decode(this.bytes.subarray(from, this.position))
    } catch {
      return new TickDecodeError({ offset: from, problem: "invalid UTF-8" })
    }
    return undefined
  }

  private skip(length: number, fieldStart: number): TickDecodeError | undefined {
    if (length > this.bytes.length - this.position) {
      return new TickDecodeError({ offset: fieldStart, problem: "length beyond the end" })
    }
    this.position += length
    return undefined
  }

  /** Reads a varint into `low` and `high`, 32 bits each, unsigned. */
  private varint(): TickDecodeError | undefined {
    const start = this.position
    const bytes = this.bytes
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[this.position]
      if (byte === undefined) return new TickDecodeError({ offset: start, problem: "truncated varint" })
      this.position++
      const bits = byte & 0x7f
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high = bits >>> 4
      } else high |= bits << (shift - 32)
      if (byte < 0x80) {
        if (shift === 63 && byte > 1) {
          return new TickDecodeError({ offset: start, problem: "varint of more than 64 bits" })
        }
        this.low = low >>> 0
        this.high = high >>> 0
        return undefined
      }
    }
    return new TickDecodeError({ offset: start, problem: "varint of more than 64 bits" })
  }
}

const toInt64 = (low: number, high: number): bigint =>
  high < 0x200000 ? BigInt(high * 0x1_0000_0000 + low) : BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low))
