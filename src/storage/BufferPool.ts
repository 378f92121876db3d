/**
 * Buffers that are used again. A fresh buffer costs more than what is done with it: the system clears its pages one by one,
 * and the garbage collector has to find out that it is free.
 *
 * ```ts
 * import { BufferPool } from "tickvault/storage/BufferPool"
 *
 * const pool = new BufferPool(4)
 * const buffer = pool.take(1024)
 * pool.giveBack(buffer)
 * ```
 */

export class BufferPool {
  private readonly idle: Array<Uint8Array> = []
  private readonly maxIdle: number

  /** Keeps at most `maxIdle` buffers that nobody uses. */
  constructor(maxIdle: number) {
    this.maxIdle = maxIdle
  }

  /** A buffer that nobody else uses, with any bytes in it: one that was given back, or else a new one of `newBytes`. */
  take(newBytes: number): Uint8Array {
    return this.idle.pop() ?? new Uint8Array(newBytes)
  }

  /** Nobody uses `buffer` any more, and nothing writes into it any more. */
  giveBack(buffer: Uint8Array): void {
    if (this.idle.length < this.maxIdle) this.idle.push(buffer)
  }
}
