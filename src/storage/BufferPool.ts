/**
 * Buffers that are reused. A fresh buffer costs more than the work with it: the system clears its pages one by one, and the
 * garbage collector must find it later.
 */

export class BufferPool {
  private readonly idle: Array<Uint8Array> = []
  private readonly maxIdle: number

  /** Keeps at most `maxIdle` unused buffers. */
  constructor(maxIdle: number) {
    this.maxIdle = maxIdle
  }

  /** A buffer for the caller alone, with any content: a returned one, or else a new one of `newBytes`. */
  take(newBytes: number): Uint8Array {
    return this.idle.pop() ?? new Uint8Array(newBytes)
  }

  /** Returns `buffer` to the pool. Nothing may use it or write into it any more. */
  giveBack(buffer: Uint8Array): void {
    if (this.idle.length < this.maxIdle) this.idle.push(buffer)
  }
}
