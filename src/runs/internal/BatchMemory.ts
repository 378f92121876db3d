/**
 * Memory that batches are read into, used again once their ticks are done with: fresh memory costs more than all that is
 * done with it, as the system clears it and the garbage collector has to find out that it is free. What is compressed
 * takes little of it: it is decompressed into memory of its own.
 */
import type { Room } from "../../storage/Storage.ts"

/** A batch takes as many as it needs. */
const blockBytes = 4 * 1024 * 1024

/** What one batch has. */
export interface Loan {
  readonly room: Room
  /** Nobody looks at the batch any more, and nobody is reading it. */
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
