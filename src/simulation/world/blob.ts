/** Fixed-size records of little-endian numbers, for state that has no field in the contract. */

/** Converts a float to bytes. */
const scratch = new DataView(new ArrayBuffer(8))

/** Writes without a `DataView` of its own: a blob is small and made at every tick, and the view would cost most of it. */
export class BlobWriter {
  readonly bytes: Uint8Array
  private position = 0

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
  }

  /** A whole number from 0 to 255. */
  u8(value: number): this {
    this.bytes[this.position++] = value
    return this
  }

  /** A whole number from 0 to 2^32 - 1. */
  u32(value: number): this {
    return this.u8(value & 0xff)
      .u8((value >>> 8) & 0xff)
      .u8((value >>> 16) & 0xff)
      .u8(value >>> 24)
  }

  /** A whole number from 0 to 2^53 - 1. */
  count(value: number): this {
    scratch.setFloat64(0, value, true)
    return this.u32(scratch.getUint32(0, true)).u32(scratch.getUint32(4, true))
  }
}

export class BlobReader {
  /** Whether everything read so far was present and in its range. */
  isIntact = true
  private readonly view: DataView
  private position = 0

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Whether every byte was read and everything was in its range. */
  get isComplete(): boolean {
    return this.isIntact && this.position === this.view.byteLength
  }

  u8(limit = 256): number {
    return this.has(1) ? this.inRange(this.view.getUint8(this.position++), limit) : 0
  }

  /** A number below `limit`. */
  u32(limit = 0x1_0000_0000): number {
    if (!this.has(4)) return 0
    this.position += 4
    return this.inRange(this.view.getUint32(this.position - 4, true), limit)
  }

  count(): number {
    if (!this.has(8)) return 0
    this.position += 8
    const value = this.view.getFloat64(this.position - 8, true)
    if (Number.isSafeInteger(value) && value >= 0) return value
    this.isIntact = false
    return 0
  }

  private has(bytes: number): boolean {
    if (this.position + bytes > this.view.byteLength) this.isIntact = false
    return this.isIntact
  }

  private inRange(value: number, limit: number): number {
    if (value < limit) return value
    this.isIntact = false
    return 0
  }
}
