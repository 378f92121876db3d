/**
 * Memory for the pieces in which objects are written, used again once they are written: fresh memory costs more than all
 * that is done with it, as the system clears it page by page.
 *
 * Memory that is lent belongs to one write. It comes back only from a write that has ended well: one that was abandoned
 * may still read it, whenever that is.
 */

/** Largest memory that is kept for the next write, in bytes. */
const maxKeptBytes = 8 * 1024 * 1024

/** What one write has. */
export interface Loan {
  /** Memory for a piece of so many bytes, in which anything may stand. It takes that of the piece before it. */
  readonly piece: (bytes: number) => Uint8Array
  /** The write has ended and nobody reads its pieces any more. */
  readonly giveBack: () => void
}

export class PieceMemory {
  private readonly idle: Array<Uint8Array> = []
  private readonly maxIdle: number

  /** Keeps memory for as many writes at a time as `maxIdle`. */
  constructor(maxIdle: number) {
    this.maxIdle = maxIdle
  }

  lend(): Loan {
    let memory = this.idle.pop() ?? new Uint8Array(0)
    return {
      piece: (bytes) => {
        // A power of two, so that the next batch, which is seldom of the very same size, fits too.
        if (bytes > memory.length) memory = new Uint8Array(2 ** Math.ceil(Math.log2(bytes)))
        return memory.subarray(0, bytes)
      },
      giveBack: () => {
        if (memory.length <= maxKeptBytes && this.idle.length < this.maxIdle) this.idle.push(memory)
      }
    }
  }
}
