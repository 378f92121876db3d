/**
 * Writes protobuf messages field by field, without an object for each.
 *
 * Fields are given by their numbers. In ascending order, the bytes are those of any encoder: numbers and lengths have
 * their shortest form. Fields without presence omit zero and empty values, as proto3 requires.
 */

/**
 * Size of the buffer that messages share. Larger: a kept message would hold more memory. Smaller: messages move more
 * often.
 */
const slabBytes = 64 * 1024

/**
 * A larger message gets its own buffer of its exact size: in a shared one it would leave much memory unused and
 * uncounted.
 */
const maxSharedBytes = slabBytes / 4

const utf8 = new TextEncoder()

/** What stands before a field: its number, and how it is written (0 a varint, 2 a length and so many bytes). */
export const tag = (field: number, wireType: 0 | 2): number => (field << 3) | wireType

/** Writes a number from 0 to 2^32 - 1 as a varint at `at`, which needs room for 5 bytes. Returns the offset after it. */
export const putVarint = (bytes: Uint8Array, at: number, value: number): number => {
  if (value < 0x80) {
    bytes[at] = value
    return at + 1
  }
  let position = at
  let left = value
  while (left >= 0x80) {
    bytes[position++] = (left & 0x7f) | 0x80
    left >>>= 7
  }
  bytes[position] = left
  return position + 1
}

/** Writes an `int32` at `at`, which needs room for 10 bytes. Returns the offset after it. */
export const putInt32 = (bytes: Uint8Array, at: number, value: number): number => {
  if (value >= 0) return putVarint(bytes, at, value)
  // Negative numbers are 64 bits wide.
  for (let byte = 0; byte < 4; byte++) bytes[at + byte] = (value >> (7 * byte)) | 0x80
  bytes[at + 4] = (value >> 28) | 0x80
  bytes.fill(0xff, at + 5, at + 9)
  bytes[at + 9] = 1
  return at + 10
}

export class Wire {
  private slab = new Uint8Array(slabBytes)
  /** Start of the message that is being written. */
  private start = 0
  /** Offset of the next byte. A caller that wrote into the bytes of `room` sets it to the end of what it wrote. */
  position = 0

  /** The message written since the last `finish`. Its bytes never change afterwards. */
  finish(): Uint8Array {
    const message = this.slab.subarray(this.start, this.position)
    if (message.length > maxSharedBytes) {
      this.position = this.start
      return message.slice()
    }
    this.start = this.position
    return message
  }

  /** Begins a message or a packed list in a field. It ends with `close` of the returned value. */
  open(field: number): number {
    this.varint(tag(field, 2))
    this.room(1)
    return ++this.position - this.start
  }

  close(opened: number): void {
    const length = this.position - this.start - opened
    if (length < 0x80) {
      this.slab[this.start + opened - 1] = length
      return
    }
    // Only one byte was reserved for the length: the content moves by the missing bytes.
    const more = Math.ceil((32 - Math.clz32(length)) / 7) - 1
    this.room(more)
    const from = this.start + opened
    this.slab.copyWithin(from + more, from, this.position)
    this.position = from - 1
    this.varint(length)
    this.position += length
  }

  /** Omits 0. */
  int32(field: number, value: number): void {
    if (value !== 0) this.presentInt32(field, value)
  }

  presentInt32(field: number, value: number): void {
    this.varint(tag(field, 0))
    this.int32Value(value)
  }

  /** Omits 0. */
  int64(field: number, value: bigint): void {
    if (value === 0n) return
    this.varint(tag(field, 0))
    // Numbers are enough for all but the largest values and allocate nothing.
    const number = Number(value)
    const isExact = number >= 0 && number <= Number.MAX_SAFE_INTEGER
    const bits = isExact ? 0n : BigInt.asUintN(64, value)
    let low = isExact ? number >>> 0 : Number(bits & 0xffff_ffffn)
    let high = isExact ? Math.floor(number / 0x1_0000_0000) : Number(bits >> 32n)
    this.room(10)
    while (high > 0) {
      this.slab[this.position++] = (low & 0x7f) | 0x80
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    this.varint(low)
  }

  /** Omits `false`. */
  bool(field: number, value: boolean): void {
    if (value) this.presentInt32(field, 1)
  }

  /** Omits the empty string. */
  string(field: number, value: string): void {
    if (value !== "") this.presentString(field, value)
  }

  presentString(field: number, value: string): void {
    this.room(3 * value.length + 10)
    const opened = this.open(field)
    const { slab } = this
    let position = this.position
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index)
      if (unit >= 0x80) {
        position = this.position + utf8.encodeInto(value, slab.subarray(this.position)).written
        break
      }
      slab[position++] = unit
    }
    this.position = position
    this.close(opened)
  }

  /** Omits empty bytes. */
  bytes(field: number, value: Uint8Array): void {
    if (value.length === 0) return
    this.room(value.length + 16)
    this.varint(tag(field, 2))
    this.varint(value.length)
    this.slab.set(value, this.position)
    this.position += value.length
  }

  /** An element of a packed list of `int32`. */
  int32Value(value: number): void {
    this.room(10)
    this.position = putInt32(this.slab, this.position, value)
  }

  private varint(value: number): void {
    this.room(5)
    this.position = putVarint(this.slab, this.position, value)
  }

  /** The buffer, with room for `size` more bytes from `position` on. It is valid until the next write. */
  room(size: number): Uint8Array {
    if (this.position + size > this.slab.length) this.moveOn(size)
    return this.slab
  }

  /** Moves the unfinished message to a new buffer. Finished messages keep theirs. */
  private moveOn(size: number): void {
    const written = this.slab.subarray(this.start, this.position)
    this.slab = new Uint8Array(Math.max(slabBytes, 2 * (written.length + size)))
    this.slab.set(written)
    this.start = 0
    this.position = written.length
  }
}
