/**
 * Buffers that batches are read into, used again once nobody needs their ticks. A compressed batch takes few of them: it is
 * decompressed into memory of its own.
 */
import { BufferPool } from "../../storage/BufferPool.ts"
import type { Room } from "../../storage/Storage.ts"

/** Size of a buffer; a batch takes as many as it needs. */
const bufferBytes = 4 * 1024 * 1024

/** The buffers of one batch. */
export interface Loan {
  readonly room: Room
  /** Call it once nobody uses the batch's ticks and no read into the buffers is under way. */
  readonly giveBack: () => void
}

export class ReadBuffers {
  private readonly pool = new BufferPool(Infinity)

  lend(): Loan {
    const taken: Array<Uint8Array> = []
    return {
      room: () => {
        const buffer = this.pool.take(bufferBytes)
        taken.push(buffer)
        return buffer
      },
      giveBack: () => {
        for (const buffer of taken.splice(0)) this.pool.giveBack(buffer)
      }
    }
  }
}
