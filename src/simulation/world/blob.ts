/** Fixed-size records of little-endian numbers: how state without a field of its own is saved. */

export class BlobWriter {
  readonly bytes: Uint8Array
  private readonly view: DataView
  private position = 0

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
  }

  /** A whole number from 0 to 255. */
  u8(value: number): this {
    this.view.setUint8(this.position, value)
    this.position += 1
    return this
  }

  /** A whole number from 0 to 2^32 - 1. */
  u32(value: number): this {
    this.view.setUint32(this.position, value, true)
    this.position += 4
    return this
  }

  /** A whole number from 0 to 2^53 - 1. */
  count(value: number): this {
    this.view.setFloat64(this.position, value, true)
    this.position += 8
    return this
  }
}

export class BlobReader {
  /** Whether all that was read was there and in its range. */
  isIntact = true
  private readonly view: DataView
  private position = 0

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Whether every byte was read, and all of them made sense. */
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
