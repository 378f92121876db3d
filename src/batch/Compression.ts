/**
 * Compression for new batches, and the functions that compress and decompress. Readers look at the content of an
 * object, not at its name.
 *
 * Those who write batches take the `Compression` from their context, beside the `Storage`. The storage itself only
 * keeps bytes.
 *
 * A compressed batch is one zstd frame with the size and the checksum of its content; any zstd tool reads it. The work
 * is done in a stream, in threads of Node: at most a few MiB of a batch are in memory a second time.
 *
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Stream from "effect/Stream"
 * import * as Compression from "tickvault/batch/Compression"
 * import * as FileStorage from "tickvault/storage/FileStorage"
 *
 * export const storage = Layer.merge(FileStorage.layer(), Compression.layer({ compressionLevel: 3 }))
 *
 * // Plain bytes pass unchanged.
 * export const size = (bytes: Uint8Array) =>
 *   Stream.runFold(Compression.decompressed(Stream.make(bytes)), () => 0, (total, chunk) => total + chunk.length)
 * ```
 */
import * as Arr from "effect/Array"
import * as Bytes from "effect/Bytes"
import * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as OptionConfig from "../domain/OptionConfig.ts"
import type { Codec } from "../storage/StorageKey.ts"
import * as Zstd from "./internal/zstd.ts"
import { beginsFrame, Cutter } from "./internal/zstdParts.ts"

/** Compression for new batches. Decompressing needs none of it. */
export class Compression extends Context.Service<
  Compression,
  { readonly codec: "none" } | { readonly codec: "zstd"; readonly level: number }
>()("tickvault/batch/Compression") {}

/** Batches are not compressed. */
export const none: Compression["Service"] = { codec: "none" }

/** `compression`, or the quickest one when that is none. */
export const always = (compression: Compression["Service"]): Compression["Service"] =>
  compression.codec === "none" ? { codec: "zstd", level: 1 } : compression

const mostLevel = 22

/** The compression settings, for options that include them. `codec` is the default of `compression`. */
export const fields = (codec: Codec) => ({
  /** Compression for new batches: "none" or "zstd". Both are read. Default "zstd" with files, "none" in memory. */
  compression: Schema.Literals(["none", "zstd"]).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(codec))),
  /**
   * Level of zstd, from 1, the quickest, to 22, which takes 100 times as long and up to a gigabyte of memory for each
   * batch in hand. Default 1. Has no effect without `compression` "zstd".
   */
  compressionLevel: Schema.Int.check(
    Schema.isBetween({ minimum: 1, maximum: mostLevel }, { message: `must be a whole number from 1 to ${mostLevel}` })
  ).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(1)))
})

/** Settings of a compression. `compression` has the default "zstd". */
export const Options = Schema.Struct(fields("zstd"))

/** The compression of decoded options. */
export const makeWith = (options: typeof Options.Type): Compression["Service"] =>
  options.compression === "none" ? none : { codec: "zstd", level: options.compressionLevel }

/** Like `layer`, with decoded options. */
export const layerWith = (options: typeof Options.Type): Layer.Layer<Compression> =>
  Layer.succeed(Compression, makeWith(options))

/** New batches are compressed: with zstd at level 1 by default. Fails with `SchemaError` on a bad option. */
export const layer = (options: typeof Options.Encoded = {}): Layer.Layer<Compression, Schema.SchemaError> =>
  Layer.effect(Compression, Effect.map(Schema.decodeEffect(Options, { errors: "all" })(options), makeWith))

/** New batches are not compressed. */
export const layerNone: Layer.Layer<Compression> = Layer.succeed(Compression, none)

/**
 * As `layer`, with the options that the environment sets, over `options`. `name` is that of the storage whose variables
 * these are: `TICKVAULT_STORAGE_MAIN_COMPRESSION` by default. Fails with `ConfigError`, which names each wrong variable.
 */
export const layerConfig = (
  name = "storage-main",
  options: typeof Options.Encoded = {}
): Layer.Layer<Compression, Config.ConfigError> =>
  Layer.effect(Compression, Effect.map(OptionConfig.of(Options, name, options), makeWith))

/** Whether a stream that begins with these bytes is compressed. */
export const isCompressed = beginsFrame

/** A compressed stream is damaged or cut. */
export type ZstdError = Zstd.ZstdError

export const isDamage = Schema.is(Zstd.ZstdError)

/** Makes a coder that compresses step by step and lives in the scope. Fails when there is no memory for it. */
export const compressor = Zstd.compressor

/** A zstd stream: put bytes in, and take all output before you put more. */
export type Coder = Zstd.Coder

const magicBytes = 4

type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

/** Passes chunks uncut. */
const asTheyCome = { push: (chunk: Uint8Array): Array<Uint8Array> => [chunk], end: (): Array<Uint8Array> => [] }

/** Decompresses `chunks` and all that is pulled after them. `cutter` cuts both into the pieces that are put in. */
const decompressing = <E>(
  coder: Zstd.Coder,
  cutter: typeof asTheyCome,
  chunks: ReadonlyArray<Uint8Array>,
  upstream: Pull.Pull<Chunks, E>
): Pull.Pull<Chunks, E | ZstdError> => {
  const waiting = chunks.flatMap((chunk) => cutter.push(chunk))
  let state: "open" | "ending" | "ended" = "open"
  const feed: Effect.Effect<void, E | ZstdError> = Effect.suspend(() => {
    const piece = waiting.shift()
    if (piece !== undefined) return Effect.sync(() => coder.put(piece))
    if (state === "ending") {
      state = "ended"
      return Effect.sync(() => coder.end())
    }
    return Pull.catchDone(
      Effect.map(upstream, (more) => void waiting.push(...more.flatMap((chunk) => cutter.push(chunk)))),
      () => {
        state = "ending"
        waiting.push(...cutter.end())
        return Effect.void
      }
    )
  })
  return Effect.gen(function* () {
    while (true) {
      const out = yield* coder.next
      if (out !== undefined) return [out] as const
      if (state === "ended") return yield* Cause.done()
      yield* feed
    }
  })
}

/** The first bytes of `chunks`, enough to know whether a frame begins. */
const head = (chunks: ReadonlyArray<Uint8Array>): Uint8Array =>
  Bytes.concat(chunks.map((chunk) => chunk.subarray(0, magicBytes))).subarray(0, magicBytes)

const transform = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  makeCutter: () => typeof asTheyCome
): Stream.Stream<Uint8Array, E | ZstdError, R> =>
  Stream.transformPull(bytes, (upstream, scope) =>
    Effect.sync(() => {
      let following: Pull.Pull<Chunks, E | ZstdError> | undefined
      const begin = Effect.gen(function* () {
        const chunks: Array<Uint8Array> = []
        let isWhole = false
        while (!isWhole && head(chunks).length < magicBytes) {
          // A lent chunk is overwritten when the next one is pulled, so keep copies.
          for (const [index, chunk] of chunks.entries()) chunks[index] = chunk.slice()
          const more = yield* Pull.catchDone(upstream, () => Effect.undefined)
          if (more === undefined) isWhole = true
          else chunks.push(...more)
        }
        const rest = isWhole ? Cause.done() : upstream
        if (beginsFrame(head(chunks))) {
          const begun = chunks.reduce((bytes, chunk) => bytes + chunk.length, 0)
          const coder = yield* Scope.provide(Zstd.decompressor(begun), scope)
          following = decompressing(coder, makeCutter(), chunks, rest)
          return yield* following
        }
        following = rest
        return Arr.isArrayNonEmpty(chunks) ? chunks : yield* rest
      })
      return Effect.suspend(() => following ?? begin)
    })
  )

/**
 * Decompresses `bytes` when they begin like a zstd frame; otherwise passes them on as they are. `bytes` may be lent chunks.
 * Memory: a few chunks and the window of the compression, 128 MiB at most. Fails with `ZstdError` on a damage. The last
 * bytes before a damage, less than a chunk, may not be emitted: see `upToDamage`.
 */
export const decompressed = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<Uint8Array, E | ZstdError, R> => transform(bytes, () => asTheyCome)

/** Like `decompressed`, but emits every byte before a damage. Takes about twice as long. */
export const upToDamage = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | ZstdError, R> =>
  transform(bytes, () => new Cutter())
