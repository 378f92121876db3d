/**
 * A file in chunks, the next of which is read while one is being looked at.
 *
 * A file is never closed, and a buffer never used for anything else, under a call that may still write into it: whoever
 * stops reading waits for the chunk that is on its way.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"

/** Large enough that what a chunk costs beside its bytes doesn't count, small enough for the caches of a processor. */
const chunkBytes = 512 * 1024

/** The first chunk that is kept: most files that are not batches are small. Each is twice as large as the one before. */
const firstChunkBytes = 64 * 1024

/** Buffers for chunks that are lent, at most so many, of those who read at the same time. */
export class Buffers {
  private readonly idle: Array<Uint8Array> = []

  /** Two buffers for as long as the scope is open. */
  readonly two = Effect.acquireRelease(
    Effect.sync(() => [this.take(), this.take()] as const),
    (buffers) => Effect.sync(() => this.idle.push(...buffers.slice(0, maxIdle - this.idle.length)))
  )

  private take(): Uint8Array {
    return this.idle.pop() ?? new Uint8Array(chunkBytes)
  }
}

const maxIdle = 4

/** What `read` gives for the ordinals from 0 on until that is nothing, always one ahead of who asks for it. */
const ahead = Effect.fnUntraced(function* (read: (ordinal: number) => Effect.Effect<Uint8Array, PlatformError>) {
  const scope = yield* Effect.scope
  const begin = (ordinal: number) =>
    Effect.forkIn(Effect.uninterruptible(read(ordinal)), scope, { startImmediately: true })
  let ordinal = 0
  let next = yield* begin(ordinal)
  const pull = Effect.gen(function* () {
    const chunk = yield* Fiber.join(next)
    if (chunk.length === 0) return yield* Cause.done()
    next = yield* begin(++ordinal)
    return Arr.of(chunk)
  })
  return Stream.fromPull(Effect.succeed(pull))
})

const nothing = new Uint8Array()

/** The bytes of `file`, in chunks that may be kept. */
export const kept = (fs: FileSystem.FileSystem, file: string): Stream.Stream<Uint8Array, PlatformError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const handle = yield* fs.open(file, { flag: "r" })
      return yield* ahead((ordinal) =>
        Effect.map(
          handle.readAlloc(Math.min(chunkBytes, firstChunkBytes * 2 ** ordinal)),
          Option.getOrElse(() => nothing)
        )
      )
    })
  )

/** The bytes of `file`, in chunks that are overwritten once the next is asked for. */
export const lent = (
  fs: FileSystem.FileSystem,
  file: string,
  buffers: Buffers
): Stream.Stream<Uint8Array, PlatformError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const [even, odd] = yield* buffers.two
      const handle = yield* fs.open(file, { flag: "r" })
      return yield* ahead((ordinal) => {
        const buffer = ordinal % 2 === 0 ? even : odd
        return Effect.map(handle.read(buffer), (bytes) => buffer.subarray(0, bytes))
      })
    })
  )
