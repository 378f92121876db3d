/**
 * Cuts a zstd stream at the ends of its parts (RFC 8878, 3.1). So a decompressor emits all of one part before it gets the
 * next one, which may be damaged.
 */
import * as Bytes from "effect/Bytes"

/**
 * What comes next: the header of a frame or of a block, or the checksum at the end of a frame, which counts as a
 * header.
 */
type Phase = "frame" | "block" | "checksum"

/** The size of a header, the size of what follows it, and which header comes next. */
interface Part {
  readonly headerBytes: number
  readonly bodyBytes: number
  readonly next: Phase
}

/** Whether a stream that begins with these bytes is compressed: a frame (3.1.1), or a skippable frame (3.1.2). */
export const beginsFrame = ([a = 0, b, c, d]: Uint8Array): boolean =>
  (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) || isSkippable(a, b, c, d)

const isSkippable = (a: number, b?: number, c?: number, d?: number): boolean =>
  a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18

/** The fewest bytes that tell the size of a header. */
const leastBytes = { frame: 5, block: 3, checksum: 4 } as const

/** The bytes are not zstd: there are no more cuts. */
const unknown = (bytes: Uint8Array): Part => ({
  headerBytes: bytes.length,
  bodyBytes: Number.POSITIVE_INFINITY,
  next: "frame"
})

const numberOf = (bytes: Uint8Array): number => bytes.reduceRight((number, byte) => number * 256 + byte, 0)

/** Cuts a stream. It has state: use one for each stream. */
export class Cutter {
  private phase: Phase = "frame"
  /** Whether a checksum follows the last block of the frame. */
  private hasChecksum = false
  /** The beginning of a header. */
  private held: Uint8Array = new Uint8Array()
  /** Bytes to come before the next header. */
  private bodyBytes = 0

  /** `chunk` in pieces, cut at each header. An incomplete header comes with the next chunk. */
  push(chunk: Uint8Array): Array<Uint8Array> {
    const pieces: Array<Uint8Array> = []
    let bytes = this.held.length === 0 ? chunk : Bytes.concat([this.held, chunk])
    this.held = new Uint8Array()
    while (bytes.length > 0) {
      const part = this.bodyBytes > 0 ? undefined : this.part(bytes)
      if (this.bodyBytes === 0 && part === undefined) {
        this.held = bytes.slice() // the chunk may be lent
        break
      }
      const length = Math.min(part?.headerBytes ?? this.bodyBytes, bytes.length)
      pieces.push(bytes.subarray(0, length))
      bytes = bytes.subarray(length)
      this.bodyBytes = part?.bodyBytes ?? this.bodyBytes - length
    }
    return pieces
  }

  /** The rest at the end of the stream: a cut header. */
  end(): Array<Uint8Array> {
    return this.held.length === 0 ? [] : [this.held]
  }

  /** The part at the beginning of `bytes`. `undefined` when its header is incomplete. */
  private part(bytes: Uint8Array): Part | undefined {
    if (bytes.length < leastBytes[this.phase]) return undefined
    const part = this[this.phase](bytes)
    if (part.headerBytes > bytes.length) return undefined
    this.phase = part.next
    return part
  }

  private frame(bytes: Uint8Array): Part {
    const [a = 0, b, c, d, descriptor = 0] = bytes
    if (isSkippable(a, b, c, d)) {
      return { headerBytes: 8, bodyBytes: numberOf(bytes.subarray(4, 8)), next: "frame" }
    }
    if (!beginsFrame(bytes)) return unknown(bytes)
    this.hasChecksum = (descriptor & 4) !== 0
    const isSingle = (descriptor & 32) !== 0
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
    const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
    return { headerBytes: 5 + (isSingle ? 0 : 1) + dictionaryBytes + sizeBytes, bodyBytes: 0, next: "block" }
  }

  private block(bytes: Uint8Array): Part {
    const header = numberOf(bytes.subarray(0, 3))
    const type = (header >> 1) & 3
    if (type === 3) return unknown(bytes)
    const isLast = (header & 1) === 1
    const next = isLast ? (this.hasChecksum ? "checksum" : "frame") : "block"
    return { headerBytes: 3, bodyBytes: type === 1 ? 1 : header >> 3, next }
  }

  private checksum(): Part {
    return { headerBytes: 4, bodyBytes: 0, next: "frame" }
  }
}
