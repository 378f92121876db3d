/**
 * Short ways to call a storage by the names of its objects.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Storage from "../../storage/Storage.ts"
import * as StorageKey from "../../storage/StorageKey.ts"

export const key = (name: string) => Effect.orDie(StorageKey.parse(name))

export const put = Effect.fnUntraced(function* (name: string, ...pieces: ReadonlyArray<Uint8Array>) {
  return yield* Storage.write(yield* Storage.Storage, yield* key(name), pieces)
})

export const get = Effect.fnUntraced(function* (name: string) {
  return Bytes.concat(yield* Stream.runCollect((yield* Storage.Storage).read(yield* key(name))))
})

export const list = Effect.fnUntraced(function* (prefix: string) {
  return (yield* Stream.runCollect((yield* Storage.Storage).list(prefix))).map(String)
})

/** The bytes that `stat` gives; `undefined` when there is no object. */
export const sizeOf = Effect.fnUntraced(function* (name: string) {
  return (yield* (yield* Storage.Storage).stat(yield* key(name)))?.bytes
})

/** Opens the log, appends the pieces and closes it. */
export const append = Effect.fnUntraced(function* (name: string, ...pieces: ReadonlyArray<Uint8Array>) {
  const storage = yield* Storage.Storage
  yield* Effect.scoped(
    Effect.gen(function* () {
      const log = yield* storage.append(yield* key(name))
      for (const piece of pieces) yield* log.append(piece)
    })
  )
})

/** Bytes of this number that aren't alike. */
export const pattern = (size: number) =>
  Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 0xff)
