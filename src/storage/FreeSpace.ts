/**
 * Room on the medium under a folder. An adapter of Node: Effect's file system does not tell.
 */
import * as Effect from "effect/Effect"
// Effect's file system has no statfs. @effect-diagnostics-next-line nodeBuiltinImport:off
import { statfs } from "node:fs/promises"

/**
 * Bytes that this process could still write below `folder`, which exists; `undefined` where the system doesn't say.
 * Quotas are not known.
 */
export const of = (folder: string): Effect.Effect<number | undefined> =>
  Effect.tryPromise(() => statfs(folder)).pipe(
    Effect.map(({ bavail, blocks, bsize }) => (blocks === 0 ? undefined : bavail * bsize)),
    Effect.catch(() => Effect.undefined)
  )
