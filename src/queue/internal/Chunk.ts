/**
 * Ticks that entered a queue in one step: the elements of the queue.
 *
 * Plain loops move ticks in and out. So a waiting tick needs no object and no effect of its own.
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
  /** When its ticks entered the queue, in milliseconds since 1970. */
  readonly enqueuedAtMs: number
  /** A tick that has left is `undefined`, so that its memory can be freed. */
  private readonly ticks: Array<Tick.Tick | undefined>
  private next = 0

  /** The chunk owns `ticks` from now on. */
  constructor(ticks: Array<Tick.Tick | undefined>, enqueuedAtMs: number) {
    this.ticks = ticks
    this.enqueuedAtMs = enqueuedAtMs
  }

  get isEmpty(): boolean {
    return this.next >= this.ticks.length
  }

  /**
   * Moves ticks to the end of `into` until that has `most`, or until `maxBytes` have moved. If `into` is empty, it moves
   * one tick of any size. Returns the bytes moved.
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
