/**
 * Buffers for reading batches, reused when their ticks are no longer needed. A compressed batch needs few of them: it is
 * decompressed into its own memory.
 */
import { BufferPool } from "../../storage/BufferPool.ts"
import type { Room } from "../../storage/Storage.ts"

/** Size of a buffer. A batch takes as many as it needs. */
const bufferBytes = 4 * 1024 * 1024

/** At most this many buffers are kept for the next batches: 128 MiB. */
export const maxIdle = 32

/** The buffers of one batch. */
export interface Loan {
  readonly room: Room
  /** Call it when the batch's ticks are no longer used and no read into the buffers is running. */
  readonly giveBack: () => void
}

export class ReadBuffers {
  private readonly pool = new BufferPool(maxIdle)

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
