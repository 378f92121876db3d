/**
 * Reads a file in chunks, one chunk ahead of the reader.
 *
 * A reader that stops waits for the chunk that is being read. So no file is closed, and no buffer reused, while a call
 * may still write into it.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { BufferPool } from "../BufferPool.ts"
import type { Room } from "../Storage.ts"

/** Large enough to make the cost of a chunk negligible, small enough for processor caches. */
const chunkBytes = 1024 * 1024

/** Most files that are not batches are smaller, so they need no larger buffer. */
const firstChunkBytes = 64 * 1024

/** The largest number of unused buffers that are kept. */
const maxIdle = 4

/** Buffers that readers share, one after the other. */
export class Buffers {
  private readonly pool = new BufferPool(maxIdle)

  /** A buffer for the time of the scope. */
  readonly one = Effect.acquireRelease(
    Effect.sync(() => this.pool.take(chunkBytes)),
    (buffer) => Effect.sync(() => this.pool.giveBack(buffer))
  )
}

/** The results of repeated `read`s until an empty one. It always reads one ahead. */
const ahead = Effect.fnUntraced(function* (read: Effect.Effect<Uint8Array, PlatformError>) {
  const scope = yield* Effect.scope
  const begin = Effect.forkIn(Effect.uninterruptible(read), scope, { startImmediately: true })
  let next = yield* begin
  const pull = Effect.gen(function* () {
    const chunk = yield* Fiber.join(next)
    if (chunk.length === 0) return yield* Cause.done()
    next = yield* begin
    return Arr.of(chunk)
  })
  return Stream.fromPull(Effect.succeed(pull))
})

const nothing = new Uint8Array()

/** The bytes of `file`, in chunks that may be kept. */
export const kept = (
  fs: FileSystem.FileSystem,
  file: string,
  buffers: Buffers
): Stream.Stream<Uint8Array, PlatformError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const first = (yield* buffers.one).subarray(0, firstChunkBytes)
      const handle = yield* fs.open(file, { flag: "r" })
      let isMore = false
      // Copies the first chunk, and the chunk after one that was not full, which is usually the last one.
      const small = Effect.map(handle.read(first), (bytes) => {
        isMore = bytes === first.length
        return new Uint8Array(first.subarray(0, bytes))
      })
      const large = Effect.map(handle.readAlloc(chunkBytes), (chunk) => {
        const bytes = Option.getOrElse(chunk, () => nothing)
        isMore = bytes.length === chunkBytes
        return bytes
      })
      return yield* ahead(Effect.suspend(() => (isMore ? large : small)))
    })
  )

/** The bytes of `file`, in chunks that are overwritten when the next one is pulled. */
export const lent = (
  fs: FileSystem.FileSystem,
  file: string,
  buffers: Buffers
): Stream.Stream<Uint8Array, PlatformError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      let [next, other] = [yield* buffers.one, yield* buffers.one]
      const handle = yield* fs.open(file, { flag: "r" })
      return yield* ahead(
        Effect.suspend(() => {
          const buffer = next
          ;[next, other] = [other, next]
          return Effect.map(handle.read(buffer), (bytes) => buffer.subarray(0, bytes))
        })
      )
    })
  )

/** The bytes of `file`, in chunks that fill the memory of `room`. */
export const into =
  (room: Room) =>
  (fs: FileSystem.FileSystem, file: string): Stream.Stream<Uint8Array, PlatformError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const handle = yield* fs.open(file, { flag: "r" })
        let rest: Uint8Array = nothing
        return yield* ahead(
          Effect.suspend(() => {
            const place = rest.length > 0 ? rest : room()
            return Effect.map(handle.read(place), (bytes) => {
              rest = place.subarray(bytes)
              return place.subarray(0, bytes)
            })
          })
        )
      })
    )
