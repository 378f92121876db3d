/**
 * Writes protobuf messages field by field, without an object for each.
 *
 * Fields are named by their number. Written in ascending order they are the bytes that every encoder writes: the
 * shortest form of each number and length. Fields without presence leave out what is zero or empty, as proto3 has it.
 */

/** Bytes that messages share. More would keep more memory for a message that is kept alone, fewer would move messages more often. */
const slabBytes = 64 * 1024

/** A larger message gets memory of its own size: in a slab it would waste what is left, and no budget counts that. */
const maxSharedBytes = slabBytes / 4

const utf8 = new TextEncoder()

/** What stands before a field: its number, and how it is written (0 a varint, 2 a length and so many bytes). */
export const tag = (field: number, wireType: 0 | 2): number => (field << 3) | wireType

/** Puts a number from 0 to 2^32 - 1 as a varint at `at`, where there is room for 5 bytes; gives the place after it. */
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

/** Puts an `int32` at `at`, where there is room for 10 bytes; gives the place after it. */
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
  /** Where the message begins that is being written. */
  private start = 0
  /** Where the next byte is written. Whoever writes into what `room` gave moves it. */
  position = 0

  /** The message that was written since the last one. Its bytes never change afterwards. */
  finish(): Uint8Array {
    const message = this.slab.subarray(this.start, this.position)
    if (message.length > maxSharedBytes) {
      this.position = this.start
      return message.slice()
    }
    this.start = this.position
    return message
  }

  /** Begins a message or a packed list in a field. It ends when `close` is called with the result. */
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
    // One byte was reserved for the length. The content moves on by the bytes that are missing.
    const more = Math.ceil((32 - Math.clz32(length)) / 7) - 1
    this.room(more)
    const from = this.start + opened
    this.slab.copyWithin(from + more, from, this.position)
    this.position = from - 1
    this.varint(length)
    this.position += length
  }

  /** Leaves 0 out. */
  int32(field: number, value: number): void {
    if (value !== 0) this.presentInt32(field, value)
  }

  presentInt32(field: number, value: number): void {
    this.varint(tag(field, 0))
    this.int32Value(value)
  }

  /** Leaves 0 out. */
  int64(field: number, value: bigint): void {
    if (value === 0n) return
    this.varint(tag(field, 0))
    // Numbers do for all but the largest values, and make no garbage.
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

  /** Leaves `false` out. */
  bool(field: number, value: boolean): void {
    if (value) this.presentInt32(field, 1)
  }

  /** Leaves the empty string out. */
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

  /** Leaves out what is empty. */
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

  /** The bytes that `position` is in, with room for `size` more from there. Valid until something else is written. */
  room(size: number): Uint8Array {
    if (this.position + size > this.slab.length) this.moveOn(size)
    return this.slab
  }

  /** Moves the message that is being written to new bytes. Earlier messages keep theirs. */
  private moveOn(size: number): void {
    const written = this.slab.subarray(this.start, this.position)
    this.slab = new Uint8Array(Math.max(slabBytes, 2 * (written.length + size)))
    this.slab.set(written)
    this.start = 0
    this.position = written.length
  }
}
