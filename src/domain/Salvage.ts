/**
 * Reads the intact ticks of a damaged delimited stream of one run, before and after the damage.
 *
 * Every message begins with field 1, the run id. After a damage, it searches for that field with a valid length before it.
 * If the checksums of the messages are known, it takes only a message that is exactly what was written. If not, it takes a
 * message that can be read, belongs to the run and its range, and is followed by the start of another message or the end.
 * It holds at most one message of the greatest length, and a chunk.
 *
 * ```ts
 * import * as Salvage from "tickvault/domain/Salvage"
 *
 * // Without running checksums, ticks are recognized only by their form.
 * export const intact = (damaged: Uint8Array) => {
 *   const salvager = new Salvage.Salvager({ runId: "run-1", first: 1n, last: 1000n, checks: undefined })
 *   return [...salvager.push(damaged), ...salvager.end()].flatMap((found) => (found._tag === "Tick" ? [found.tick] : []))
 * }
 * ```
 */
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import * as Checksum from "./Checksum.ts"
import { defaultMaxMessageBytes } from "./Delimited.ts"
import * as Tick from "./Tick.ts"

/** What is known about the stream from its name and the ledger. */
export interface Expected {
  readonly runId: string
  readonly first: bigint
  readonly last: bigint
  /** The running checksum of the stream after each of its messages. */
  readonly checks: ReadonlyArray<number> | undefined
}

/** The next part of the stream: a tick, or bytes without an intact tick. */
export type Found =
  | { readonly _tag: "Tick"; readonly tick: Tick.Tick }
  | { readonly _tag: "Damage"; readonly offset: number; readonly bytes: number }

/** A possible message at an offset. `unknown`: more bytes are needed to decide. */
type Candidate = { readonly tick: Tick.Tick; readonly end: number; readonly index: number } | "none" | "unknown"

const maxPrefixBytes = 10

/** Searches a stream for ticks, chunk by chunk. It has state: use one for each stream. */
export class Salvager {
  private readonly expected: Expected
  private readonly maxMessageBytes: number
  /** The first bytes of each message: tag, length and bytes of the run id. */
  private readonly head: Uint8Array
  private bytes: Uint8Array = new Uint8Array()
  /** Offset of `bytes` in the stream. */
  private offset = 0
  /** Offset in `bytes` where the next message should begin, or where the search continues. */
  private position = 0
  /** Offset of the damage in the stream. `undefined` while the framing is known. */
  private lostAt: number | undefined
  /** The number of messages of `checks` that are passed. */
  private passed = 0
  private ended = false
  /** Chunks that are not yet appended to `bytes`: appending copies, so it is done rarely. */
  private pending: Array<Uint8Array> = []
  private pendingBytes = 0

  constructor(expected: Expected, maxMessageBytes: number = defaultMaxMessageBytes) {
    this.expected = expected
    this.maxMessageBytes = maxMessageBytes
    const runId = new TextEncoder().encode(expected.runId)
    this.head = Bytes.concat([Uint8Array.of(10), lengthPrefix(runId.length), runId])
  }

  /** The parts that `chunk` completes. They are views of `chunk`. */
  push(chunk: Uint8Array): Array<Found> {
    this.pending.push(chunk)
    this.pendingBytes += chunk.length
    return this.pendingBytes < this.bytes.length ? [] : this.proceed()
  }

  /** The last parts, when the stream has ended. */
  end(): Array<Found> {
    this.ended = true
    const found = this.proceed()
    const lostAt = this.lostAt
    const end = this.offset + this.bytes.length
    if (lostAt !== undefined && end > lostAt) found.push({ _tag: "Damage", offset: lostAt, bytes: end - lostAt })
    return found
  }

  private proceed(): Array<Found> {
    const found: Array<Found> = []
    this.bytes = Bytes.concat([this.bytes, ...this.pending])
    this.pending = []
    this.pendingBytes = 0
    while (this.position < this.bytes.length) {
      const candidate = this.lostAt === undefined ? this.at(this.position) : this.next()
      if (candidate === "unknown") break
      if (candidate === "none") {
        if (this.lostAt !== undefined) break
        this.lostAt = this.offset + this.position
        continue
      }
      this.take(candidate, found)
    }
    this.forget()
    return found
  }

  private take({ end, index, tick }: Exclude<Candidate, string>, found: Array<Found>): void {
    if (this.lostAt !== undefined) {
      const begins = this.offset + this.position
      if (begins > this.lostAt) found.push({ _tag: "Damage", offset: this.lostAt, bytes: begins - this.lostAt })
      this.lostAt = undefined
    }
    found.push({ _tag: "Tick", tick })
    this.position = end
    this.passed = index + 1
  }

  /** Releases the bytes before the position. */
  private forget(): void {
    this.bytes = this.bytes.subarray(this.position)
    this.offset += this.position
    this.position = 0
  }

  /** The next message after a damage. Sets the position to its length, or to where the search continues. */
  private next(): Candidate {
    while (true) {
      const head = this.findHead(this.position)
      if (head < 0) {
        // The last bytes may be the beginning of a head, with the length before it.
        const kept = this.ended ? 0 : this.head.length + maxPrefixBytes
        this.position = Math.max(this.position, this.bytes.length - kept)
        return "none"
      }
      const from = Math.max(this.position, head - maxPrefixBytes)
      for (let start = from; start < head; start++) {
        const candidate = this.prefixEnd(start) === head ? this.at(start) : "none"
        if (candidate === "none") continue
        this.position = start
        return candidate
      }
      this.position = head + 1
    }
  }

  private findHead(from: number): number {
    for (let at = this.bytes.indexOf(10, from); at >= 0; at = this.bytes.indexOf(10, at + 1)) {
      if (this.isHead(at)) return at
    }
    return -1
  }

  private isHead(at: number): boolean {
    if (at + this.head.length > this.bytes.length) return false
    return this.head.every((byte, index) => this.bytes[at + index] === byte)
  }

  /** The end of the varint at `start`. -1 when it doesn't end within the bytes. */
  private prefixEnd(start: number): number {
    for (let at = start; at < start + maxPrefixBytes && at < this.bytes.length; at++) {
      if ((this.bytes[at] ?? 0) < 0x80) return at + 1
    }
    return -1
  }

  private at(start: number): Candidate {
    const begin = this.prefixEnd(start)
    if (begin < 0) return this.ended || this.bytes.length - start >= maxPrefixBytes ? "none" : "unknown"
    let length = 0
    for (let at = begin - 1; at >= start; at--) length = length * 128 + ((this.bytes[at] ?? 0) & 0x7f)
    if (length > this.maxMessageBytes) return "none"
    const end = begin + length
    const ahead =
      this.expected.checks === undefined && this.lostAt !== undefined ? maxPrefixBytes + this.head.length : 0
    if (end > this.bytes.length) return this.ended ? "none" : "unknown"
    if (end + ahead > this.bytes.length && !this.ended) return "unknown"
    return this.message(start, begin, end)
  }

  private message(start: number, begin: number, end: number): Candidate {
    const tick = Result.getOrUndefined(Tick.fromBytes(this.bytes.subarray(begin, end)))
    const { checks, first, last, runId } = this.expected
    if (tick === undefined || tick.simulationRunId !== runId) return "none"
    if (tick.tickNumber < first || tick.tickNumber > last) return "none"
    if (checks !== undefined) {
      const index = this.findCheck(checks, this.bytes.subarray(start, end))
      return index < 0 ? "none" : { tick, end, index }
    }
    const confirmed = this.lostAt === undefined || end === this.bytes.length || this.isHead(this.prefixEnd(end))
    return confirmed ? { tick, end, index: this.passed } : "none"
  }

  /** The index of `framed` among the messages not yet passed. -1 when it is none of them. */
  private findCheck(checks: ReadonlyArray<number>, framed: Uint8Array): number {
    if (Checksum.of(framed, before(checks, this.passed)) === checks[this.passed]) return this.passed
    // Computes the checksum of the bytes once, and joins it by arithmetic with each checksum before.
    const shift = new Checksum.Shift(framed.length)
    const own = Checksum.of(framed)
    for (let index = this.passed + 1; index < checks.length; index++) {
      if (shift.join(before(checks, index), own) === checks[index]) return index
    }
    return -1
  }
}

const before = (checks: ReadonlyArray<number>, index: number): number =>
  index === 0 ? Checksum.empty : (checks[index - 1] ?? Checksum.empty)

const lengthPrefix = (length: number): Uint8Array => {
  const bytes: Array<number> = []
  let rest = length
  for (; rest > 0x7f; rest >>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Uint8Array.of(...bytes, rest)
}
