/**
 * Memory for the pieces of the objects that are written.
 *
 * A buffer that is lent belongs to one write. Only a write that has succeeded gives it back. One that was abandoned may
 * still read it later.
 */
import { BufferPool } from "../storage/BufferPool.ts"

/** The largest buffer that is kept for the next write, in bytes. */
const maxKeptBytes = 8 * 1024 * 1024

/** The buffers of one write. */
export interface Loan {
  /**
   * A buffer for a piece of so many bytes, with any bytes in it. The piece before it stays as it is, and may be written
   * meanwhile. The buffer of the piece before that is used again.
   */
  readonly piece: (bytes: number) => Uint8Array
  /** The write has ended and nobody reads its pieces any more. */
  readonly giveBack: () => void
}

export class WriteBuffers {
  private readonly pool: BufferPool

  /** Keeps buffers for `maxWrites` concurrent writes. */
  constructor(maxWrites: number) {
    this.pool = new BufferPool(2 * maxWrites)
  }

  lend(): Loan {
    let [next, other] = [this.pool.take(0), this.pool.take(0)]
    return {
      piece: (bytes) => {
        // A power of two, so that a next batch of about the same size fits too.
        const buffer = bytes > next.length ? new Uint8Array(2 ** Math.ceil(Math.log2(bytes))) : next
        ;[next, other] = [other, buffer]
        return buffer.subarray(0, bytes)
      },
      giveBack: () => {
        for (const buffer of [next, other]) {
          if (buffer.length > 0 && buffer.length <= maxKeptBytes) this.pool.giveBack(buffer)
        }
      }
    }
  }
}
