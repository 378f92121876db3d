/**
 * Memory that batches are read into. It is used again once nobody needs their ticks, because fresh memory costs more than the
 * whole reading: the system clears it, and the garbage collector has to find out that it is free. A compressed batch uses
 * little of it: it is decompressed into memory of its own.
 */
import type { Room } from "../../storage/Storage.ts"

/** Size of a block; a batch takes as many as it needs. */
const blockBytes = 4 * 1024 * 1024

/** The memory of one batch. */
export interface Loan {
  readonly room: Room
  /** Call it once nobody uses the batch's ticks and no read into them is under way. */
  readonly giveBack: () => void
}

export class BatchMemory {
  private readonly idle: Array<Uint8Array> = []

  lend(): Loan {
    const taken: Array<Uint8Array> = []
    return {
      room: () => {
        const block = this.idle.pop() ?? new Uint8Array(blockBytes)
        taken.push(block)
        return block
      },
      giveBack: () => void this.idle.push(...taken.splice(0))
    }
  }
}
