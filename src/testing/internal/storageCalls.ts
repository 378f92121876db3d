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

/** Bytes of this number that aren't alike. */
export const pattern = (size: number) =>
  Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 0xff)
