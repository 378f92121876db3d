/**
 * The waiting ticks of a queue: an Effect `Queue` of chunks, and the number and bytes of the ticks.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Tick from "../../domain/Tick.ts"
import { type Chunk, chunksOf } from "./Chunk.ts"

/** The limits of the queue: ticks, and bytes of payload. A single tick may be larger. */
export interface Budget {
  readonly capacity: number
  readonly maxBytes: number
}

/** Ticks that leave the queue, and the arrival of the first one, in milliseconds since 1970. */
export interface Leaving {
  readonly ticks: Tick.Batch
  readonly enqueuedAtMs: number
}

export class WaitingTicks {
  /** The number of waiting ticks. */
  count = 0
  /** The bytes of their payloads. */
  bytes = 0
  private readonly queue: Queue.Queue<Chunk, Cause.Done>
  private readonly budget: Budget
  /** The first chunk, when a batch had no room for all of it. It has left `queue`; the rest of its ticks still waits. */
  private front: Chunk | undefined

  /** `queue` holds `budget.capacity` chunks: each has one tick at least. */
  constructor(queue: Queue.Queue<Chunk, Cause.Done>, budget: Budget) {
    this.queue = queue
    this.budget = budget
  }

  get isFull(): boolean {
    return this.count >= this.budget.capacity
  }

  /** The arrival of the first waiting tick, in milliseconds since 1970. There must be one: then this doesn't wait. */
  get firstAtMs(): Effect.Effect<number, Cause.Done> {
    const first = this.front === undefined ? Queue.peek(this.queue) : Effect.succeed(this.front)
    return Effect.map(first, ({ enqueuedAtMs }) => enqueuedAtMs)
  }

  /** Adds ticks from index `from` on while there is room. Returns the index of the first tick not added. */
  add(ticks: ReadonlyArray<Tick.Tick>, from: number, atMs: number): number {
    let until = from
    for (let tick = ticks[until]; tick !== undefined && !this.isFull; tick = ticks[++until]) {
      const size = tick.payload.length
      if (this.bytes > 0 && this.bytes + size > this.budget.maxBytes) break
      this.count++
      this.bytes += size
    }
    for (const chunk of chunksOf(ticks, from, until, atMs)) Queue.offerUnsafe(this.queue, chunk)
    return until
  }

  /**
   * Takes the next ticks: up to `most`, and up to `maxBytes` of payload, but at least one. `leave` gets them in the step
   * in which they stop waiting. There must be `most` ticks, and nobody else may take meanwhile: then this doesn't wait.
   */
  take(most: number, maxBytes: number, leave: (leaving: Leaving) => void): Effect.Effect<void, Cause.Done> {
    return Effect.gen({ self: this }, function* () {
      const enqueuedAtMs = yield* this.firstAtMs
      const ticks: Array<Tick.Tick> = []
      let bytes = 0
      while (ticks.length < most) {
        const [chunk] = this.front === undefined ? yield* Queue.takeBetween(this.queue, 1, 1) : [this.front]
        if (chunk === undefined) break
        bytes += chunk.moveTo(ticks, most, maxBytes - bytes)
        this.front = chunk.isEmpty ? undefined : chunk
        if (this.front !== undefined) break
      }
      this.count -= ticks.length
      this.bytes -= bytes
      if (Tick.isBatch(ticks)) leave({ ticks, enqueuedAtMs })
    })
  }
}
