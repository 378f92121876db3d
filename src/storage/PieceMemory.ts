/**
 * Memory for the pieces in which objects are written, used again once they are written: fresh memory costs more than all
 * that is done with it, as the system clears it page by page.
 *
 * Memory that is lent belongs to one write. It comes back only from a write that has ended well: one that was abandoned
 * may still read it, whenever that is.
 *
 * ```ts
 * import { PieceMemory } from "tickvault/storage/PieceMemory"
 *
 * const memory = new PieceMemory(2)
 * const loan = memory.lend()
 * loan.piece(3).set([1, 2, 3])
 * loan.giveBack()
 * ```
 */

/** Largest memory that is kept for the next write, in bytes. */
const maxKeptBytes = 8 * 1024 * 1024

/** What one write has. */
export interface Loan {
  /**
   * Memory for a piece of so many bytes, in which anything may stand. The piece before it stays what it is, and may be
   * written meanwhile; it takes the memory of the one before that.
   */
  readonly piece: (bytes: number) => Uint8Array
  /** The write has ended and nobody reads its pieces any more. */
  readonly giveBack: () => void
}

export class PieceMemory {
  private readonly idle: Array<Uint8Array> = []
  private readonly maxIdle: number

  /** Keeps memory for as many writes at a time as `maxWrites`. */
  constructor(maxWrites: number) {
    this.maxIdle = 2 * maxWrites
  }

  lend(): Loan {
    const take = () => this.idle.pop() ?? new Uint8Array(0)
    let [next, other] = [take(), take()]
    return {
      piece: (bytes) => {
        // A power of two, so that the next batch, which is seldom of the very same size, fits too.
        const memory = bytes > next.length ? new Uint8Array(2 ** Math.ceil(Math.log2(bytes))) : next
        ;[next, other] = [other, memory]
        return memory.subarray(0, bytes)
      },
      giveBack: () => {
        for (const memory of [next, other]) {
          const isWorthIt = memory.length > 0 && memory.length <= maxKeptBytes
          if (isWorthIt && this.idle.length < this.maxIdle) this.idle.push(memory)
        }
      }
    }
  }
}
