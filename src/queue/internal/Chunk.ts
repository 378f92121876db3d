/**
 * Ticks that entered a queue in one step. They are moved in and out in plain loops, so that a tick in a queue costs no
 * object and no call of its own.
 */
import type * as Tick from "../../domain/Tick.ts"

/** Most ticks of a chunk. */
const maxTicks = 256

/** The ticks of `ticks` from `from` to before `until`, in chunks that share nothing with it. */
export const chunksOf = (
  ticks: ReadonlyArray<Tick.Tick>,
  from: number,
  until: number,
  enqueuedAtMs: number
): Array<Chunk> => {
  const chunks: Array<Chunk> = []
  for (let start = from; start < until; start += maxTicks) {
    chunks.push(new Chunk(ticks.slice(start, Math.min(start + maxTicks, until)), enqueuedAtMs))
  }
  return chunks
}

export class Chunk {
  readonly enqueuedAtMs: number
  /** A tick that has left is let go of. */
  private readonly ticks: Array<Tick.Tick | undefined>
  private next = 0

  /** `ticks` are the chunk's own from now on. */
  constructor(ticks: Array<Tick.Tick | undefined>, enqueuedAtMs: number) {
    this.ticks = ticks
    this.enqueuedAtMs = enqueuedAtMs
  }

  get isEmpty(): boolean {
    return this.next >= this.ticks.length
  }

  /**
   * Moves ticks to the end of `into` while that has fewer than `most`, and no more than `maxBytes` of them unless it is
   * empty. Gives the bytes moved.
   */
  moveTo(into: Array<Tick.Tick>, most: number, maxBytes: number): number {
    let moved = 0
    for (let tick = this.ticks[this.next]; tick !== undefined; tick = this.ticks[this.next]) {
      const size = tick.payload.length
      if (into.length >= most || (into.length > 0 && moved + size > maxBytes)) break
      into.push(tick)
      moved += size
      this.ticks[this.next++] = undefined
    }
    return moved
  }
}
